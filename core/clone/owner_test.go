package clone

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOwner(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		if uid, gid = 4711, 4712; os.Chown(file, uid, gid) != nil {
			t.Fatal("chown")
		}
	}
	p := New()
	fd, u, g, none := p.Reg("fd"), p.Reg("uid"), p.Reg("gid"), p.Reg("none")
	p.Call(unix.SYS_OPENAT, Cwd, p.Str(file), Num(unix.O_PATH|unix.O_CLOEXEC)).Save(fd)
	p.Owner(fd, false, u)
	p.Owner(fd, true, g)
	p.Call(unix.SYS_CLOSE, In(fd))
	p.Owner(fd, false, none).Ignore(unix.EBADF)
	pr := complete(t, p)
	if pr.value(u) != uid || pr.value(g) != gid || pr.value(none) != -int(unix.EBADF) {
		t.Errorf("%d %d %d, want %d %d", pr.value(u), pr.value(g), pr.value(none), uid, gid)
	}
}

// In a user namespace of its own the child has every capability, and keeps what
// it makes ambient.
func TestRaiseAmbient(t *testing.T) {
	for _, raise := range []bool{true, false} {
		p := New()
		p.Flags = unix.CLONE_NEWUSER
		r, w := pipe(t)
		out := p.Inherit("out")
		p.Call(unix.SYS_DUP3, In(out), Num(1), Num(0))
		if raise {
			p.RaiseAmbient()
		}
		p.Exec([]string{"/bin/grep"}, []string{"grep", "-E", "Cap(Inh|Prm|Eff|Amb)", "/proc/self/status"}, nil)
		l := link(t, p)
		defer l.Close()
		pr, err := l.Start(FD{out, fdOf(w)})
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
		if err := pr.Next(); !errors.Is(err, ErrExec) {
			t.Fatal(err)
		}
		said := strings.Fields(readAll(t, r))
		if _, err := pr.Wait(); err != nil {
			t.Fatal(err)
		}
		pr.Release()
		if len(said) != 8 {
			t.Fatalf("%q", said)
		}
		for _, i := range []int{1, 3, 5, 7} {
			if none := said[i] == "0000000000000000"; none == raise || said[i] != said[1] {
				t.Errorf("raised %v: %q", raise, said)
			}
		}
	}
}

// A child whose parent has gone before it could ask to die with it exits.
func TestDieWithParent(t *testing.T) {
	for _, gone := range []bool{false, true} {
		r, w := pipe(t)
		p := New()
		out, wait := p.Inherit("out"), p.Inherit("wait")
		p.Call(unix.SYS_READ, In(wait), p.Data(make([]byte, 8)), Num(1))
		p.DieWithParent(unix.SIGKILL)
		p.Call(unix.SYS_WRITE, In(out), p.Str("lives"), Num(5))
		l := link(t, p)
		waitR, waitW := pipe(t)
		pr, err := l.Start(FD{out, fdOf(w)}, FD{wait, fdOf(waitR)})
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
		if gone {
			pr.Release() // as when this process ends
		}
		if _, err := waitW.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, r); (got == "lives") == gone {
			t.Errorf("the parent is gone: %v, the child says %q", gone, got)
		}
		if _, err := pr.Wait(); err != nil {
			t.Fatal(err)
		}
		pr.Release()
		l.Close()
	}
}

// With PreserveAll the child's program has what is not close-on-exec, and the
// child sees the end of its parent nevertheless.
func TestPreserveAll(t *testing.T) {
	r, w := pipe(t)
	extra, err := unix.FcntlInt(w.Fd(), unix.F_DUPFD, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(extra)
	p := New()
	p.PreserveAll = true
	p.Rendezvous(true)
	p.Call(unix.SYS_WRITE, Num(extra), p.Str("there"), Num(5))
	pr := start(t, p)
	if err := pr.Go(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 8)
	if n, err := r.Read(buf); string(buf[:n]) != "there" {
		t.Errorf("%q, %v", buf[:n], err)
	}
	p = New()
	p.PreserveAll = true
	p.Rendezvous(true)
	pr = start(t, p)
	asleep(t, pr.Pid)
	pr.Release()
	within("the child", func() {
		if s, err := pr.Wait(); err != nil || s.ExitStatus() != exitFailed {
			t.Errorf("%#x, %v", s, err)
		}
	})
}
