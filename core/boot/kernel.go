package boot

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// Modules is where an image keeps the kernel modules that are to be loaded.
const Modules = "/lib/modules"

// LoadModules loads the modules that lie in Modules itself, in the order of
// their names: what one needs has to come before it. It tells warn what could
// not be loaded, and goes on.
func LoadModules(warn func(error)) {
	files, _ := filepath.Glob(Modules + "/*.ko") // the pattern is a good one
	for _, path := range files {
		if err := load(path); err != nil {
			warn(fault.Op(err, "load %s", path))
		}
	}
}

func load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.FinitModule(int(f.Fd()), "", 0)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

// Loopback brings lo up.
func Loopback() error {
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fault.Op(err, "open a socket to bring lo up")
	}
	defer unix.Close(sock)
	req, err := unix.NewIfreq("lo")
	if err == nil {
		req.SetUint16(unix.IFF_UP)
		err = unix.IoctlIfreq(sock, unix.SIOCSIFFLAGS, req)
	}
	if err != nil {
		return fault.Op(err, "bring lo up")
	}
	return nil
}

// Words leaves of args what stands behind "--" on the kernel's command line: it
// also passes on the words before that it does not know, init/main.c.
func Words(args []string) ([]string, error) {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return nil, err
	}
	return behind(strings.TrimSpace(string(line)), args), nil
}

// behind counts the words of line behind "--" as the kernel does: a quoted blank
// ends none.
func behind(line string, args []string) []string {
	n, seen, quoted := 0, false, false
	start := 0
	for i := 0; i <= len(line); i++ {
		if i < len(line) && line[i] == '"' {
			quoted = !quoted
		}
		if i < len(line) && (line[i] != ' ' || quoted) {
			continue
		}
		switch word := line[start:i]; {
		case word == "":
		case seen:
			n++
		case word == "--":
			seen = true
		}
		start = i + 1
	}
	return args[len(args)-min(n, len(args)):]
}

// OwnsMachine says whether this process is in the initial pid namespace, where
// reboot(2) is about the machine. The inode is fixed, PROC_PID_INIT_INO.
func OwnsMachine() (bool, error) {
	ns, err := os.Readlink("/proc/self/ns/pid")
	return ns == "pid:[4026531836]", err
}
