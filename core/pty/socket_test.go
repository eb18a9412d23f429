package pty

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

func socketpair(t *testing.T) (a, b *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, b = os.NewFile(uintptr(fds[0]), "a"), os.NewFile(uintptr(fds[1]), "b")
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func pass(t *testing.T, conn *os.File, text string, files ...*os.File) {
	t.Helper()
	var control []byte
	if len(files) > 0 {
		var fds []int
		for _, f := range files {
			fds = append(fds, int(f.Fd()))
		}
		control = unix.UnixRights(fds...)
	}
	if err := unix.Sendmsg(int(conn.Fd()), []byte(text), control, nil, 0); err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("error %v; want one line with %q", err, part)
	}
}

func TestReceive(t *testing.T) {
	master, slave := openPair(t)
	for _, text := range []string{"/dev/pts/7", ""} { // x/sys sends a NUL for ""
		a, b := socketpair(t)
		pass(t, a, text, master)
		got, name, err := Receive(b)
		if err != nil || name != text {
			t.Fatalf("name %q, %v; want %q", name, err, text)
		}
		flags, err := unix.FcntlInt(got.Fd(), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("not close-on-exec: %#x, %v", flags, err)
		}
		send(t, slave, text+"!")
		expect(t, got, text+"!")
		got.Close()
	}
}

func TestReceiveRefuses(t *testing.T) {
	master, _ := openPair(t)
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, c := range []struct {
		name, want string
		send       func(*os.File)
	}{
		{"closed", "closed the connection", func(c *os.File) { c.Close() }},
		{"none", "0 descriptors came", func(c *os.File) { pass(t, c, "/dev/pts/1") }},
		{"two", "2 descriptors came", func(c *os.File) { pass(t, c, "x", master, master) }},
		{"most", "253 descriptors came", func(c *os.File) {
			var many []*os.File
			for range fdMax {
				many = append(many, null)
			}
			pass(t, c, "x", many...)
		}},
		{"no terminal", "inappropriate ioctl", func(c *os.File) { pass(t, c, "x", null) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := socketpair(t)
			c.send(a)
			a.Close()
			before := openFiles(t)
			_, _, err := Receive(b)
			wantError(t, err, c.want)
			if after := openFiles(t); after != before {
				t.Errorf("%d descriptors open, %d before", after, before)
			}
		})
	}
}

// Where the descriptor table is full the kernel cuts the control data off.
func TestReceiveTruncated(t *testing.T) {
	master, _ := openPair(t)
	a, b := socketpair(t)
	pass(t, a, "x", master, master)
	before := openFiles(t)

	var old unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		t.Fatal(err)
	}
	// The limit is a number that none may reach: room for one of the two, so
	// that there is one to close.
	free, err := unix.FcntlInt(b.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(free)
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(free + 1), Max: old.Max}, nil); err != nil {
		t.Fatal(err)
	}
	_, _, err = Receive(b)
	unix.Prlimit(0, unix.RLIMIT_NOFILE, &old, nil)
	wantError(t, err, "lost on the way")
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
}

func TestReceiveEndsByClose(t *testing.T) {
	_, b := socketpair(t)
	c := make(chan error, 1)
	go func() { _, _, err := Receive(b); c <- err }()
	b.Close()
	if err := wait(t, c); !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
}

func TestListenAndDial(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, path := range []string{
		"console", "./console", "@console", filepath.Join(t.TempDir(), "console"),
		filepath.Join(longFolder(t), "console"),
		// 107 and 108 bytes: the last that fits sun_path, the first that does not.
		"./" + strings.Repeat("x", 105), "./" + strings.Repeat("x", 81) + "/../" + strings.Repeat("y", 21),
	} {
		os.Mkdir(strings.Repeat("x", 81), 0o700)
		l, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode().Type() != os.ModeSocket {
			t.Fatal(info, err)
		}
		master, slave := openPair(t)
		out, err := Dial(path)
		if err != nil {
			t.Fatal(err)
		}
		pass(t, out, "name", master)
		out.Close()
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := Receive(conn)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		send(t, slave, "hello")
		expect(t, got, "hello")
		got.Close()

		c := make(chan error, 1)
		go func() { _, err := l.Accept(); c <- err }()
		l.Close()
		if err := wait(t, c); !errors.Is(err, os.ErrClosed) {
			t.Fatalf("Accept after Close: %v", err)
		}
		l.Close()
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Fatalf("socket file after Close: %v", err)
		}
	}
}

func TestListenReplacesStale(t *testing.T) {
	for _, dir := range []string{t.TempDir(), longFolder(t)} {
		path := filepath.Join(dir, "console")
		l, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		l.socket.Close() // as by a kill: the file stays
		if _, err := Dial(path); err == nil {
			t.Fatal("connected to a stale socket")
		}
		next, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		defer next.Close()
		if conn, err := Dial(path); err != nil {
			t.Fatal(err)
		} else {
			conn.Close()
		}
	}
}

// The socket keeps its own inode from being used again while it is open.
func TestCloseLeavesSuccessor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	next, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	l.Close()
	if conn, err := Dial(path); err != nil {
		t.Fatal(err)
	} else {
		conn.Close()
	}
}

// The probe of a live socket must not be the connection that its owner waits for.
func TestListenLeavesLive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Listen(path)
	wantError(t, err, "in use")
	master, _ := openPair(t)
	out, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	pass(t, out, "first", master)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	got, name, err := Receive(conn)
	if err != nil || name != "first" {
		t.Fatal(name, err)
	}
	got.Close()
	conn.Close()
	out.Close()
}

func TestListenLeavesFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	os.WriteFile(at("file"), []byte("kept"), 0o600)
	os.Mkdir(at("dir"), 0o700)
	os.Symlink("nothing", at("link"))
	for _, name := range []string{"file", "dir", "link"} {
		before, _ := os.Lstat(at(name))
		_, err := Listen(at(name))
		wantError(t, err, "not a socket")
		if after, err := os.Lstat(at(name)); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s was touched: %v", name, err)
		}
	}
	if text, _ := os.ReadFile(at("file")); string(text) != "kept" {
		t.Errorf("file holds %q", text)
	}
	for path, want := range map[string]error{
		"":                                     unix.ENOENT,
		"a\x00b":                               unix.EINVAL,
		at("none/console"):                     unix.ENOENT,
		at("file/console"):                     unix.ENOTDIR,
		filepath.Join(longFolder(t), "x/sock"): unix.ENOENT,
		at(strings.Repeat("n", 120)):           unix.ENAMETOOLONG,
	} {
		if _, err := Listen(path); !errors.Is(err, want) {
			t.Errorf("Listen(%q): %v, want %v", path, err, want)
		}
	}
}

func TestDialRefuses(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	os.WriteFile(at("file"), nil, 0o600)
	l, err := Listen(at("stale"))
	if err != nil {
		t.Fatal(err)
	}
	l.socket.Close()
	for _, c := range []struct{ name, want string }{
		{"none", "no such file"},
		{"none/console", "no such file"},
		{"file/console", "not a directory"},
		{"file", "is not a socket"},
		{".", "is not a socket"},
		{"stale", "nobody listens"},
	} {
		before := openFiles(t)
		_, err := Dial(at(c.name))
		wantError(t, err, c.want)
		if openFiles(t) != before {
			t.Errorf("%s: descriptor left open", c.name)
		}
		if c.name == "stale" && fault.Hint(err) == "" {
			t.Error("no hint")
		}
	}
}
