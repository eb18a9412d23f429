package bundletest

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// isolated runs a command in a mount namespace of its own, in which a shared
// tmpfs is mounted at dir, and another below it at kept: to what is run there,
// that is the host. It prints the mount points below dir that are there in the
// end.
func isolated(dir string, args []string) int {
	runtime.LockOSThread() // which alone is in the namespace
	before, _ := os.Readlink("/proc/thread-self/ns/mnt")
	err := unix.Unshare(unix.CLONE_NEWNS)
	if after, _ := os.Readlink("/proc/thread-self/ns/mnt"); err == nil && after == before {
		err = fmt.Errorf("unshare left the mount namespace as it was")
	}
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, "")
	}
	if err == nil {
		err = unix.Mount("tmpfs", dir, "tmpfs", 0, "")
	}
	if err == nil {
		err = unix.Mount("", dir, "", unix.MS_SHARED, "")
	}
	for _, name := range []string{"/sub", "/kept"} {
		if err == nil {
			err = os.Mkdir(dir+name, 0o755)
		}
	}
	if err == nil {
		err = unix.Mount("tmpfs", dir+"/kept", "tmpfs", 0, "")
	}
	if err != nil {
		return result(0, err)
	}
	p, err := os.StartProcess("/proc/self/exe", args, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		return result(0, err)
	}
	state, err := p.Wait()
	if err != nil {
		return result(0, err)
	}
	for line := range strings.Lines(read("/proc/thread-self/mountinfo")) {
		if m := parseMount(line); strings.HasPrefix(m.Point, dir+"/") {
			fmt.Println(strings.TrimPrefix(m.Point, dir))
		}
	}
	return state.ExitCode()
}
