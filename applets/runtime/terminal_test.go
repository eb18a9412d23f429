package runtime_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
	"ocibox/core/pty"
)

// listen makes a console socket next to the bundle that its user can reach.
func listen(t *testing.T, b *bundletest.Bundle) (*pty.Listener, string) {
	t.Helper()
	path := b.Beside("listening")
	l, err := pty.Listen(path)
	if err == nil {
		err = os.Chmod(path, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l, path
}

// A screen is the host's side of a terminal, with what came from it so far.
type screen struct {
	t      *testing.T
	master *os.File
	text   []byte
}

func newScreen(t *testing.T, master *os.File) *screen {
	t.Cleanup(func() { master.Close() })
	return &screen{t: t, master: master}
}

// expect reads until want has come, and forgets what came up to there.
func (s *screen) expect(want string) {
	s.t.Helper()
	s.master.SetReadDeadline(time.Now().Add(bundletest.Patience))
	buf := make([]byte, 4096)
	for {
		if i := bytes.Index(s.text, []byte(want)); i >= 0 {
			s.text = s.text[i+len(want):]
			return
		}
		n, err := s.master.Read(buf)
		s.text = append(s.text, buf[:n]...)
		if err != nil {
			s.t.Fatalf("the screen shows %q, then %v; want %q", s.text, err, want)
		}
	}
}

func (s *screen) press(keys string) {
	s.t.Helper()
	if _, err := s.master.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

func (s *screen) resize(rows, columns uint16) {
	s.t.Helper()
	raw, err := s.master.SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) {
			err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns})
		})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// receive takes the terminal that a command in the background sends.
func receive(t *testing.T, l *pty.Listener) *screen {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// One message, with one descriptor that is a terminal: Receive takes no other.
	master, name, err := pty.Receive(conn)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "name", name, "/dev/ptmx")
	if n, err := conn.Read(make([]byte, 1)); n != 0 {
		t.Errorf("%d bytes more came, %v", n, err)
	}
	return newScreen(t, master)
}

// The terminal is used: its size, keys, and the signal that one of them makes.
func use(s *screen, size string) {
	s.t.Helper()
	s.expect("terminal: " + size + "\r\n")
	s.press("hello\n")
	s.expect("typed: hello\r\n")
	s.resize(40, 100)
	s.expect("terminal: 40x100\r\n")
	s.press("\x03") // for the foreground group of its session
	s.expect("SIGINT\r\n")
	s.press("bye\n")
	s.expect("the end\r\n")
}

func TestConsoleSocket(t *testing.T) {
	for _, detach := range []bool{false, true} {
		t.Run(map[bool]string{false: "create", true: "run"}[detach], func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				b := bundletest.New(t, u)
				b.Write(func(s *specs.Spec) {
					s.Process.Args = b.Args("terminal")
					s.Process.Terminal = true
					s.Process.ConsoleSize = &specs.Box{Height: 24, Width: 77}
				})
				l, path := listen(t, b)
				var screen *screen
				if detach {
					b.Detach("--console-socket", path)
					screen = receive(t, l)
				} else {
					b.Create("--console-socket", path)
					screen = receive(t, l)
					b.Must("start", b.ID)
				}
				use(screen, "24x77")
				b.Wait(specs.StateStopped)
			})
		})
	}
}

// What a process sees of its terminal.
func TestTerminalInside(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		l, path := listen(t, b)
		b.Write(func(s *specs.Spec) {
			s.Process.Terminal = true
			s.Process.Args = b.Args("terminal-report")
		})
		b.Detach("--console-socket", path)
		screen := receive(t, l)
		owner := map[bool]string{true: "0:5", false: "0:0"}[u.IsRoot()] // as the mount's gid= has it
		for _, want := range []string{
			"0: /dev/pts/0 20620 " + owner, "1: /dev/pts/0 20620 " + owner, "2: /dev/pts/0 20620 " + owner, "no more descriptors",
			"/dev/console is the terminal", "/dev/tty opens", "in the foreground",
		} {
			screen.expect(want + "\r\n")
		}
		b.Wait(specs.StateStopped)
	})
}

