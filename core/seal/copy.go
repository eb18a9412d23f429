package seal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
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

func sealed(f *os.File) (bool, error) {
	defer runtime.KeepAlive(f)
	fd := int(f.Fd())
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
func copyOf(exe *os.File) (*os.File, error) {
	if f, err := mount(exe); err == nil {
		return f, nil
	}
	return memfd(exe)
}

func mount(exe *os.File) (*os.File, error) {
	fd, err := unix.OpenTree(int(exe.Fd()), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), selfExe)
	attr := unix.MountAttr{Attr_set: ownMount, Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// mounted is the file by the mount, opened for reading: the mount is in no mount
// namespace any more.
func mounted(exe *os.File) (*os.File, error) {
	tree, err := mount(exe)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", tree.Fd()))
	if err != nil {
		return nil, err
	}
	if ok, err := sealed(f); err != nil || !ok {
		f.Close()
		return nil, fault.Op(err, "the mount of %s can be written to", selfExe)
	}
	return f, nil
}

func memfd(exe *os.File) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("ocibox", flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("ocibox", flags)
	}
	if err != nil {
		return nil, refused(fault.Op(err, "make a copy of %s in memory", selfExe))
	}
	f := os.NewFile(uintptr(fd), selfExe)
	if err := fill(f, exe); err != nil {
		f.Close()
		return nil, fault.Op(err, "copy %s into memory", selfExe)
	}
	return f, nil
}

func fill(f, exe *os.File) error {
	st, err := exe.Stat()
	if err != nil {
		return err
	}
	for left := st.Size(); left > 0; {
		n, err := unix.Sendfile(int(f.Fd()), int(exe.Fd()), nil, int(min(left, 1<<30)))
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		left -= int64(n)
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals)
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
