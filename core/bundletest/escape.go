package bundletest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// An Escape is what came of trying to reach what lies below the container's
// root: the program "escape".
type Escape struct {
	Took, Entered []string // why "/" could not be taken off, and the mount namespace not entered anew, each time; "" if it could
	Found         string   // the content of the host's file, or ""
}

// escape takes what is mounted on "/" off and enters its own mount namespace
// anew, which sets the root directory to whatever is on top there, as often as
// anybody would stack a root, and looks for a file of the host.
func escape(file string) int {
	runtime.LockOSThread() // setns(2) is the thread's
	var e Escape
	note := func(to *[]string, err error) {
		if *to = append(*to, ""); err != nil {
			(*to)[len(*to)-1] = err.Error()
		}
	}
	// A file system context that is shared with other threads stays where it is.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return result(0, err)
	}
	ns, err := unix.Open("/proc/thread-self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return result(0, err)
	}
	for range 5 {
		note(&e.Took, unix.Unmount("/", unix.MNT_DETACH))
		note(&e.Entered, unix.Setns(ns, unix.CLONE_NEWNS))
		fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		data := make([]byte, 100)
		if n, err := unix.Read(fd, data); err == nil {
			e.Found = string(data[:n])
			break
		}
	}
	return printJSON(e)
}

// reveal tries to mount proc and sysfs anew, in a user namespace that owns what
// they show. The kernel allows it where one is in sight that nothing covers.
func reveal() int {
	if err := os.MkdirAll("/mnt", 0o755); err != nil {
		return result(0, err)
	}
	said := map[string]string{}
	for _, fs := range []string{"proc", "sysfs"} {
		c := exec.Command("/proc/self/exe", markSign, "mount-new", fs)
		c.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
		}
		out, err := c.CombinedOutput()
		said[fs] = strings.TrimSpace(string(out))
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return result(0, err)
		}
	}
	return printJSON(said)
}

// chrooted executes a command in a root directory that is no mount, below dir,
// where the folder top and what every program needs are at the same paths.
func chrooted(dir, top string, command []string) int {
	runtime.LockOSThread()
	err := unix.Unshare(unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	for _, path := range []string{top, "/proc", "/sys", "/dev"} {
		at := filepath.Join(dir, path)
		if err == nil {
			err = os.MkdirAll(at, 0o755)
		}
		if err == nil {
			err = unix.Mount(path, at, "", unix.MS_BIND|unix.MS_REC, "")
		}
	}
	if err == nil {
		err = unix.Chroot(dir)
	}
	if err == nil {
		err = unix.Chdir(top)
	}
	return execute(command, err)
}
