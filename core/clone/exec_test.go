package clone

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ocibox/core/signals"
)

func TestExec(t *testing.T) {
	r, w := pipe(t)
	p := New()
	out := p.Inherit("out")
	p.Call(unix.SYS_DUP3, In(out), Num(1), Num(0))
	env := append(helperEnviron("echo"), "EMPTY=", "B=two words")
	p.Exec([]string{self(t)}, []string{"argv zero", "", "one\n"}, env)
	pr := start(t, p, FD{out, fdOf(w)})
	w.Close()
	if err := pr.Next(); err != ErrExec {
		t.Fatal(err)
	}
	want := strings.Join(append([]string{"argv zero", "", "one\n"}, env...), "\n") + "\n"
	if got := readAll(t, r); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if s, err := pr.Wait(); err != nil || !s.Exited() || s.ExitStatus() != 0 {
		t.Error(s, err)
	}
}

// That a program is executed is known at once, not when it has ended.
func TestExecIsKnown(t *testing.T) {
	r, w := pipe(t)
	p := New()
	in := p.Inherit("in")
	p.Call(unix.SYS_DUP3, In(in), Num(0), Num(0))
	p.Exec([]string{self(t)}, []string{"x"}, helperEnviron("stay"))
	pr := start(t, p, FD{in, fdOf(r)})
	within("Next", func() {
		if err := pr.Next(); err != ErrExec {
			t.Error(err)
		}
	})
	w.Close()
	if s, err := pr.Wait(); err != nil || !s.Exited() || s.ExitStatus() != 0 {
		t.Error(s, err)
	}
}

// No handler of the caller's is left in the child, of which it could not have the stack:
// neither the Go runtime's nor another.
func TestNoHandlers(t *testing.T) {
	pipe, err := signals.New()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if err := pipe.Catch(false, unix.SIGTSTP, unix.SIGTTIN, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	p := New()
	p.Rendezvous(false)
	pr := start(t, p)
	if err := pr.Next(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pr.Pid))
	if err != nil || !strings.Contains(string(b), "\nSigCgt:\t0000000000000000\n") {
		t.Errorf("%v\n%s", err, b)
	}
}

// Signals are as in a child of exec.Command: what Go handles is not handled,
// and nothing is blocked that was not before.
func TestExecSignals(t *testing.T) {
	pr := complete(t, New())
	signals := func(path string) (blocked, caught uint64) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			fmt.Sscanf(line, "SigBlk: %x", &blocked)
			fmt.Sscanf(line, "SigCgt: %x", &caught)
		}
		// Where there is cgo, glibc has two of its own.
		return blocked, caught &^ (1<<(32-1) | 1<<(33-1))
	}
	want, handled := signals("/proc/thread-self/status")
	blocked, caught := signals(fmt.Sprintf("/proc/%d/status", pr.Pid))
	if blocked != want || caught != 0 || handled == 0 {
		t.Errorf("blocked %#x, want %#x; caught %#x, in the parent %#x", blocked, want, caught, handled)
	}
}

func TestExecAlongPath(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, mode := range map[string]os.FileMode{"plain": 0o644, "junk": 0o755} {
		if err := os.WriteFile(at(name), []byte("\x00junk"), mode); err != nil {
			t.Fatal(err)
		}
	}
	good, none, below, plain, junk := self(t), at("none"), at("plain/x"), at("plain"), at("junk")
	const runs = syscall.Errno(0)
	for _, c := range []struct {
		paths []string
		want  syscall.Errno
	}{
		{[]string{good}, runs},
		{[]string{none, below, good}, runs},
		{[]string{plain, good}, runs},
		{[]string{good, junk}, runs},
		{[]string{}, unix.ENOENT},
		{[]string{none}, unix.ENOENT},
		{[]string{none, below}, unix.ENOENT},
		{[]string{plain, none}, unix.EACCES},
		{[]string{none, plain, below}, unix.EACCES},
		{[]string{dir}, unix.EACCES},
		{[]string{junk, good}, unix.ENOEXEC},
		{[]string{plain, junk}, unix.ENOEXEC},
	} {
		p := New()
		p.Begin("process.args[0]", "")
		p.Exec(c.paths, []string{"the name", "x"}, helperEnviron("exit"))
		pr := start(t, p)
		err := pr.Next()
		if c.want == runs {
			if err != ErrExec {
				t.Errorf("%q: %v", c.paths, err)
			}
			continue
		}
		if f := failure(t, err); f.Errno != c.want || f.Call != "execve(the name)" || f.Step.Field != "process.args[0]" {
			t.Errorf("%q: %+v, want %v", c.paths, f, c.want)
		}
		if s, err := pr.Wait(); err != nil || s.ExitStatus() != exitFailed {
			t.Error(s, err)
		}
	}
}

