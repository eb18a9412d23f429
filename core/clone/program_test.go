package clone

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCall(t *testing.T) {
	r, w := pipe(t)
	p := New()
	out, pid, n, bad := p.Inherit("out"), p.Reg("pid"), p.Reg("n"), p.Reg("bad")
	p.Call(unix.SYS_GETPID).Save(pid)
	p.Call(unix.SYS_WRITE, In(out), p.Str("hello"), Num(5)).Save(n)
	p.Call(unix.SYS_WRITE, In(out), p.Data([]byte{'!', 0, '?'}), In(n)).Save(n) // 5 bytes: the data is followed by zeros
	p.Call(unix.SYS_CLOSE, Num(-1)).Save(bad).Ignore(unix.ENOENT, unix.EPERM, unix.EBADF)
	pr := complete(t, p, FD{out, fdOf(w)})
	w.Close()
	if pr.value(pid) != pr.Pid || pr.value(n) != 5 || pr.value(bad) != -int(unix.EBADF) {
		t.Errorf("getpid = %d in process %d, write = %d, close = %d", pr.value(pid), pr.Pid, pr.value(n), pr.value(bad))
	}
	pr.Kill()
	if got := readAll(t, r); got != "hello!\x00?\x00\x00" {
		t.Errorf("wrote %q", got)
	}
}

// All six arguments of a call arrive.
func TestCallArguments(t *testing.T) {
	dir := t.TempDir()
	from, err := os.Create(filepath.Join(dir, "from"))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	from.WriteString("0123456789")
	to, err := os.Create(filepath.Join(dir, "to"))
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	offset := func(p *Program, n int64) Arg { return p.Data(Bytes(&n)) }
	p := New()
	in, out, size, n, bad := p.Inherit("in"), p.Inherit("out"), p.Inherit("size"), p.Reg("n"), p.Reg("bad")
	call := func(flags int) *Insn {
		return p.Call(unix.SYS_COPY_FILE_RANGE, In(in), offset(p, 3), In(out), offset(p, 5), In(size), Num(flags))
	}
	call(-1).Save(bad).Ignore(unix.EINVAL)
	call(0).Save(n)
	pr := complete(t, p, FD{in, fdOf(from)}, FD{out, fdOf(to)}, FD{size, 4})
	b, err := os.ReadFile(to.Name())
	if pr.value(bad) != -int(unix.EINVAL) || pr.value(n) != 4 || string(b) != "\x00\x00\x00\x00\x003456" || err != nil {
		t.Errorf("with wrong flags %d; then %d, and there is %q, %v", pr.value(bad), pr.value(n), b, err)
	}
}

func TestCallFails(t *testing.T) {
	p := New()
	p.Begin("first", "one")
	p.Call(unix.SYS_GETPID).Ignore(unix.EPERM)
	p.Begin("mounts[7]", "/x")
	after := p.Reg("after")
	p.Call(unix.SYS_UNLINKAT, Cwd, p.Str("/nowhere/at all"), Num(0)).Ignore(unix.EPERM)
	p.Call(unix.SYS_GETPID).Save(after)
	pr, err := reach(t, p)
	f := failure(t, err)
	want := Failure{Step: Step{"mounts[7]", "/x"}, Call: "unlinkat(/nowhere/at all)", Errno: unix.ENOENT, Pid: pr.Pid}
	if *f != want {
		t.Errorf("got %+v\nwant %+v", *f, want)
	}
	if got := f.Fault().Error(); got != "mounts[7] /x: unlinkat(/nowhere/at all): no such file or directory" {
		t.Error(got)
	}
	if s, err := pr.Wait(); err != nil || s.ExitStatus() != exitFailed || pr.value(after) != 0 {
		t.Errorf("status %v, %v; after = %d", s, err, pr.value(after))
	}
}

func TestConditions(t *testing.T) {
	p := New()
	errno := p.Reg("errno")
	p.Call(unix.SYS_CLOSE, Num(-1)).Save(errno).Ignore(unix.EBADF)
	minus := negative(unix.EBADF)
	type want struct {
		name string
		reg  Reg
		runs bool
	}
	var all []want
	probe := func(name string, runs bool) *Insn {
		r := p.Reg(name)
		all = append(all, want{name, r, runs})
		return p.Call(unix.SYS_GETPID).Save(r)
	}
	probe("if equal", true).If(errno, minus)
	probe("if different", false).If(errno, 0)
	probe("unless equal", false).Unless(errno, minus)
	probe("unless different", true).Unless(errno, 0)
	p.When(errno, minus, func() { probe("when equal", true); probe("when equal, second", true) })
	p.When(errno, 1, func() { probe("when different", false); probe("when different, second", false) })
	probe("after a when", true)
	p.WhenNot(errno, minus, func() { probe("whennot equal", false) })
	probe("after a whennot", true)
	p.WhenNot(errno, 1, func() { probe("whennot different", true) })
	pr := complete(t, p)
	for _, w := range all {
		if ran := pr.value(w.reg) == pr.Pid; ran != w.runs {
			t.Errorf("%s: ran is %v", w.name, ran)
		}
	}
}

