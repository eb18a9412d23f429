package bundletest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// seize is executed from the host's program: it keeps that by a descriptor,
// and goes on as the program inside, so that nobody executes it any more.
func seize() int {
	fd, err := unix.Open("/proc/self/exe", unix.O_PATH, 0)
	if err == nil {
		err = syscall.Exec("/init", []string{"/init", os.Args[1], "overwrite", strconv.Itoa(fd)}, nil)
	}
	return result(0, err)
}

// hunt takes the program of another process in its PID namespace that is not
// this one, as soon as there is such a process. It stays until it is killed, as
// those of which it is the init would be with it.
func hunt() int {
	own, err := os.Stat("/proc/self/exe")
	if err != nil {
		return result(0, err)
	}
	fmt.Println("ready")
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		links, err := filepath.Glob("/proc/[0-9]*/exe")
		if err != nil {
			return result(0, err)
		}
		for _, link := range links {
			fd, err := unix.Open(link, unix.O_PATH|unix.O_CLOEXEC, 0)
			if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
				continue
			}
			if err != nil {
				fmt.Println("denied")
				printJSON(map[string]string{"find": err.Error()})
				unix.Pause()
			}
			path := fmt.Sprintf("/proc/self/fd/%d", fd)
			if other, err := os.Stat(path); err == nil && !os.SameFile(own, other) {
				fmt.Println("found")
				overwrite(path)
				unix.Pause()
			}
			unix.Close(fd)
		}
	}
	return result(0, errors.New("no other program was found"))
}

// overwrite tries by all means to write to the file behind a descriptor's link
// in /proc, and prints why each failed; "" is a success.
func overwrite(path string) int {
	said := map[string]string{}
	try := func(name string, err error) bool {
		said[name] = ""
		if err != nil {
			said[name] = err.Error()
		}
		return err == nil
	}
	try("write", patientWrite(path))
	try("truncate", unix.Truncate(path, 0))
	try("chmod", unix.Chmod(path, 0o777))
	if try("remount", unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_BIND, "")) {
		try("write after remount", write(path))
	}
	writable := unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}
	if try("setattr", unix.MountSetattr(unix.AT_FDCWD, path, 0, &writable)) {
		try("write after setattr", write(path))
	}
	if try("make a target", os.WriteFile("/target", nil, 0o600)) && try("bind", unix.Mount(path, "/target", "", unix.MS_BIND, "")) {
		try("remount bind", unix.Mount("", "/target", "", unix.MS_REMOUNT|unix.MS_BIND, ""))
		try("write to bind", write("/target"))
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE)
	if try("clone", err) {
		try("setattr of clone", unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &writable))
		try("write to clone", write(fmt.Sprintf("/proc/self/fd/%d", tree)))
	}
	return printJSON(said)
}

// patientWrite is write when nobody executes the file any more.
func patientWrite(path string) error {
	for end := time.Now().Add(Patience); ; time.Sleep(time.Millisecond) {
		if err := write(path); !errors.Is(err, unix.ETXTBSY) || time.Now().After(end) {
			return err
		}
	}
}

func write(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt([]byte("overwritten"), 0)
	return err
}
