package pty

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds what would otherwise hang; no test passes by its passing.
const patience = 20 * time.Second

// TestMain is also the helper process: a Relay between descriptor 3 and its
// own standard input and output, or a shell that has such a relay as its job.
func TestMain(m *testing.M) {
	switch role := os.Getenv("PTY_HELPER"); role {
	case "":
		os.Exit(m.Run())
	case "relay":
		relay()
	default:
		shell(role)
	}
}

func relay() {
	signals, stop := Signals()
	defer stop()
	err := Relay(os.NewFile(3, "master"), os.Stdin, os.Stdout, Options{Signals: signals})
	var stopped Interrupted
	if errors.As(err, &stopped) {
		os.Exit(128 + int(stopped.Signal))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// openPair makes a pty with no use of its name. The master can be read with a
// deadline; the slave is blocking, as a child needs it.
func openPair(t *testing.T) (master, slave *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	master = os.NewFile(uintptr(fd), "master")
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		t.Fatal(errno)
	}
	slave = os.NewFile(peer, "slave")
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

func mode(t *testing.T, f *os.File) unix.Termios {
	t.Helper()
	m, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *m
}

func isRaw(m unix.Termios) bool {
	return m.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) == 0 && m.Oflag&unix.OPOST == 0
}

// makeRaw lets bytes pass the pty of f as they are.
func makeRaw(t *testing.T, f *os.File) {
	t.Helper()
	m := mode(t, f)
	m.Iflag, m.Oflag, m.Lflag = 0, 0, 0
	m.Cc[unix.VMIN], m.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, &m); err != nil {
		t.Fatal(err)
	}
}

// expect reads from a file that knows deadlines until want has come.
func expect(t *testing.T, f *os.File, want string) {
	t.Helper()
	f.SetReadDeadline(time.Now().Add(patience))
	var got []byte
	buf := make([]byte, 4096)
	for !bytes.Contains(got, []byte(want)) {
		n, err := f.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			t.Fatalf("read %q, then %v; want %q", got, err, want)
		}
	}
}

func send(t *testing.T, f *os.File, text string) {
	t.Helper()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// until polls for what gives no event to wait for.
func until(t *testing.T, what string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !true(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// wait gives what a relay in the background returned.
func wait(t *testing.T, c <-chan error) error {
	t.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(patience):
		t.Fatal("the relay did not return")
		return nil
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// helper starts a relay as a session leader with terminal as its
// controlling terminal and standard input.
func helper(t *testing.T, master, terminal, out *os.File) (cmd *exec.Cmd, done <-chan struct{}) {
	t.Helper()
	return process(t, "relay", master, terminal, out)
}

func process(t *testing.T, role string, master, terminal, out *os.File) (cmd *exec.Cmd, done <-chan struct{}) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(exe)
	cmd.Env = append(os.Environ(), "PTY_HELPER="+role)
	cmd.Stdin, cmd.Stdout = terminal, out
	var messages bytes.Buffer
	cmd.Stderr = &messages
	cmd.WaitDelay = time.Second // for a job that outlives its shell
	cmd.ExtraFiles = []*os.File{master}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		if t.Failed() && messages.Len() > 0 {
			t.Logf("helper: %s", messages.Bytes())
		}
	})
	return cmd, ended
}

func exited(t *testing.T, cmd *exec.Cmd, done <-chan struct{}, want int) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("the helper did not exit")
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Fatalf("helper: %v, want exit status %d", cmd.ProcessState, want)
	}
}

// longFolder makes a folder whose path does not fit sun_path.
func longFolder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), strings.Repeat("l", 100), strings.Repeat("m", 100))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}
