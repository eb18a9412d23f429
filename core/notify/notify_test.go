package notify

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTranslate(t *testing.T) {
	for _, row := range []struct {
		in, out string
		ready   bool
	}{
		{"READY=1", "READY=1\nMAINPID=7\n", true},
		{"STATUS=a b\nREADY=1\n", "STATUS=a b\nREADY=1\nMAINPID=7\n", true},
		{"STATUS=up", "STATUS=up\n", false},
		{"STATUS=READY=1", "STATUS=READY=1\n", false},
		{"READY=0", "READY=0\n", false},
		{"WATCHDOG=1", "WATCHDOG=1\n", false},
		{"WATCHDOG=trigger\nWATCHDOG_USEC=1", "", false},
		{"MAINPID=1", "", false},
		{"FDSTORE=1\nFDNAME=x", "", false},
		{"BARRIER=1", "", false},
		{"NOTIFYACCESS=all", "", false},
		{"", "", false},
		{"\n\n", "", false},
	} {
		if out, ready := translate(row.in, 7); out != row.out || ready != row.ready {
			t.Errorf("%q: %q, %v; want %q, %v", row.in, out, ready, row.out, row.ready)
		}
	}
}

// socket is bound to an address, or with "" to none.
func socket(t *testing.T, name string) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err == nil && name != "" {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: name})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// Messages that a process sent before it ended are relayed, those that are too
// long are not, and a manager with an abstract name is one as well.
func TestForward(t *testing.T) {
	host := fmt.Sprintf("@ocibox-notify-%d", os.Getpid())
	manager := socket(t, host)
	dir := t.TempDir()
	r, err := Listen(dir, host)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sender := socket(t, "")
	for _, msg := range []string{"STATUS=" + strings.Repeat("x", maxMessage), "STATUS=one", "MAINPID=1", "STATUS=two"} {
		if err := unix.Sendto(sender, []byte(msg), 0, &unix.SockaddrUnix{Name: filepath.Join(dir, Name)}); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command("/bin/sh", "-c", "exit")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()
	pidfd, err := unix.PidfdOpen(c.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	if err := r.Forward(c.Process.Pid, pidfd, true); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2*maxMessage)
	for _, want := range []string{"STATUS=one\n", "STATUS=two\n"} {
		n, _, err := unix.Recvfrom(manager, buf, 0)
		if err != nil || string(buf[:n]) != want {
			t.Errorf("%q, %v; want %q", buf[:max(n, 0)], err, want)
		}
	}
	if _, _, err := unix.Recvfrom(manager, buf, 0); err != unix.EAGAIN {
		t.Errorf("one more message: %v", err)
	}
}

func TestListenFails(t *testing.T) {
	if _, err := Listen(t.TempDir()+"/none", "/host"); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
	dir := t.TempDir()
	r, err := Listen(dir, "/host")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := Listen(dir, "/host"); !errors.Is(err, unix.EADDRINUSE) {
		t.Error(err)
	}
	for _, host := range []string{"", "relative", "/", "@", "vsock:2:1"} {
		if err := Check(host); err == nil {
			t.Errorf("%q is taken", host)
		}
	}
}
