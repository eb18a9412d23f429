// Package seal keeps a container from writing to the program of the runtime
// that makes it (CVE-2019-5736). A process that enters a container before it
// executes anything there can be followed by /proc/PID/exe to the runtime's own
// file on the host; an entrypoint /proc/self/exe, or a script that names it as
// its interpreter, even executes it. Where that file could be written to in the
// container, the program is executed once more before, from what cannot be.
package seal

import (
	"path/filepath"
	"runtime"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/early"
	"ocibox/core/fault"
	"ocibox/core/files"
	"ocibox/core/idmap"
)

// Program is how the running program is executed anew.
type Program struct {
	Args []string // as it was started with
	// Before, if not nil, is called when that is about to happen. It has to see
	// to the signals that are caught: execve(2) forgets those that have come.
	Before func() error
}

const selfExe = "/proc/self/exe"

// Seal returns when nothing in the container can write to the file that the
// process executes, and otherwise does not return but with an error: the
// program begins again, as the same process with the same arguments,
// environment, descriptors and limits (early.Exec). So it is to be called before anything
// is made.
//
// uids are those of the user namespace that is made for the container, empty
// if there is none or they are not known.
//
// If child, which is asked where the file has to be sealed, gives an image, it may also
// return that and a descriptor of a file for the child to execute from,
// clone.Program.Sheltered, which costs less; otherwise the descriptor is -1. Who began
// the program is then not protected: to be used where the container has a pid
// namespace of its own, so that none of its processes sees another one than its
// init and those that join it. What it could look at through a procfs of the
// host's it has already: the kernel lets nobody follow a process's exe who could
// not follow its root, proc_pid_link(5), and so to the file itself.
func (p Program) Seal(uids []specs.LinuxIDMapping, child func() *clone.Image) (file int, image *clone.Image, err error) {
	if len(uids) == 0 { // nobody is beyond reach
		if image = child(); image != nil {
			if fd, err := named(image); err == nil {
				return fd, image, nil
			}
		}
	}
	exe, opening := files.Open(selfExe, unix.O_RDONLY, 0)
	var st unix.Stat_t
	if opening == nil {
		defer unix.Close(exe)
		err = unix.Fstat(exe, &st)
	} else { // who may execute it need not be one who may read it
		err = unix.Stat(selfExe, &st)
	}
	if err != nil {
		return -1, nil, fault.Op(err, "look at %s", selfExe)
	}
	if beyond(&st, uids) {
		return -1, nil, nil
	}
	if opening != nil {
		return -1, nil, fault.Op(opening, "open %s", selfExe)
	}
	if ok, err := sealed(exe); err != nil {
		return -1, nil, err
	} else if ok {
		return -1, nil, p.rename()
	}
	if len(uids) > 0 {
		image = child()
	}
	if image != nil {
		if fd, err := mounted(exe); err == nil {
			return fd, image, nil
		}
	}
	fd, err := copyOf(exe)
	if err != nil {
		return -1, nil, err
	}
	defer unix.Close(fd)
	// It would be executed again and again.
	if ok, err := sealed(fd); err != nil {
		return -1, nil, err
	} else if !ok {
		return -1, nil, fault.Op(nil, "seal %s: the copy can be written to", selfExe)
	}
	if p.Before != nil {
		if err := p.Before(); err != nil {
			return -1, nil, err
		}
	}
	// Unlike the plain call, this one restores RLIMIT_NOFILE as it was before
	// package syscall raised it.
	err = early.Exec(path(fd), p.Args, early.Environ())
	return -1, nil, fault.Op(err, "execute a sealed copy of %s", selfExe)
}

// beyond says that no process of a user namespace with these uids can write to
// the file or change its mode. No capability helps where the owner is not
// mapped, user_namespaces(7); nor does an access control list grant more than
// the group's bits, acl(5).
func beyond(st *unix.Stat_t, uids []specs.LinuxIDMapping) bool {
	_, mapped := idmap.ContainerID(uids, st.Uid)
	return len(uids) > 0 && !mapped && st.Mode&0o022 == 0
}

// rename gives the process its name back: execve took it from the descriptor's
// path.
func (p Program) rename() error {
	if len(p.Args) == 0 {
		return nil
	}
	name, err := unix.BytePtrFromString(filepath.Base(p.Args[0]))
	if err == nil {
		err = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(name)), 0, 0, 0)
		runtime.KeepAlive(name)
	}
	if err != nil {
		return fault.Op(err, "name the process")
	}
	return nil
}
