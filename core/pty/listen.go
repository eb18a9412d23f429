// Package pty is the host's side of a container's terminal: the console socket
// that a pty's master travels over, and the relay between that master and the
// caller's own terminal.
//
// The protocol is runc's (docs/terminals.md, --console-socket): the receiver
// listens on a stream socket, the runtime connects and sends one message with
// the pty's name as its text and one descriptor, the master, by SCM_RIGHTS.
package pty

import (
	"errors"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// Listener is a console socket that waits for connections.
type Listener struct {
	socket *os.File
	path   string
	bound  os.FileInfo // the file that bind made, which Close removes and no other
	close  sync.Once
}

// Listen makes the console socket path and listens on it. It takes the place
// of a socket that nobody serves any more. A socket that someone serves and a
// file of another kind are errors and stay as they are.
func Listen(path string) (*Listener, error) {
	addr, release, err := address(path)
	if err != nil {
		return nil, fault.Op(err, "console socket %s", path)
	}
	defer release()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fault.Op(err, "make a console socket")
	}
	l := &Listener{socket: os.NewFile(uintptr(fd), path), path: path}
	if err := l.listen(fd, addr); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Listener) listen(fd int, addr *unix.SockaddrUnix) error {
	err := unix.Bind(fd, addr)
	if err == unix.EADDRINUSE {
		if err := removeStale(l.path, addr); err != nil {
			return err
		}
		err = unix.Bind(fd, addr)
	}
	if err != nil {
		return fault.Op(err, "bind console socket %s", l.path)
	}
	if l.bound, err = os.Lstat(l.path); err != nil {
		return fault.Op(cause(err), "console socket %s", l.path)
	}
	if err := unix.Listen(fd, unix.SOMAXCONN); err != nil {
		return fault.Op(err, "listen on console socket %s", l.path)
	}
	return nil
}

// removeStale removes the socket file at path if no socket is bound to it.
//
// The probe is a datagram socket: its connect gives ECONNREFUSED where no
// socket is, and EPROTOTYPE for a stream socket, which sees nothing of it. A
// stream connection would be taken for the one that a receiver waits for.
func removeStale(path string, addr *unix.SockaddrUnix) error {
	info, err := os.Lstat(path)
	if err != nil {
		return fault.Op(cause(err), "console socket %s", path)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fault.Op(nil, "console socket %s: exists and is not a socket", path)
	}
	probe, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fault.Op(err, "make a socket")
	}
	defer unix.Close(probe)
	switch err := unix.Connect(probe, addr); err {
	case unix.ECONNREFUSED:
	case nil, unix.EPROTOTYPE:
		return fault.Op(nil, "console socket %s: in use by another process", path)
	default:
		return fault.Op(err, "console socket %s: exists, and cannot be tried", path)
	}
	if err := os.Remove(path); err != nil {
		return fault.Op(cause(err), "remove stale console socket %s", path)
	}
	return nil
}

// Accept waits for a connection. Close ends the wait with os.ErrClosed.
func (l *Listener) Accept() (*os.File, error) {
	fd := -1
	err := whenReadable(l.socket, func(s int) (err error) {
		fd, _, err = unix.Accept4(s, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		if err == unix.ECONNABORTED {
			err = unix.EAGAIN
		}
		return err
	})
	if err == os.ErrClosed {
		return nil, err
	}
	if err != nil {
		return nil, fault.Op(err, "accept on console socket %s", l.path)
	}
	return os.NewFile(uintptr(fd), l.path), nil
}

// Close stops listening and removes the socket file, unless another one has
// taken its place. A second call does nothing.
func (l *Listener) Close() {
	l.close.Do(func() {
		if now, err := os.Lstat(l.path); l.bound != nil && err == nil && os.SameFile(l.bound, now) {
			os.Remove(l.path)
		}
		l.socket.Close()
	})
}

// whenReadable calls try with f's descriptor until it gives anything but EAGAIN,
// and waits in between. Closing f ends the wait with os.ErrClosed.
func whenReadable(f *os.File, try func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = raw.Read(func(fd uintptr) bool {
		for {
			if result = try(int(fd)); result != unix.EINTR {
				return result != unix.EAGAIN
			}
		}
	})
	if err == nil {
		return result
	}
	if raw.Control(func(uintptr) {}) != nil {
		return os.ErrClosed
	}
	return err
}

// cause is the errno inside an error of package os, whose text names the path
// once more.
func cause(err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