// A failure of an fs context brings the kernel's own words.
func TestLog(t *testing.T) {
	for _, c := range []struct{ size, log, call string }{
		{"64q", "tmpfs: Bad value for 'size'", "fsconfig(size=64q)"},
		{"64k", "", ""},
	} {
		p := New()
		newUser(t, p, 0)
		fs := p.Reg("fs")
		p.Call(unix.SYS_FSOPEN, p.Str("tmpfs"), Num(unix.FSOPEN_CLOEXEC)).Save(fs)
		p.Call(unix.SYS_FSCONFIG, In(fs), Num(unix.FSCONFIG_SET_STRING), p.Str("size"), p.Str(c.size), Num(0)).Log(fs)
		_, err := reach(t, p)
		if c.log == "" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		f := failure(t, err)
		if f.Log != c.log || f.Errno != unix.EINVAL || f.Error() != c.call+": "+c.log {
			t.Errorf("%+v: %v", f, f)
		}
	}
}

func TestMust(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	const wrong = unix.ENOTBLK
	for _, c := range []struct {
		path         string
		want         uint32
		major, minor uint32
		errno        syscall.Errno
	}{
		{dir, unix.S_IFDIR, 0, 0, 0},
		{dir, unix.S_IFREG, 0, 0, wrong},
		{file, unix.S_IFREG, 9, 9, 0}, // no device: the numbers do not matter
		{file, unix.S_IFDIR, 0, 0, wrong},
		{filepath.Join(dir, "link"), unix.S_IFLNK, 0, 0, 0},
		{filepath.Join(dir, "link"), unix.S_IFREG, 0, 0, wrong},
		{"/dev/null", unix.S_IFCHR, 1, 3, 0},
		{"/dev/null", unix.S_IFCHR, 1, 5, wrong},
		{"/dev/null", unix.S_IFCHR, 2, 3, wrong},
		{"/dev/null", unix.S_IFBLK, 1, 3, wrong},
		{"/dev/null", unix.S_IFIFO, 1, 3, wrong},
	} {
		p := New()
		fd := p.Reg("fd")
		p.Call(unix.SYS_OPENAT, Cwd, p.Str(c.path), Num(unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC)).Save(fd)
		p.Must(fd, c.want, c.major, c.minor, wrong)
		if _, err := reach(t, p); errnoOf(t, err) != c.errno {
			t.Errorf("%s must be %#o %d:%d: %v, want %v", c.path, c.want, c.major, c.minor, err, c.errno)
		}
	}
	p := New()
	none := p.Inherit("none")
	p.Must(none, unix.S_IFREG, 0, 0, wrong)
	if _, err := reach(t, p, FD{none, -1}); errnoOf(t, err) != unix.EBADF {
		t.Errorf("no descriptor: %v", err)
	}
}

func TestIsDir(t *testing.T) {
	p := New()
	var regs [3]Reg
	open := func(path string) Reg {
		fd := p.Reg("fd")
		p.Call(unix.SYS_OPENAT, Cwd, p.Str(path), Num(unix.O_PATH|unix.O_CLOEXEC)).Save(fd).Ignore(unix.ENOENT)
		return fd
	}
	for i, path := range []string{"/", "/dev/null", "/nowhere"} {
		fd := open(path)
		regs[i] = p.Reg("isdir")
		p.IsDir(fd, regs[i])
	}
	pr := complete(t, p)
	for i, want := range []int{1, 0, -int(unix.EBADF)} {
		if got := pr.value(regs[i]); got != want {
			t.Errorf("IsDir %d = %d, want %d", i, got, want)
		}
	}
}

func TestRendezvous(t *testing.T) {
	r, w := pipe(t)
	p := New()
	out := p.Inherit("out")
	say := func(s string) { p.Call(unix.SYS_WRITE, In(out), p.Str(s), Num(len(s))) }
	say("a")
	numbers := []int{p.Rendezvous(false)}
	say("b")
	numbers = append(numbers, p.Rendezvous(true))
	say("c")
	numbers = append(numbers, p.Rendezvous(false))
	say("d")
	numbers = append(numbers, p.Rendezvous(false))
	say("e")
	if fmt.Sprint(numbers) != "[0 1 2 3]" {
		t.Error(numbers)
	}
	pr := start(t, p, FD{out, fdOf(w)})
	w.Close()
	said := func(want string) {
		t.Helper()
		b := make([]byte, 9)
		n, err := unix.Read(fdOf(r), b)
		if got := string(b[:n]); got != want || err != nil {
			t.Fatalf("the child says %q, %v, want %q", got, err, want)
		}
	}
	quiet := func() {
		t.Helper()
		asleep(t, pr.Pid)
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fdOf(r)), Events: unix.POLLIN}, {Fd: int32(pr.sync), Events: unix.POLLIN}}, 0); n != 0 {
			t.Fatalf("the child did not wait: %v", err)
		}
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(pr.Next())
	said("a")
	quiet()
	check(pr.Go())
	said("b")
	quiet()
	check(pr.Go())
	said("c")
	check(pr.Next())
	quiet()
	check(pr.Go())
	check(pr.Next())
	said("d")
	pr.Release()
	s, err := pr.Wait()
	if err != nil || s.ExitStatus() != exitFailed {
		t.Errorf("the child whose parent let go ends with %v, %v", s, err)
	}
	said("") // it did not go on
	if err := pr.Go(); err == nil {
		t.Error("Go after Release")
	}
}

