package pty

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// Dial connects to the console socket path. The descriptor is close-on-exec and
// blocking: it is for a child that sends the master over it by sendmsg(2).
func Dial(path string) (*os.File, error) {
	return Connect("console socket", path, "start a receiver on it first, such as: recvtty "+path)
}

// Connect connects to a stream socket that takes descriptors. what is what its
// errors call it, hint what to do when nobody listens, or "".
func Connect(what, path, hint string) (*os.File, error) {
	addr, release, err := address(path)
	if err != nil {
		return nil, fault.Op(err, "%s %s", what, path)
	}
	defer release()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fault.Op(err, "make a socket")
	}
	if err := connect(fd, addr); err != nil {
		unix.Close(fd)
		return nil, refusal(what, path, hint, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// connect starts anew after a signal: a connect to a unix socket that was
// interrupted has waited for room in the backlog, and left nothing behind.
func connect(fd int, addr unix.Sockaddr) error {
	for {
		if err := unix.Connect(fd, addr); err != unix.EINTR {
			return err
		}
	}
}

// refusal tells apart what connect gives ECONNREFUSED for: a file that is not a
// socket, and a socket without a process.
func refusal(what, path, hint string, err error) error {
	if err != unix.ECONNREFUSED {
		return fault.Op(err, "connect to %s %s", what, path)
	}
	if info, e := os.Stat(path); e == nil && info.Mode().Type() != fs.ModeSocket {
		return fault.Op(nil, "%s %s: is not a socket", what, path)
	}
	return fault.Op(nil, "%s %s: nobody listens on it", what, path).WithHint("%s", hint)
}

// pathMax is the longest path that sun_path holds beside its NUL (unix(7)).
const pathMax = 107

// address gives path the form that bind and connect take. One that is too long
// for sun_path leads through a descriptor of its folder, and holds until release.
func address(path string) (addr *unix.SockaddrUnix, release func(), err error) {
	switch {
	case path == "": // would bind to a name of the kernel's choice
		return nil, nil, unix.ENOENT
	case strings.IndexByte(path, 0) >= 0: // the kernel would stop reading there
		return nil, nil, unix.EINVAL
	case path[0] == '@': // x/sys takes it for an abstract name
		path = "./" + path
	}
	if len(path) <= pathMax {
		return &unix.SockaddrUnix{Name: path}, func() {}, nil
	}
	folder, name := filepath.Split(path)
	if folder == "" {
		folder = "."
	}
	fd, err := unix.Open(folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	short := fmt.Sprintf("/proc/self/fd/%d/%s", fd, name)
	if len(short) > pathMax {
		unix.Close(fd)
		return nil, nil, unix.ENAMETOOLONG
	}
	return &unix.SockaddrUnix{Name: short}, func() { unix.Close(fd) }, nil
}