// Find passes wherever Exec has something to try.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, mode := range map[string]os.FileMode{"plain": 0o644, "file": 0o755} {
		if err := os.WriteFile(at(name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("loop", at("loop")); err != nil {
		t.Fatal(err)
	}
	none, below := at("none"), at("plain/x")
	for _, c := range []struct {
		paths []string
		found bool
	}{
		{[]string{at("file")}, true},
		{[]string{none, below, at("file")}, true},
		{[]string{at("plain"), none}, true},
		{[]string{none, dir}, true},
		{[]string{at("loop")}, true},
		{[]string{}, false},
		{[]string{none}, false},
		{[]string{below, none}, false},
	} {
		p := New()
		p.Begin("process.args[0]", "")
		p.Find(c.paths, "name")
		p.Exec([]string{self(t)}, []string{"x"}, helperEnviron("exit"))
		pr := start(t, p)
		err := pr.Next()
		if c.found {
			if err != ErrExec {
				t.Errorf("%q: %v", c.paths, err)
			}
			continue
		}
		if f := failure(t, err); f.Errno != unix.ENOENT || f.Call != "faccessat(name)" || f.Step.Field != "process.args[0]" {
			t.Errorf("%q: %+v", c.paths, f)
		}
	}
}

// listener is a socket that a program accepts on, and a way to connect to it.
func listener(t *testing.T) (fd int, connect func() int) {
	t.Helper()
	socket := func() int {
		s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		closeLater(t, s)
		return s
	}
	fd = socket()
	// With no name the kernel finds one.
	if err := unix.Bind(fd, &unix.SockaddrUnix{}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 8); err != nil {
		t.Fatal(err)
	}
	addr, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, func() int {
		s := socket()
		if err := unix.Connect(s, addr); err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// notExecuted is what Outcome says of an end without an execve.
const notExecuted = "the container's process ended before it executed anything"

func TestAccept(t *testing.T) {
	for _, c := range []struct {
		name string
		path string
		add  func(p *Program)
		want *Failure
	}{
		{"executes", self(t), nil, nil},
		{"does not execute", "/nowhere", nil,
			&Failure{Step: Step{"process.args[0]", "of it"}, Call: "execve(name)", Errno: unix.ENOENT}},
		{"call fails", self(t), func(p *Program) {
			p.Begin("a field", "")
			p.Call(unix.SYS_CLOSE, Num(-1))
		}, &Failure{Step: Step{"a field", ""}, Call: "close()", Errno: unix.EBADF}},
		{"long names", self(t), func(p *Program) {
			p.Begin("a field", strings.Repeat("o", pathMax-1))
			p.Call(unix.SYS_SYMLINKAT, p.Str(strings.Repeat("a", 300<<10)), Cwd, p.Str(strings.Repeat("b", 300<<10)))
		}, &Failure{Step: Step{"a field", strings.Repeat("o", pathMax-1)},
			Call: ("symlinkat(" + strings.Repeat("a", pathMax))[:pathMax], Errno: unix.ENAMETOOLONG}},
	} {
		sock, connect := listener(t)
		p := New()
		r, w := pipe(t)
		listen, in, conn := p.Inherit("listen"), p.Inherit("in"), p.Reg("conn")
		p.Call(unix.SYS_DUP3, In(in), Num(0), Num(0))
		p.Rendezvous(false)
		p.Begin("", "start")
		p.Accept(listen, conn)
		if c.add != nil {
			c.add(p)
		}
		p.Begin("process.args[0]", "of it")
		p.Exec([]string{c.path}, []string{"name"}, helperEnviron("stay"))
		pr := start(t, p, FD{listen, sock}, FD{in, fdOf(r)})
		if err := pr.Next(); err != nil {
			t.Fatal(err)
		}
		if err := pr.Go(); err != nil {
			t.Fatal(err)
		}
		// From here on, it lives without its parent.
		pr.Release()
		if got := outcome(t, connect, unix.SHUT_RDWR, nil); got == nil || got.Error() != notExecuted {
			t.Errorf("%s: a connection without a word was told %v", c.name, got)
		}
		if got := outcome(t, connect, -1, []byte{wordGo + 1}); got == nil || got.Error() != notExecuted {
			t.Errorf("%s: a connection with another word was told %v", c.name, got)
		}
		got := outcome(t, connect, -1, []byte{wordGo})
		switch {
		case c.want == nil && got != nil:
			t.Errorf("%s: %v", c.name, got)
		case c.want != nil && *failure(t, got) != *c.want:
			t.Errorf("%s: got %+v\nwant %+v", c.name, got, c.want)
		}
		w.Close()
		status := 0
		if c.want != nil {
			status = exitFailed
		}
		if s, err := pr.Wait(); err != nil || !s.Exited() || s.ExitStatus() != status {
			t.Errorf("%s: %v, %v", c.name, s, err)
		}
	}
}

// A starter is not told that the program was executed when its process died
// on the way.
func TestAcceptThenDies(t *testing.T) {
	sock, connect := listener(t)
	p := New()
	listen, pid := p.Inherit("listen"), p.Reg("pid")
	p.Accept(listen, p.Reg("conn"))
	p.Call(unix.SYS_GETPID).Save(pid)
	p.Call(unix.SYS_KILL, In(pid), Num(int(unix.SIGKILL)))
	p.Exec([]string{self(t)}, []string{"x"}, helperEnviron("exit"))
	start(t, p, FD{listen, sock})
	if got := outcome(t, connect, -1, []byte{wordGo}); got == nil || got.Error() != notExecuted {
		t.Errorf("told %v", got)
	}
}

// outcome connects, says word, shuts the connection down as how says, and
// tells what comes back.
func outcome(t *testing.T, connect func() int, how int, word []byte) error {
	t.Helper()
	conn := connect()
	if word != nil {
		if err := unix.Send(conn, word, 0); err != nil {
			t.Fatal(err)
		}
	}
	if how >= 0 {
		if err := unix.Shutdown(conn, how); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	within("Outcome", func() { err = Outcome(conn) })
	return err
}

// What fails before a connection has said go is the parent's to hear.
func TestAcceptFails(t *testing.T) {
	p := New()
	listen := p.Inherit("listen")
	p.Begin("the field", "the object")
	p.Accept(listen, p.Reg("conn"))
	_, err := reach(t, p, FD{listen, 0})
	f := failure(t, err)
	if f.Errno != unix.ENOTSOCK || f.Error() != "accept4(): socket operation on non-socket" || f.Step != (Step{"the field", "the object"}) {
		t.Errorf("%+v", f)
	}
}

// The log of an fs context goes with a failure that a connection hears of.
func TestAcceptLog(t *testing.T) {
	p := New()
	newUser(t, p, 0)
	sock, connect := listener(t)
	listen, fs := p.Inherit("listen"), p.Reg("fs")
	p.Accept(listen, p.Reg("conn"))
	p.Call(unix.SYS_FSOPEN, p.Str("tmpfs"), Num(unix.FSOPEN_CLOEXEC)).Save(fs)
	p.Call(unix.SYS_FSCONFIG, In(fs), Num(unix.FSCONFIG_SET_STRING), p.Str("size"), p.Str("64q"), Num(0)).Log(fs)
	start(t, p, FD{listen, sock})
	f := failure(t, outcome(t, connect, -1, []byte{wordGo}))
	if f.Log != "tmpfs: Bad value for 'size'" || f.Call != "fsconfig(size=64q)" {
		t.Errorf("%+v", f)
	}
}

// What is not a report is not taken for one.
func TestOutcomeOfNoise(t *testing.T) {
	for _, noise := range []string{"x", strings.Repeat("x", 20), strings.Repeat("\x00", 40)} {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		closeLater(t, pair[:]...)
		if err := unix.Send(pair[1], []byte(noise), 0); err != nil {
			t.Fatal(err)
		}
		if err := Outcome(pair[0]); err == nil || !strings.Contains(err.Error(), "bad message") {
			t.Errorf("%q: %v", noise, err)
		}
	}
}