// The terminal belongs to the process's user.
func TestTerminalOwner(t *testing.T) {
	t.Parallel()
	b := bundletest.New(t, bundletest.Root(t))
	l, path := listen(t, b)
	b.Write(func(s *specs.Spec) {
		s.Process.Terminal = true
		s.Process.User = specs.User{UID: 1000, GID: 1000}
		s.Process.Args = b.Args("terminal-report")
	})
	b.Detach("--console-socket", path)
	screen := receive(t, l)
	screen.expect("0: /dev/pts/0 20620 1000:5\r\n")
	b.Wait(specs.StateStopped)
}

// openTerminal makes a terminal for a command: its master, and its other end.
func openTerminal(t *testing.T) (*screen, *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := newScreen(t, os.NewFile(uintptr(fd), "master"))
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		t.Fatal(errno)
	}
	terminal := os.NewFile(peer, "terminal")
	t.Cleanup(func() { terminal.Close() })
	return s, terminal
}

// onTerminal makes a command a session leader on the terminal.
func onTerminal(c *bundletest.Cmd, terminal *os.File) {
	c.Stdin, c.Stdout = terminal, terminal
	c.SysProcAttr.Setsid, c.SysProcAttr.Setctty = true, true
}

// In the foreground the caller's terminal is the container's, and afterwards
// as it was.
func TestForegroundTerminal(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Process.Args = b.Args("terminal")
			s.Process.Terminal = true
		})
		screen, terminal := openTerminal(t)
		screen.resize(33, 99)
		before, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		c := b.Command("run", "--bundle", b.Dir, b.ID)
		onTerminal(c, terminal)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		screen.expect("terminal: ") // it may start before it gets the size
		bundletest.Until(t, "raw mode", func() bool {
			now, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
			return err == nil && now.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) == 0
		})
		screen.press("hello\r")
		screen.expect("typed: hello\r\n")
		screen.resize(40, 100)
		screen.expect("terminal: 40x100\r\n")
		screen.press("\x03")
		screen.expect("SIGINT\r\n")
		screen.press("bye\r")
		screen.expect("the end\r\n")
		if r := c.End(); r.Status != 5 || r.Err != "" {
			t.Errorf("%+v", r)
		}
		after, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
		if err != nil || *after != *before {
			t.Errorf("the terminal's mode is %+v, %v; was %+v", after, err, before)
		}
		nothingLeft(t, b)
	})
}

// Without a terminal of the caller's the container still has one.
func TestForegroundTerminalPiped(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Process.Args = b.Args("terminal")
			s.Process.Terminal = true
			s.Process.ConsoleSize = &specs.Box{Height: 5, Width: 6}
		})
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		c := b.Command("run", "--bundle", b.Dir, b.ID)
		c.Stdin = r
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		bundletest.Until(t, "the terminal's size", func() bool { return strings.HasPrefix(c.Output(), "terminal: 5x6") })
		if _, err := w.WriteString("hello\nbye\n"); err != nil {
			t.Fatal(err)
		}
		if r := c.End(); r.Status != 5 || r.Err != "" || !strings.Contains(r.Out, "typed: hello\n") || !strings.HasSuffix(r.Out, "the end\n") {
			t.Errorf("%+v", r)
		}
	})
}

// A container without a terminal does not have the caller's.
func TestNoControllingTerminal(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		_, terminal := openTerminal(t)
		c := b.Command("run", "--bundle", b.Dir, b.ID)
		c.Stdin = terminal
		c.SysProcAttr.Setsid, c.SysProcAttr.Setctty = true, true
		r := c.Run()
		if r.Status != 0 || r.Err != "" {
			t.Fatalf("%+v", r)
		}
		same(t, "a controlling terminal", bundletest.ReadReport(t, r.Out).TTY, false)
	})
}

// A container with a terminal dies with SIGHUP when nobody holds the master.
func TestTerminalHangup(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Process.Args = b.Args("terminal")
			s.Process.Terminal = true
		})
		l, path := listen(t, b)
		b.Detach("--console-socket", path)
		screen := receive(t, l)
		screen.expect("terminal: ")
		screen.master.Close()
		b.Wait(specs.StateStopped)
	})
}