// What ends a child without a word is told.
func TestEnded(t *testing.T) {
	for _, c := range []struct {
		name string
		add  func(p *Program)
		want string
	}{
		{"status", func(p *Program) { p.Call(unix.SYS_EXIT_GROUP, Num(3)) }, "(exit status 3)"},
		{"end of the program", func(p *Program) {}, "(exit status 1)"},
		{"signal", func(p *Program) {
			pid := p.Reg("pid")
			p.Call(unix.SYS_GETPID).Save(pid)
			p.Call(unix.SYS_KILL, In(pid), Num(int(unix.SIGKILL)))
		}, "(signal SIGKILL)"},
	} {
		p := New()
		c.add(p)
		pr := start(t, p)
		err := pr.Next()
		if err == nil || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if again := pr.Next(); again == nil || again.Error() != err.Error() {
			t.Errorf("%s: %v the second time", c.name, again)
		}
	}
}

// What Receive gets is what was sent; an end that is closed is EPIPE, and a
// message without a descriptor EMFILE.
func TestReceive(t *testing.T) {
	dir := t.TempDir()
	here, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, here)
	for name, row := range map[string]struct {
		oob  []byte
		open bool
		want unix.Errno
	}{"sent": {unix.UnixRights(here), true, 0}, "nothing with it": {nil, true, unix.EMFILE}, "closed": {nil, false, unix.EPIPE}} {
		t.Run(name, func(t *testing.T) {
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			closeLater(t, pair[1])
			if row.open {
				if err := unix.Sendmsg(pair[0], []byte("name"), row.oob, nil, 0); err != nil {
					t.Fatal(err)
				}
			}
			unix.Close(pair[0])
			p := New()
			sock, fd := p.Inherit("sock"), p.Reg("fd")
			p.Receive(sock, fd)
			p.Must(fd, unix.S_IFDIR, 0, 0, unix.ENOTDIR)
			if row.want == 0 {
				complete(t, p, FD{sock, pair[1]})
				return
			}
			if _, err := reach(t, p, FD{sock, pair[1]}); errnoOf(t, err) != row.want {
				t.Errorf("%v, want %v", err, row.want)
			}
		})
	}
}

func TestSendFD(t *testing.T) {
	dir := t.TempDir()
	var here unix.Stat_t
	if err := unix.Stat(dir, &here); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_SEQPACKET} {
		pair, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		closeLater(t, pair[:]...)
		p := New()
		sock, fd := p.Inherit("sock"), p.Reg("fd")
		p.Call(unix.SYS_OPENAT, Cwd, p.Str(dir), Num(unix.O_RDONLY|unix.O_CLOEXEC)).Save(fd)
		p.SendFD(sock, fd, "the name")
		p.SendFD(sock, fd, "twice")
		complete(t, p, FD{sock, pair[1]})
		for _, want := range []string{"the name", "twice"} {
			text, oob := make([]byte, len(want)), make([]byte, 64)
			n, noob, _, _, err := unix.Recvmsg(pair[0], text, oob, unix.MSG_CMSG_CLOEXEC)
			if err != nil || string(text[:n]) != want {
				t.Fatalf("got %q, %v", text[:n], err)
			}
			msgs, err := unix.ParseSocketControlMessage(oob[:noob])
			if err != nil || len(msgs) != 1 {
				t.Fatal(msgs, err)
			}
			fds, err := unix.ParseUnixRights(&msgs[0])
			if err != nil || len(fds) != 1 {
				t.Fatal(fds, err)
			}
			var st unix.Stat_t
			err = unix.Fstat(fds[0], &st)
			unix.Close(fds[0])
			if err != nil || st.Ino != here.Ino || st.Dev != here.Dev {
				t.Errorf("another file came: %v", err)
			}
		}
	}
	p := New()
	sock := p.Inherit("sock")
	p.SendFD(sock, p.Reg("none"), "x")
	if _, err := reach(t, p, FD{sock, 0}); errnoOf(t, err) != unix.ENOTSOCK {
		t.Errorf("over something else: %v", err)
	}
}

// A string is put into the data once, mostly, and found again whatever others are there.
func TestStr(t *testing.T) {
	p := New()
	p.Data([]byte("ab\x00"))
	at := map[string]Arg{}
	for i := range 3000 {
		for _, s := range []string{"", "a", "ab", fmt.Sprint("string ", i), strings.Repeat("x", i%70)} {
			a := p.Str(s)
			if got := string(p.data[a.v:][:len(s)+1]); got != s+"\x00" {
				t.Fatalf("%q is at %q", s, got)
			}
			if i < 20 && at[s] != (Arg{}) && at[s] != a {
				t.Errorf("%q is there twice", s)
			}
			at[s] = a
		}
	}
}
