package recvtty

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

	"ocibox/applets/cli"
	"ocibox/core/pty"
)

// patience bounds what would otherwise hang; no test passes by its passing.
const patience = 20 * time.Second

// TestMain is also the applet's own process.
func TestMain(m *testing.M) {
	if os.Getenv("RECVTTY_APPLET") == "" {
		os.Exit(m.Run())
	}
	std := cli.Std{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	os.Exit(cli.Report(std, "recvtty", Run(std, os.Args[1:])))
}

type process struct {
	*exec.Cmd
	ended  chan struct{}
	stderr bytes.Buffer // valid after ended
}

// start runs the applet. A file given as terminal is its standard input and
// controlling terminal.
func start(t *testing.T, terminal, out *os.File, args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(exe, args...), ended: make(chan struct{})}
	p.Env = append(os.Environ(), "RECVTTY_APPLET=1")
	p.Stdout, p.Stderr = out, &p.stderr
	if terminal != nil {
		p.Stdin = terminal
		p.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.Wait(); close(p.ended) }()
	t.Cleanup(func() { p.Process.Kill(); <-p.ended })
	return p
}

// status waits for the end and wants this exit status and text on stderr.
func (p *process) status(t *testing.T, want int, text string) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatal("recvtty did not exit")
	}
	if got := p.ProcessState.ExitCode(); got != want || p.stderr.String() != text {
		t.Fatalf("%v, %q; want status %d, %q", p.ProcessState, p.stderr.String(), want, text)
	}
}

func until(t *testing.T, what string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !true(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// dial connects as soon as the socket listens.
func dial(t *testing.T, path string) (conn *os.File) {
	t.Helper()
	until(t, "the socket listens", func() bool {
		c, err := pty.Dial(path)
		conn = c
		return err == nil
	})
	t.Cleanup(func() { conn.Close() })
	return conn
}

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

// give sends the master over conn and keeps none of it.
func give(t *testing.T, conn, master *os.File) {
	t.Helper()
	if err := unix.Sendmsg(int(conn.Fd()), []byte("/dev/pts/0"), unix.UnixRights(int(master.Fd())), nil, 0); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	master.Close()
}

func mode(t *testing.T, f *os.File) unix.Termios {
	t.Helper()
	m, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *m
}

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

func gone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", path, err)
	}
}

func TestSingle(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("l", 100), "console")
	os.Mkdir(filepath.Dir(long), 0o700)
	for _, path := range []string{filepath.Join(t.TempDir(), "console"), long} {
		outer, terminal := openPair(t)
		before := mode(t, terminal)
		p := start(t, terminal, terminal, path)
		conn := dial(t, path)
		master, slave := openPair(t)
		unix.IoctlSetWinsize(int(outer.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 33, Col: 111})
		give(t, conn, master)
		until(t, "the pty has the terminal's size", func() bool {
			w, err := unix.IoctlGetWinsize(int(slave.Fd()), unix.TIOCGWINSZ)
			return err == nil && w.Row == 33 && w.Col == 111
		})
		send(t, slave, "prompt\n")
		expect(t, outer, "prompt\r\n")
		gone(t, path)
		if m := mode(t, terminal); m.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 {
			t.Error("terminal is not raw")
		}
		send(t, outer, "typed\r")
		buf := make([]byte, 16)
		if n, err := slave.Read(buf); err != nil || string(buf[:n]) != "typed\n" {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		slave.Close()
		p.status(t, 0, "")
		if mode(t, terminal) != before {
			t.Error("terminal is not restored")
		}
	}
}

func TestSingleToLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console")
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p := start(t, nil, log, path) // standard input is /dev/null
	conn := dial(t, path)
	master, slave := openPair(t)
	give(t, conn, master)
	until(t, "ONLCR is cleared", func() bool { return mode(t, slave).Oflag&unix.ONLCR == 0 })
	text := strings.Repeat("line\n", 1000)
	send(t, slave, text)
	slave.Close()
	p.status(t, 0, "")
	if got, err := os.ReadFile(log.Name()); err != nil || string(got) != text {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}

func TestNoStdin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console")
	outer, terminal := openPair(t)
	before := mode(t, terminal)
	p := start(t, terminal, terminal, "--no-stdin", path)
	conn := dial(t, path)
	master, slave := openPair(t)
	give(t, conn, master)
	until(t, "ONLCR is cleared", func() bool { return mode(t, slave).Oflag&unix.ONLCR == 0 })
	send(t, slave, "a\nb")
	expect(t, outer, "a\r\nb")
	if mode(t, terminal) != before {
		t.Error("changed a terminal that is not read")
	}
	send(t, outer, "\x03") // interrupts recvtty itself
	p.status(t, 128+int(unix.SIGINT), "")
}

func TestSessionSignal(t *testing.T) {
	dir := t.TempDir()
	path, pid := filepath.Join(dir, "console"), filepath.Join(dir, "pid")
	outer, terminal := openPair(t)
	before := mode(t, terminal)
	p := start(t, terminal, terminal, "--pid-file", pid, path)
	conn := dial(t, path)
	master, slave := openPair(t)
	give(t, conn, master)
	send(t, slave, "$")
	expect(t, outer, "$")
	p.Process.Signal(unix.SIGTERM)
	p.status(t, 128+int(unix.SIGTERM), "")
	if mode(t, terminal) != before {
		t.Error("terminal is not restored")
	}
	gone(t, pid)
}

