// Package notify relays what a container tells the service manager, sd_notify(3),
// from a socket in the container to the manager's own on the host.
package notify

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// Dir and Socket are where a container finds its socket; Name is the socket's
// name in the folder that is mounted there.
const (
	Dir    = "/run/notify"
	Name   = "notify.sock"
	Socket = Dir + "/" + Name
)

// A Relay is the container's socket, and the address of the manager's.
type Relay struct {
	fd   int
	host unix.SockaddrUnix
}

// Check says what is wrong with a NOTIFY_SOCKET: it is an absolute path, or
// "@" and the name of an abstract socket, unix(7).
func Check(host string) error {
	if len(host) > 1 && (host[0] == '/' || host[0] == '@') {
		return nil
	}
	return fault.Op(nil, "NOTIFY_SOCKET %s is neither an absolute path nor @ and an abstract name", host)
}

// Listen makes the container's socket in folder, for everybody in the container
// to send to. host is a NOTIFY_SOCKET.
func Listen(folder, host string) (*Relay, error) {
	if err := Check(host); err != nil {
		return nil, err
	}
	at, err := unix.Open(folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fault.Op(err, "open %s", folder)
	}
	defer unix.Close(at)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fault.Op(err, "make a socket")
	}
	// By a descriptor: the path may be longer than sun_path.
	path := fmt.Sprintf("/proc/self/fd/%d/%s", at, Name)
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	if err == nil {
		err = os.Chmod(path, 0o777)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fault.Op(err, "make the socket %s", filepath.Join(folder, Name))
	}
	return &Relay{fd, unix.SockaddrUnix{Name: host}}, nil
}

// Close closes the container's socket.
func (r *Relay) Close() error { return unix.Close(r.fd) }

// Forward relays until process pid, which pidfd refers to, has ended or, with
// untilReady, has said that it is ready and the manager knows.
func (r *Relay) Forward(pid, pidfd int, untilReady bool) error {
	// One byte more shows that a message was longer.
	buf := make([]byte, maxMessage+1)
	for {
		fds := []unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}, {Fd: int32(pidfd), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err == unix.EINTR {
			continue
		} else if err != nil {
			return fault.Op(err, "wait for a notification")
		}
		if fds[0].Revents == 0 {
			return nil // the process has ended, and said no more
		}
		// Descriptors that come with it, a barrier's or some to be stored, are
		// closed by the kernel: there is no room for them.
		n, _, err := unix.Recvfrom(r.fd, buf, unix.MSG_DONTWAIT)
		if err == unix.EAGAIN || err == unix.EINTR {
			continue
		}
		if err != nil {
			return fault.Op(err, "read a notification")
		}
		if n > maxMessage {
			continue
		}
		msg, ready := translate(string(buf[:n]), pid)
		if msg == "" {
			continue
		}
		if err := r.send([]byte(msg), nil); err != nil {
			return err
		}
		if !ready {
			continue
		}
		if err := r.barrier(); err != nil || untilReady {
			return err
		}
	}
}

// maxMessage is what systemd takes, its NOTIFY_BUFFER_MAX.
const maxMessage = 4096

// relayed are the assignments that are passed on. The others speak of pids and
// descriptors, which are the container's, or would give it more say.
var relayed = [...]string{"READY=", "RELOADING=", "STOPPING=", "STATUS=", "ERRNO=", "WATCHDOG=1", "EXTEND_TIMEOUT_USEC=", "MONOTONIC_USEC="}

// translate gives what the manager is told of a message, and whether that is
// that the container is ready: then with its pid on the host.
func translate(msg string, pid int) (out string, ready bool) {
	for line := range strings.SplitSeq(msg, "\n") {
		for _, name := range relayed {
			if strings.HasPrefix(line, name) {
				out += line + "\n"
			}
		}
		ready = ready || line == "READY=1"
	}
	if ready {
		out += fmt.Sprintf("MAINPID=%d\n", pid)
	}
	return out, ready
}

func (r *Relay) send(msg, control []byte) error {
	if err := unix.Sendmsg(r.fd, msg, control, &r.host, unix.MSG_NOSIGNAL); err != nil {
		return fault.Op(err, "notify %s", r.host.Name)
	}
	return nil
}

// barrierPatience is how long a manager may take, as sd_notify_barrier(3) is
// used.
const barrierPatience = 30_000 // milliseconds

// barrier returns when the manager has read all that was sent: it closes the
// descriptor then. One that never does is no error, and holds nothing up for
// ever.
func (r *Relay) barrier() error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return fault.Op(err, "make a pipe")
	}
	defer unix.Close(pipe[0])
	err := r.send([]byte("BARRIER=1"), unix.UnixRights(pipe[1]))
	unix.Close(pipe[1])
	if err != nil {
		return err
	}
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(pipe[0])}}, barrierPatience)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fault.Op(err, "wait for %s", r.host.Name)
		}
		return nil
	}
}
