package bundletest

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// A Manager is a service manager that listens for notifications, sd_notify(3).
type Manager struct {
	Socket string // for NOTIFY_SOCKET
	fd     int
	t      *testing.T
}

// NewManager listens where the bundle's user can send to.
func (b *Bundle) NewManager() *Manager {
	b.t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(b.t, err)
	b.t.Cleanup(func() { unix.Close(fd) })
	m := &Manager{filepath.Join(b.top, "manager"), fd, b.t}
	must(b.t, unix.Bind(fd, &unix.SockaddrUnix{Name: m.Socket}))
	must(b.t, os.Chmod(m.Socket, 0o777))
	return m
}

// Next is the next message. A descriptor that comes with it is closed, as a
// manager does with a barrier's.
func (m *Manager) Next() string {
	m.t.Helper()
	fds := []unix.PollFd{{Fd: int32(m.fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, int(Patience.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		must(m.t, err)
		if n == 0 {
			m.t.Fatal("the manager was told nothing")
		}
		buf := make([]byte, 8192)
		n, _, err = unix.Recvfrom(m.fd, buf, 0)
		must(m.t, err)
		return string(buf[:n])
	}
}

// Nothing checks that no more was said.
func (m *Manager) Nothing() {
	m.t.Helper()
	buf := make([]byte, 8192)
	if n, _, err := unix.Recvfrom(m.fd, buf, unix.MSG_DONTWAIT); err != unix.EAGAIN {
		m.t.Errorf("the manager was told %q, %v", buf[:max(n, 0)], err)
	}
}

func tell(messages []string) int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGUSR1)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	for i, msg := range messages {
		if i == 1 {
			<-signals
		}
		if err == nil {
			err = unix.Sendto(fd, []byte(msg), 0, &unix.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")})
		}
	}
	return result(0, err)
}

// sockets prints the variables of sd_listen_fds(3), and for each descriptor
// that was passed what a read of it gives.
func sockets() int {
	fmt.Println(os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDNAMES"))
	n, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	for fd := 3; fd <= 3+n; fd++ {
		buf := make([]byte, 100)
		got, err := unix.Read(fd, buf)
		fmt.Println(fd, string(buf[:max(got, 0)]), err)
	}
	return 0
}
