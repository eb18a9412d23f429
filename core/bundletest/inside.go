package bundletest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inside is what runs in a container: the program name of the list below.
func inside(name string, args []string) int {
	switch name {
	case "report": // on itself, as JSON
		return printJSON(report())
	case "exit": // with this status
		n, err := strconv.Atoi(args[0])
		return result(n, err)
	case "sleep": // until it is killed
		fmt.Println("ready")
		for {
			unix.Pause()
		}
	case "cat": // standard input to standard output
		_, err := io.Copy(os.Stdout, os.Stdin)
		return result(0, err)
	case "echo": // the arguments
		fmt.Println(strings.Join(args, " "))
		return 0
	case "die": // of this signal, which the init of a PID namespace cannot
		n, err := strconv.Atoi(args[0])
		if err == nil {
			err = unix.Kill(os.Getpid(), syscall.Signal(n))
		}
		result(0, err)
		unix.Pause()
	case "trap": // print signals' names until SIGTERM
		return trap()
	case "pair": // trap, and a child that does as well
		_, err := start("trap", nil)
		if err != nil {
			return result(0, err)
		}
		return trap()
	case "grandchild": // sleep, as does a process that has lost its parent
		_, err := start("lose", nil)
		for err == nil {
			unix.Pause() // which a SIGCHLD ends
		}
		return result(0, err)
	case "lose": // a process that sleeps
		_, err := start("sleep", nil)
		return result(0, err)
	case "look": // at paths: a list of Look, as JSON
		looks := map[string]Look{}
		for _, path := range args {
			looks[path] = look(path)
		}
		return printJSON(looks)
	case "links": // the network devices, by name, as JSON
		links, err := Links()
		if err != nil {
			return result(0, err)
		}
		return printJSON(links)
	case "kernel": // what it says of the process and in these files, as JSON
		return printJSON(kernel(args))
	case "write": // a byte to an existing file
		f, err := os.OpenFile(args[0], os.O_WRONLY, 0)
		if err == nil {
			_, err = f.Write([]byte{'x'})
		}
		return result(0, err)
	case "chmod": // a file to an octal mode
		mode, err := strconv.ParseUint(args[1], 8, 32)
		if err == nil {
			err = unix.Chmod(args[0], uint32(mode))
		}
		return result(0, err)
	case "limited": // execute a command with this soft limit of open files
		return limited(args)
	case "sysctl": // write to this file of /proc/sys, and execute a command
		err := os.WriteFile(args[0], []byte(args[1]), 0)
		return execute(args[2:], err)
	case "as-root": // run a command as the root of a user namespace
		return asRoot(args)
	case "seize": // the program that is executed, to overwrite it
		return seize()
	case "hunt": // for another program, to overwrite it
		return hunt()
	case "overwrite": // the file of a descriptor
		return overwrite("/proc/self/fd/" + args[0])
	case "escape": // to the host's root, and print an Escape
		return escape(args[0])
	case "reveal": // a proc and a sysfs in which nothing is masked, and print why not
		return reveal()
	case "mount-new": // a file system of this type
		return result(0, unix.Mount(args[0], "/mnt", args[0], 0, ""))
	case "chrooted": // execute a command in a root directory that is no mount
		return chrooted(args[0], args[1], args[2:])
	case "isolated": // run a command where a shared tmpfs is at this path, and print what is mounted below
		return isolated(args[0], args[1:])
	case "mount": // a tmpfs at this path
		return result(0, unix.Mount("tmpfs", args[0], "tmpfs", 0, ""))
	case "userns": // make a user namespace
		_, err := start("exit", &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}, "0")
		return result(0, err)
	case "orphan": // end with status 4 after a process that was left behind has
		return orphan()
	case "leave": // a process behind, that ends with status 9
		_, err := start("exit", nil, "9")
		return result(0, err)
	case "type": // a character into the terminal that is standard input
		c := byte('x')
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, 0, unix.TIOCSTI, uintptr(unsafe.Pointer(&c)))
		if errno != 0 {
			return result(0, errno)
		}
		return 0
	case "hook": // as Hook has it
		return hook(args)
	case "peep": // at what the runtime executes in the container
		return peep()
	case "try": // system calls of these names, and print what each returns
		return try(args)
	case "notify": // the service manager: of the first argument at once, of the others at SIGUSR1
		return tell(args)
	case "sockets": // print what the service manager passed on
		return sockets()
	case "cgroups": // run a command where those are mounted another way
		return otherCgroups(args[0], args[1:])
	case "eat": // so many mebibytes of memory
		return eat(args[0])
	case "breed": // so many processes
		return breed(args[0])
	case "still": // like sleep, without a word
		for {
			unix.Pause()
		}
	case "swarm": // make processes without end
		return swarm()
	case "tick": // count up in this file
		return tick(args[0])
	case "burn": // a processor, for so many milliseconds, and print the share that it had, in percent
		return burn(args[0])
	case "device": // make at this path, and open, devices such as "c 1:3"
		return device(args[0], args[1:])
	case "subgroup": // make this cgroup, go there, and print where that is
		return subgroup(args[0])
	case "tree": // print what of cgroups is below this path
		return tree(args[0])
	case "terminal": // standard input is one: what it is like, and its keys
		return terminal()
	case "terminal-report": // what it is, and what else is there of it
		return terminalReport()
	}
	return result(0, fmt.Errorf("%s: no such program", name))
}

