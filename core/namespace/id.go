package namespace

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// An ID tells a namespace from the others of the same kind, as long as somebody
// has it: its number is another's then, namespaces(7).
type ID struct{ Dev, Ino uint64 }

// Path is where the namespace of kind k that process pid is in can be opened.
func Path(pid int, k *Kind) string { return fmt.Sprintf("/proc/%d/ns/%s", pid, k.Proc) }

// Of is the namespace of kind k that process pid is in. The cause of the error
// is EACCES where the caller may not look into the process, ptrace(2).
func Of(pid int, k *Kind) (ID, error) {
	var st unix.Stat_t
	if err := unix.Stat(Path(pid, k), &st); err != nil {
		return ID{}, fault.Op(err, "look at %s", Path(pid, k))
	}
	return ID{uint64(st.Dev), st.Ino}, nil
}

// OwnUser is the number of this process's user namespace, without procfs, where each process
// is a folder that is made when one looks into it (Linux 6.11). A process of more than one
// thread does not change it, unshare(2): it is looked for once.
var OwnUser = sync.OnceValues(func() (uint64, error) {
	self, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(self)
	ns, err := unix.IoctlRetInt(self, unix.PIDFD_GET_USER_NAMESPACE)
	if err != nil {
		return 0, err
	}
	defer unix.Close(ns)
	var st unix.Stat_t
	err = unix.Fstat(ns, &st)
	return st.Ino, err
})

// Numbers are those of the namespaces of the kinds (CLONE_NEW*) that process pid is in,
// in the order of Kinds, and 0 where there is none. The error is that of Of.
func Numbers(pid int, kinds uint64) (list [len(Kinds)]uint64, err error) {
	if kinds == unix.CLONE_NEWUSER && pid == os.Getpid() {
		if list[0], err = OwnUser(); err == nil {
			return list, nil
		}
	}
	dir := "/proc/" + strconv.Itoa(pid) + "/ns"
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return list, fault.Op(err, "look at %s", dir)
	}
	defer unix.Close(fd)
	for i := range Kinds {
		if kinds&Kinds[i].Flag == 0 {
			continue
		}
		var buf [64]byte
		n, err := unix.Readlinkat(fd, Kinds[i].Proc, buf[:])
		if err == unix.ENOENT {
			continue
		}
		if err != nil {
			return list, fault.Op(err, "look at %s", Path(pid, &Kinds[i]))
		}
		// As in "mnt:[4026531841]".
		_, number, _ := strings.Cut(string(buf[:n]), ":[")
		if list[i], err = strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64); err != nil {
			return list, fault.Op(nil, "%s leads to %q", Path(pid, &Kinds[i]), buf[:n])
		}
	}
	return list, nil
}

// Below says whether the pid namespace of process pid is id, or descends from
// it. Those above the caller's own are out of sight (NS_GET_PARENT, ioctl_ns(2)).
func Below(pid int, id ID) bool {
	fd, err := unix.Open(Path(pid, ByType(specs.PIDNamespace)), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	for err == nil {
		var st unix.Stat_t
		if err = unix.Fstat(fd, &st); err == nil && (ID{uint64(st.Dev), st.Ino}) == id {
			unix.Close(fd)
			return true
		}
		parent, e := unix.IoctlRetInt(fd, unix.NS_GET_PARENT)
		unix.Close(fd)
		fd, err = parent, e
	}
	return false
}

// MountID is a number of pid's mount namespace that no other gets before the
// next boot, or 0: for want of access, or on a kernel before 6.11.
func MountID(pid int) uint64 {
	fd, err := unix.Open(Path(pid, ByType(specs.MountNamespace)), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	var id uint64
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.NS_GET_MNTNS_ID, uintptr(unsafe.Pointer(&id))); errno != 0 {
		return 0
	}
	return id
}
