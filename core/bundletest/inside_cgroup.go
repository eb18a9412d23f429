package bundletest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// eat takes memory, mebibyte by mebibyte, and prints how much it has; then it
// sleeps.
func eat(mebibytes string) int {
	n, err := strconv.Atoi(mebibytes)
	if err != nil {
		return result(0, err)
	}
	const mebibyte = 1 << 20
	for i := range n {
		mem, err := unix.Mmap(-1, 0, mebibyte, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			return result(0, err)
		}
		for at := 0; at < len(mem); at += os.Getpagesize() {
			mem[at] = 1
		}
		fmt.Println(i + 1)
	}
	for {
		unix.Pause()
	}
}

// breed makes processes that sleep until there are n or no more can be made,
// prints how many there are and why, and sleeps.
func breed(count string) int {
	n, err := strconv.Atoi(count)
	if err != nil {
		return result(0, err)
	}
	made := 0
	for made < n && err == nil {
		if err = fork(); err == nil {
			made++
		}
	}
	fmt.Println(made, errors.Unwrap(err))
	for {
		unix.Pause()
	}
}

// fork starts the program "still".
func fork() error {
	_, err := start("still", nil)
	return err
}

// swarm is a fork bomb: each process makes two more, for ever.
func swarm() int {
	for {
		for range 2 {
			// Where there are too many already, it is tried again.
			_, _ = start("swarm", nil)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// tick counts up in a file, ten thousand times a second at most.
func tick(path string) int {
	f, err := os.Create(path)
	if err != nil {
		return result(0, err)
	}
	fmt.Println("ready")
	for n := uint64(1); ; n++ {
		if _, err := f.WriteAt(fmt.Appendf(nil, "%020d", n), 0); err != nil {
			return result(0, err)
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// burn works for as long, in milliseconds, and prints how much of a processor
// it had meanwhile, in percent.
func burn(milliseconds string) int {
	n, err := strconv.Atoi(milliseconds)
	if err != nil {
		return result(0, err)
	}
	begin, used := time.Now(), processTime()
	for time.Since(begin) < time.Duration(n)*time.Millisecond {
	}
	fmt.Println(int64(100 * (processTime() - used) / time.Since(begin)))
	return 0
}

func processTime() time.Duration { return time.Duration(Clock(unix.CLOCK_PROCESS_CPUTIME_ID)) }

// device makes nodes at a path for devices such as "c 1:3", opens each to read
// and write, and prints what came of both.
func device(path string, names []string) int {
	for _, name := range names {
		var kind rune
		var major, minor uint32
		if _, err := fmt.Sscanf(name, "%c %d:%d", &kind, &major, &minor); err != nil {
			return result(0, err)
		}
		mode := uint32(unix.S_IFCHR)
		if kind == 'b' {
			mode = unix.S_IFBLK
		}
		word := func(err error) string {
			if err == nil {
				return "ok"
			}
			var e unix.Errno
			errors.As(err, &e)
			return unix.ErrnoName(e)
		}
		made := unix.Mknod(path, mode|0o600, int(unix.Mkdev(major, minor)))
		fd, opened := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK, 0)
		if opened == nil {
			unix.Close(fd)
		}
		fmt.Println(name, word(made), word(opened))
		os.Remove(path)
	}
	return 0
}

// subgroup makes a cgroup of version 2, moves there, and prints its own.
func subgroup(dir string) int {
	err := os.Mkdir(dir, 0o755)
	if err == nil {
		err = os.WriteFile(dir+"/cgroup.procs", []byte("0"), 0)
	}
	if err != nil {
		return result(0, err)
	}
	data, err := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(data)) {
		if own, ok := strings.CutPrefix(line, "0::"); ok {
			fmt.Print(own)
		}
	}
	return result(0, err)
}

// tree lists what is below a path, directories with a slash, and is for what a
// container sees of cgroups: the files themselves are left out but for
// cgroup.procs.
func tree(path string) int {
	var seen []string
	err := filepath.WalkDir(path, func(p string, e os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			seen = append(seen, p+"/")
		case e.Type()&os.ModeSymlink != 0:
			to, err := os.Readlink(p)
			seen = append(seen, p+" -> "+to)
			return err
		case e.Name() == "cgroup.procs":
			seen = append(seen, p)
		}
		return nil
	})
	slices.Sort(seen)
	fmt.Println(strings.Join(seen, "\n"))
	return result(0, err)
}

// otherCgroups executes a command in a mount namespace in which /sys/fs/cgroup
// is an empty directory ("none"), read-only ("ro"), or version 2's alone ("v2").
func otherCgroups(how string, args []string) int {
	runtime.LockOSThread() // which alone is in the namespace
	const dir = "/sys/fs/cgroup"
	err := unix.Unshare(unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, "")
	}
	switch {
	case err != nil:
	case how == "none":
		err = unix.Mount("tmpfs", dir, "tmpfs", 0, "")
	case how == "ro":
		err = unix.MountSetattr(unix.AT_FDCWD, dir, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	case how == "v2":
		if err = unix.Mount("cgroup2", dir, "cgroup2", 0, ""); err == unix.EBUSY {
			err = nil // it is there
		}
	default:
		err = fmt.Errorf("%s: no such mount of cgroups", how)
	}
	return execute(args, err)
}