// failed is the exit status of a program inside that says why on standard error.
const failed = 99

func result(status int, err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, "inside:", err)
		return failed
	}
	return status
}

func printJSON(v any) int {
	return result(0, json.NewEncoder(os.Stdout).Encode(v))
}

func trap() int {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals)
	fmt.Println("ready")
	for sig := range signals {
		switch sig {
		case unix.SIGURG: // the Go runtime's own
		case unix.SIGTERM:
			fmt.Println("SIGTERM")
			return 3
		default:
			if name := unix.SignalName(sig.(unix.Signal)); name != "" {
				fmt.Println(name)
			} else {
				fmt.Println("signal", int(sig.(unix.Signal)))
			}
		}
	}
	return 0
}

// A Look is what a process inside finds at a path: the program "look".
type Look struct {
	Err      string // of lstat, or ""
	Mode     uint32 // st_mode, with the type
	Rdev     [2]uint32
	UID, GID uint32
	Link     string // a symlink's target
	Real     string // the path without symlinks
	Content  string // of a file, at most 4096 bytes; a directory's names; 16 bytes of a device, in hex
	ReadErr  string
	WriteErr string // of opening it to write, or of making a file in it; "" if that works
}

func look(path string) Look {
	var l Look
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		l.Err = err.Error()
		return l
	}
	l.Mode, l.UID, l.GID = st.Mode, st.Uid, st.Gid
	l.Rdev = [2]uint32{unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev))}
	l.Link, _ = os.Readlink(path)
	l.Real, _ = filepath.EvalSymlinks(path)
	info, err := os.Stat(path)
	if err != nil {
		return l
	}
	note := func(to *string, err error) {
		if err != nil {
			*to = err.Error()
		}
	}
	if info.IsDir() {
		entries, err := os.ReadDir(path)
		note(&l.ReadErr, err)
		for _, e := range entries {
			l.Content += e.Name() + " "
		}
		name := filepath.Join(path, ".written")
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		note(&l.WriteErr, err)
		if err == nil {
			f.Close()
			os.Remove(name)
		}
		return l
	}
	// By plain calls, which do not wait for whoever is at the other end.
	isDevice := info.Mode()&os.ModeCharDevice != 0
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	note(&l.ReadErr, err)
	if err == nil {
		data := make([]byte, 4096)
		if isDevice {
			data = data[:16]
		}
		n, err := unix.Read(fd, data)
		note(&l.ReadErr, err)
		l.Content = string(data[:max(n, 0)])
		if isDevice {
			l.Content = fmt.Sprintf("%x", l.Content)
		}
		unix.Close(fd)
	}
	fd, err = unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	note(&l.WriteErr, err)
	if err == nil {
		if isDevice {
			_, err = unix.Write(fd, []byte{0})
			note(&l.WriteErr, err)
		}
		unix.Close(fd)
	}
	return l
}

