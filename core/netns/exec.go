package netns

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/early"
	"ocibox/core/fault"
)

// etcDir holds for each name a directory of files that are bound over those of
// /etc for the programs that are executed in the namespace, ip-netns(8).
const etcDir = "/etc/netns"

// Exec executes a program in the place of this process: in the network
// namespace of that name, and in a mount namespace of its own with a /sys that
// shows it. It keeps the pid, by which others may find the namespace. Files for
// /etc for which there is no place are told by warn. It returns only if
// something fails.
func Exec(name string, argv, env []string, warn func(string)) error {
	return within(name, warn, func() error {
		return along(argv, env, func(path string) error { return syscall.Exec(path, argv, env) })
	})
}

// Run is Exec of a child, and waits for its end.
func Run(name string, argv, env []string, warn func(string)) (state *os.ProcessState, err error) {
	err = within(name, warn, func() error {
		return along(argv, env, func(path string) error {
			p, err := os.StartProcess(path, argv, &os.ProcAttr{Env: env, Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
			if err == nil {
				state, err = p.Wait()
			}
			return err
		})
	})
	return state, err
}

// along does it with the first of a program's paths that is there, execvp(3).
func along(argv, env []string, do func(path string) error) error {
	denied := error(unix.ENOENT)
	for _, path := range clone.SearchPath(argv[0], env) {
		err := do(path)
		switch {
		case errors.Is(err, unix.EACCES):
			denied = unix.EACCES
		case !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR):
			return err
		}
	}
	return fault.Op(denied, "execve(%s)", argv[0])
}

// within calls f on a thread that is in the namespaces for a program. The
// thread ends with it: it is of use to nobody else.
func within(name string, warn func(string), f func() error) error {
	fd, err := Open(name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	done := make(chan error)
	go func() {
		early.Plainly()
		err := enter(fd, name, warn)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// enter brings the thread there. Nothing that is mounted gets out.
func enter(fd int, name string, warn func(string)) error {
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return fault.Op(err, "enter network namespace %s", name)
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fault.Op(err, "unshare(CLONE_NEWNS)")
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &unix.MountAttr{Propagation: unix.MS_SLAVE}); err != nil {
		return fault.Op(err, "mount_setattr(/, MS_SLAVE)")
	}
	if err := mountSys(name); err != nil {
		return err
	}
	return bindEtc(name, warn)
}

// mountSys mounts a sysfs that shows the network namespace of the thread.
func mountSys(name string) error {
	var st unix.Statfs_t
	if err := unix.Statfs("/sys", &st); err != nil {
		return fault.Op(err, "look at /sys")
	}
	attr := 0
	if st.Flags&unix.ST_RDONLY != 0 {
		attr = unix.MOUNT_ATTR_RDONLY // a user namespace may make no other, mount_namespaces(7)
	}
	fs, err := unix.Fsopen("sysfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return fault.Op(err, "fsopen(sysfs)")
	}
	defer unix.Close(fs)
	if err := unix.FsconfigSetString(fs, "source", name); err != nil {
		return fault.Op(err, "fsconfig(source=%s)", name)
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return fault.Op(err, "fsconfig(sysfs)")
	}
	// Made before the old one goes: a user namespace has to have one to show
	// what it may see.
	sys, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attr)
	if err != nil {
		return fault.Op(err, "fsmount(sysfs)")
	}
	defer unix.Close(sys)
	if err := unix.Unmount("/sys", unix.MNT_DETACH); err != nil && err != unix.EINVAL { // locked, or no mount
		return fault.Op(err, "umount2(/sys)")
	}
	return put(sys, "/sys")
}

// bindEtc binds the files that the name has for /etc.
func bindEtc(name string, warn func(string)) error {
	entries, err := os.ReadDir(etcDir + "/" + name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Op(err, "look for files for network namespace %s", name)
	}
	for _, e := range entries {
		from, to := etcDir+"/"+name+"/"+e.Name(), "/etc/"+e.Name()
		if err := bind(from, to, 0); err != nil {
			warn(fmt.Sprintf("%s is not bound over %s: %v", from, to, err))
		}
	}
	return nil
}