func TestSignalBeforeConnection(t *testing.T) {
	for _, m := range []string{"single", "null"} {
		for _, s := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
			dir := t.TempDir()
			path, pid := filepath.Join(dir, "console"), filepath.Join(dir, "pid")
			p := start(t, nil, nil, "-m", m, "--pid-file", pid, path)
			until(t, "the pid file", func() bool { _, err := os.Lstat(pid); return err == nil })
			if text, err := os.ReadFile(pid); err != nil || string(text) != fmt.Sprintln(p.Process.Pid) {
				t.Fatalf("pid file %q, %v", text, err)
			}
			if info, err := os.Lstat(path); err != nil || info.Mode().Type() != os.ModeSocket {
				t.Fatalf("pid file without socket: %v", err)
			}
			p.Process.Signal(s)
			p.status(t, 128+int(s), "")
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		}
	}
}

// A connection that sends nothing does not keep a signal from ending recvtty.
func TestSignalBeforeTerminal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console")
	p := start(t, nil, nil, path)
	dial(t, path)
	until(t, "the connection is taken", func() bool { _, err := os.Lstat(path); return err != nil })
	p.Process.Signal(unix.SIGTERM)
	p.status(t, 128+int(unix.SIGTERM), "")
}

func TestIgnoredSignals(t *testing.T) {
	dir := t.TempDir()
	path, pid := filepath.Join(dir, "console"), filepath.Join(dir, "pid")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", `trap "" HUP INT; exec "$0" "$@"`, exe, "--pid-file", pid, path)
	cmd.Env = append(os.Environ(), "RECVTTY_APPLET=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	until(t, "the pid file", func() bool { _, err := os.Lstat(pid); return err == nil })
	for _, s := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTERM} { // only the last counts
		cmd.Process.Signal(s)
	}
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 128+int(unix.SIGTERM) {
		t.Fatal(cmd.ProcessState)
	}
}

func TestSingleBadConnection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console")
	p := start(t, nil, nil, path)
	dial(t, path).Close()
	p.status(t, 1, "recvtty: receive a terminal: the sender closed the connection without sending one\n")
	gone(t, path)
}

func TestNull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console")
	p := start(t, nil, nil, "--mode=null", path)
	dial(t, path).Close() // a bad one, before the good
	stalled := dial(t, path)
	var slaves []*os.File
	for range 20 {
		conn := dial(t, path)
		master, slave := openPair(t)
		give(t, conn, master)
		slaves = append(slaves, slave)
	}
	// More than a pty holds: each write returns only because someone reads.
	for _, s := range slaves {
		send(t, s, strings.Repeat("discarded\n", 10000))
	}
	for _, s := range slaves[:10] {
		s.Close()
	}
	send(t, slaves[15], strings.Repeat("discarded\n", 10000))
	stalled.Close()
	p.Process.Signal(unix.SIGTERM)
	<-p.ended
	if got := p.ProcessState.ExitCode(); got != 128+int(unix.SIGTERM) {
		t.Error(p.ProcessState)
	}
	if !strings.HasPrefix(p.stderr.String(), "recvtty: receive a terminal: the sender closed") {
		t.Errorf("stderr %q", p.stderr.String())
	}
	gone(t, path)
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	os.WriteFile(at("file"), nil, 0o600)
	live, err := pty.Listen(at("live"))
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "0 operands given, 1 needed"},
		{[]string{"a", "b"}, `unexpected operand "b"`},
		{[]string{"-m", "both", at("s")}, `--mode both: is not single or null`},
		{[]string{"--what", at("s")}, "unknown flag: --what"},
		{[]string{at("file")}, "exists and is not a socket"},
		{[]string{dir}, "exists and is not a socket"},
		{[]string{at("live")}, "in use by another process"},
		{[]string{at("none/s")}, "no such file or directory"},
		{[]string{"--pid-file", at("none/pid"), at("s")}, "no such file or directory"},
		{[]string{"--pid-file", dir, at("s")}, "recvtty: write "},
	} {
		var out, errs bytes.Buffer
		std := cli.Std{Out: &out, Err: &errs}
		err := Run(std, c.args)
		if got := cli.Report(std, "recvtty", err); got != 1 {
			t.Errorf("%q: status %d", c.args, got)
		}
		line, _, _ := strings.Cut(errs.String(), "\n")
		if !strings.HasPrefix(line, "recvtty: ") || !strings.Contains(line, c.want) || out.Len() != 0 {
			t.Errorf("%q: %q; want %q", c.args, errs.String(), c.want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	err := Run(cli.Std{Out: &out}, []string{"--help"})
	var s cli.Status
	if !errors.As(err, &s) || s != 0 {
		t.Fatal(err)
	}
	for _, part := range []string{"usage: recvtty [OPTION…] SOCKET", "--pid-file FILE", "--no-stdin"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("help lacks %q:\n%s", part, out.String())
		}
	}
}
