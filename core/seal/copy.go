package seal

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/files"
)

// A sealed program is one of two things, and says so itself.
//
// A memfd with all of seals, fcntl(2).
//
// Or the file by a mount of its own, read-only and in no mount namespace any
// more once its descriptor is closed: the magic link /proc/PID/exe keeps to
// that mount, and nobody can make it writable again, for mount_setattr(2) and
// mount(2) change what is in the caller's mount namespace. A read-only mount or
// file system of the host's is not enough: while the container holds a
// descriptor, somebody may make it writable to update it.
const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// ownMount are the attributes of the mount. Nosymfollow (Linux 5.10) does
// nothing to a mount of one file, and tells it from others' read-only binds.
const ownMount = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSYMFOLLOW

// Of the flags in statfs(2).
const stNosymfollow = 0x2000

func sealed(fd int) (bool, error) {
	// Files without seals say EINVAL, those of a tmpfs that they cannot have any.
	if has, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0); err == nil && has&seals == seals {
		return true, nil
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return false, fault.Op(err, "look at the file system of %s", selfExe)
	}
	const flags = unix.ST_RDONLY | stNosymfollow
	if fs.Flags&flags != flags {
		return false, nil
	}
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, 0, &st); err != nil {
		return false, fault.Op(err, "look at %s", selfExe)
	}
	return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, nil
}

// copyOf makes what to execute instead of exe: the mount, which is made twice as fast,
// or where the caller may not mount, or not from there, the memfd.
func copyOf(exe int) (int, error) {
	if fd, err := mount(exe, ""); err == nil {
		return fd, nil
	}
	return memfd(exe)
}

// mount is ownMount of what the path leads to, or of the descriptor's file with none.
func mount(at int, path string) (int, error) {
	fd, err := unix.OpenTree(at, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return -1, err
	}
	attr := unix.MountAttr{Attr_set: ownMount, Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// mounted is the file by the mount, opened for reading: the mount is in no mount
// namespace any more.
func mounted(exe int) (int, error) {
	tree, err := mount(exe, "")
	if err != nil {
		return -1, err
	}
	defer unix.Close(tree)
	fd, err := files.Open(path(tree), unix.O_RDONLY, 0)
	if err != nil {
		return -1, err
	}
	if ok, err := sealed(fd); err != nil || !ok {
		unix.Close(fd)
		return -1, fault.Op(err, "the mount of %s can be written to", selfExe)
	}
	return fd, nil
}

// path leads to what a descriptor of this process refers to.
func path(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

func memfd(exe int) (int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("ocibox", flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("ocibox", flags)
	}
	if err != nil {
		return -1, refused(fault.Op(err, "make a copy of %s in memory", selfExe))
	}
	if err := fill(fd, exe); err != nil {
		unix.Close(fd)
		return -1, fault.Op(err, "copy %s into memory", selfExe)
	}
	return fd, nil
}

func fill(fd, exe int) error {
	var st unix.Stat_t
	if err := unix.Fstat(exe, &st); err != nil {
		return err
	}
	for left := st.Size; left > 0; {
		n, err := unix.Sendfile(fd, exe, nil, int(min(left, 1<<30)))
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		left -= int64(n)
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	return err
}

const noexecSysctl = "/proc/sys/vm/memfd_noexec"

// refused explains an executable memfd that was not to be had.
func refused(e *fault.Error) error {
	if !errors.Is(e, unix.EACCES) {
		return e
	}
	if v, err := os.ReadFile(noexecSysctl); err == nil && strings.TrimSpace(string(v)) == "2" {
		return e.WithHint("sysctl vm.memfd_noexec is 2, so no program is executed from memory, and the container could write to %s: set it to 1, or have the program belong to a user whom the container does not map", selfExe)
	}
	return e
}
