package namespace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/proc"
)

const (
	fileidNsfs = 0xf1       // FILEID_NSFS of the kernel's exportfs.h
	fdNsfsRoot = -10003     // FD_NSFS_ROOT of linux/fcntl.h
	nsGetID    = 0x8008b70d // NS_GET_ID of linux/nsfs.h
)

// Number is the namespace's number that no other gets before the next boot
// (NS_GET_ID, Linux 6.18).
func Number(fd int) (uint64, error) {
	var id uint64
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), nsGetID, uintptr(unsafe.Pointer(&id))); errno != 0 {
		return 0, errno
	}
	return id, nil
}

// OpenNumber opens the namespace of kind k by its Number: by a file handle, for
// which the kernel wants CAP_SYS_ADMIN in the initial user namespace, or else by
// looking for a process in it.
func OpenNumber(id uint64, k *Kind) (int, error) {
	handle := make([]byte, 16) // struct nsfs_file_handle: the number, and neither kind nor inode
	binary.NativeEndian.PutUint64(handle, id)
	if fd, err := unix.OpenByHandleAt(fdNsfsRoot, unix.NewFileHandle(fileidNsfs, handle), unix.O_RDONLY|unix.O_CLOEXEC); err == nil {
		return check(fd, fmt.Sprintf(":%d", id), k)
	}
	own, err := unix.Open("/proc/self/ns/"+k.Proc, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fault.Op(err, "open %s namespace :%d", k.Proc, id)
	}
	_, err = Number(own)
	unix.Close(own)
	if err != nil {
		return -1, fault.Op(nil, "open %s namespace :%d: this kernel tells no numbers of namespaces", k.Proc, id).WithHint("it takes Linux 6.18; a file or a process names one on any")
	}
	pids, err := proc.Pids()
	if err != nil {
		return -1, err
	}
	for _, pid := range pids {
		fd, err := unix.Open(Path(pid, k), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // gone, or out of reach
		}
		if n, err := Number(fd); err == nil && n == id {
			return fd, nil
		}
		unix.Close(fd)
	}
	return -1, fault.Op(unix.ENOENT, "open %s namespace :%d", k.Proc, id)
}

// Socket opens the network namespace of the socket that is descriptor fd of a
// process (SIOCGSKNS, pidfd_getfd(2)).
func Socket(pidfd, fd int) (int, error) {
	sock, err := unix.PidfdGetfd(pidfd, fd, 0)
	if err != nil {
		return -1, fault.Op(err, "pidfd_getfd(%d)", fd)
	}
	defer unix.Close(sock)
	ns, err := unix.IoctlRetInt(sock, unix.SIOCGSKNS)
	if errors.Is(err, unix.ENOTTY) {
		err = unix.ENOTSOCK
	}
	if err != nil {
		return -1, fault.Op(err, "ioctl(SIOCGSKNS) on descriptor %d", fd)
	}
	unix.CloseOnExec(ns)
	return ns, nil
}

// Owner opens the user namespace that owns the namespace fd; for a user namespace
// that is its parent. EPERM: it is not the caller's, and not below that
// (NS_GET_USERNS, ioctl_ns(2)).
func Owner(fd int) (int, error) {
	ns, err := unix.IoctlRetInt(fd, unix.NS_GET_USERNS)
	if err != nil {
		return -1, err
	}
	unix.CloseOnExec(ns)
	return ns, nil
}

// IDOf is the namespace that a descriptor refers to.
func IDOf(fd int) (ID, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return ID{}, fault.Op(err, "look at a namespace")
	}
	return ID{uint64(st.Dev), st.Ino}, nil
}

// ParseNumber reads a Number as users write it behind a colon.
func ParseNumber(text string) (uint64, error) {
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil || id == 0 {
		return 0, fault.Op(nil, "%q is no number of a namespace", text)
	}
	return id, nil
}