func limited(args []string) int {
	var lim syscall.Rlimit
	n, err := strconv.ParseUint(args[0], 10, 64)
	if err == nil {
		err = syscall.Getrlimit(unix.RLIMIT_NOFILE, &lim)
	}
	if err == nil {
		lim.Cur = n
		err = syscall.Setrlimit(unix.RLIMIT_NOFILE, &lim)
	}
	return execute(args[1:], err)
}

func execute(args []string, err error) int {
	if err == nil {
		err = syscall.Exec("/proc/self/exe", args, os.Environ())
	}
	return result(0, err)
}

func asRoot(args []string) int {
	p, err := os.StartProcess("/proc/self/exe", args, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys: &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
		},
	})
	if err != nil {
		return result(0, err)
	}
	state, err := p.Wait()
	if err != nil {
		return result(0, err)
	}
	return state.ExitCode()
}

func orphan() int {
	r, w, err := os.Pipe()
	if err != nil {
		return result(0, err)
	}
	os.Stdout = w
	_, err = start("leave", nil)
	w.Close()
	if err == nil {
		_, err = io.ReadAll(r) // until nobody has the other end
	}
	return result(4, err)
}

// start runs a program inside as a child.
func start(program string, attr *syscall.SysProcAttr, args ...string) (*os.Process, error) {
	return os.StartProcess("/proc/self/exe", append([]string{os.Args[0], os.Args[1], program}, args...),
		&os.ProcAttr{Files: []*os.File{nil, os.Stdout, os.Stderr}, Sys: attr})
}

// terminal prints "terminal: ROWSxCOLUMNS" for standard input at the start and
// when it changes, "SIGINT" when that comes, and each line that is typed, until
// one is "bye".
func terminal() int {
	size := func() {
		w, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
		if err != nil {
			fmt.Println("no terminal:", err)
			return
		}
		fmt.Printf("terminal: %dx%d\n", w.Row, w.Col)
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGWINCH, unix.SIGINT)
	size()
	lines := make(chan string)
	go func() {
		for s := bufio.NewScanner(os.Stdin); s.Scan(); {
			lines <- s.Text()
		}
		close(lines)
	}()
	for {
		select {
		case sig := <-signals:
			if sig == unix.SIGWINCH {
				size()
			} else {
				fmt.Println("SIGINT")
			}
		case line, ok := <-lines:
			if !ok || line == "bye" {
				fmt.Println("the end")
				return 5
			}
			fmt.Println("typed:", line)
		}
	}
}

func terminalReport() int {
	var st, console unix.Stat_t
	for fd := range 3 {
		name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		if err == nil {
			err = unix.Fstat(fd, &st)
		}
		if _, e := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
			err = e
		}
		if err != nil {
			fmt.Println(fd, err)
			continue
		}
		fmt.Printf("%d: %s %o %d:%d\n", fd, name, st.Mode, st.Uid, st.Gid)
	}
	if len(inherited()) == 3 {
		fmt.Println("no more descriptors")
	}
	if unix.Stat("/dev/console", &console) == nil && console.Rdev == st.Rdev && console.Ino == st.Ino {
		fmt.Println("/dev/console is the terminal")
	}
	if fd, err := unix.Open("/dev/tty", unix.O_RDWR, 0); err == nil {
		unix.Close(fd)
		fmt.Println("/dev/tty opens")
	}
	if group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP); err == nil && group == unix.Getpgrp() {
		fmt.Println("in the foreground")
	}
	return 0
}
