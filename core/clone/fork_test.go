package clone

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The process that a fork makes is the caller's child, and Process.Pid is its
// pid by the time that Next has anything to tell of it. The old process is in
// nobody's way: not in the arena, not as a zombie. Which of the two runs first
// is chance, so there are many.
func TestFork(t *testing.T) {
	for range 200 {
		p := New()
		before, pid, parent := p.Reg("before"), p.Reg("pid"), p.Reg("parent")
		p.Call(unix.SYS_GETPID).Save(before)
		p.Fork(unix.CLONE_PARENT)
		p.Rendezvous(false)
		p.Call(unix.SYS_GETPID).Save(pid)
		p.Call(unix.SYS_GETPPID).Save(parent)
		p.Rendezvous(false)
		pr := start(t, p)
		old := pr.Pid
		if err := pr.Next(); err != nil {
			t.Fatal(err)
		}
		next := pr.Pid
		if err := pr.Go(); err != nil {
			t.Fatal(err)
		}
		if err := pr.Next(); err != nil {
			t.Fatal(err)
		}
		if pr.value(before) != old || next == old || pr.value(pid) != next || pr.Pid != next || pr.value(parent) != os.Getpid() {
			t.Fatalf("process %d (started as %d) forked %d, whose parent is %d; the program's is %d, and then %d",
				pr.value(before), old, pr.value(pid), pr.value(parent), next, pr.Pid)
		}
		if _, err := unix.Wait4(old, nil, unix.WNOHANG, nil); err != unix.ECHILD {
			t.Fatalf("the old process is there: %v", err)
		}
		if err := pr.Kill(); err != nil {
			t.Fatal(err)
		}
		childless(t)
	}
}

// A fork that fails, an instruction that fails in the new process, one that
// ends it, and an execve are all told with the right pid.
func TestForkThen(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags uint64
		add   func(p *Program)
		check func(pr *Process, old int, err error) bool
	}{
		{"fails", unix.CLONE_PARENT | unix.CLONE_NEWUSER | unix.CLONE_FS, nil, func(pr *Process, old int, err error) bool {
			f := failure(t, err)
			return f.Errno == unix.EINVAL && f.Call == "clone3()" && f.Pid == old && pr.Pid == old
		}},
		{"a call fails", unix.CLONE_PARENT, func(p *Program) { p.Call(unix.SYS_CLOSE, Num(-1)) }, func(pr *Process, old int, err error) bool {
			f := failure(t, err)
			return f.Errno == unix.EBADF && f.Pid == pr.Pid && pr.Pid != old
		}},
		{"ends", unix.CLONE_PARENT, func(p *Program) { p.Call(unix.SYS_EXIT_GROUP, Num(9)) }, func(pr *Process, old int, err error) bool {
			return strings.HasSuffix(err.Error(), "(exit status 9)") && pr.Pid != old
		}},
		{"executes", unix.CLONE_PARENT, func(p *Program) { p.Exec([]string{self(t)}, []string{"x"}, helperEnviron("exit")) }, func(pr *Process, old int, err error) bool {
			s, werr := pr.Wait()
			return err == ErrExec && werr == nil && s.Exited() && s.ExitStatus() == 0 && pr.Pid != old
		}},
	} {
		for range 20 {
			p := New()
			p.Fork(c.flags)
			if c.add != nil {
				c.add(p)
			}
			pr := start(t, p)
			old := pr.Pid
			if err := pr.Next(); !c.check(pr, old, err) {
				t.Errorf("%s: %v; process %d, then %d", c.name, err, old, pr.Pid)
			}
			pr.Kill()
			childless(t)
		}
	}
}

// Wait is for the process that goes on, whether its fork was heard of or not.
func TestForkWait(t *testing.T) {
	p := New()
	p.Fork(unix.CLONE_PARENT)
	p.Call(unix.SYS_EXIT_GROUP, Num(9))
	pr := start(t, p)
	if s, err := pr.Wait(); err != nil || s.ExitStatus() != 9 {
		t.Errorf("%v, %v", s, err)
	}
	childless(t)
}

// Joining a PID namespace takes a fork: the new process is 1 in it.
func TestForkIntoPIDNamespace(t *testing.T) {
	p := New()
	newUser(t, p, 0)
	p.Flags = 0
	pid := p.Reg("pid")
	p.Fork(unix.CLONE_PARENT | unix.CLONE_NEWUSER | unix.CLONE_NEWPID)
	p.Call(unix.SYS_GETPID).Save(pid)
	pr := complete(t, p)
	if pr.value(pid) != 1 || pr.Pid == 1 {
		t.Errorf("pid %d inside, %d here", pr.value(pid), pr.Pid)
	}
	if _, parent := stat(pr.Pid); parent != os.Getpid() {
		t.Errorf("process %d is a child of %d", pr.Pid, parent)
	}
}

// blocked is a program that says where it is over a pipe and then reads from
// another, which it never gets anything from.
func blocked(t *testing.T, fork bool) *Process {
	t.Helper()
	r, w := pipe(t)
	never, _ := pipe(t)
	p := New()
	out, in := p.Inherit("out"), p.Inherit("in")
	if fork {
		p.Fork(unix.CLONE_PARENT)
	}
	p.Call(unix.SYS_WRITE, In(out), p.Str("x"), Num(1))
	p.Call(unix.SYS_READ, In(in), p.Data(make([]byte, 8)), Num(1))
	p.Rendezvous(false)
	pr := start(t, p, FD{out, fdOf(w)}, FD{in, fdOf(never)})
	if n, err := unix.Read(fdOf(r), make([]byte, 1)); n != 1 {
		t.Fatal(n, err)
	}
	return pr
}

func TestKill(t *testing.T) {
	for range 20 {
		pr := blocked(t, false)
		if err := pr.Kill(); err != nil {
			t.Fatal(err)
		}
		childless(t)
		if err := pr.Kill(); err != nil {
			t.Errorf("the second time: %v", err)
		}
		if s, err := pr.Wait(); err != nil || s.Signal() != unix.SIGKILL {
			t.Errorf("%v, %v", s, err)
		}
	}
}

// The process that the program forked is killed too if nobody has heard of it.
func TestKillAfterFork(t *testing.T) {
	for range 20 {
		pr := blocked(t, true)
		if err := pr.Kill(); err != nil {
			t.Fatal(err)
		}
		childless(t)
		if err := pr.Kill(); err != nil {
			t.Errorf("the second time: %v", err)
		}
	}
}

// At whatever moment of the fork the kill comes, nothing is left.
func TestKillWhileForking(t *testing.T) {
	for i := range 200 {
		p := New()
		for range i % 20 {
			p.Call(unix.SYS_GETPID)
		}
		p.Fork(unix.CLONE_PARENT)
		p.Rendezvous(true)
		pr := start(t, p)
		if err := pr.Kill(); err != nil {
			t.Fatal(err)
		}
		childless(t)
	}
}

func TestKillDead(t *testing.T) {
	p := New()
	p.Call(unix.SYS_EXIT_GROUP, Num(4))
	pr := start(t, p)
	// Dead, and not reaped.
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, pr.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if err := pr.Kill(); err != nil {
		t.Error(err)
	}
	if s, err := pr.Wait(); err != nil || s.ExitStatus() != 4 {
		t.Errorf("%v, %v", s, err)
	}
	childless(t)
}

func TestInterrupt(t *testing.T) {
	for _, fork := range []bool{false, true} {
		pr := blocked(t, fork)
		heard := make(chan error)
		go func() { heard <- pr.Next() }()
		pr.Interrupt()
		within("Next", func() {
			if err := <-heard; err != ErrInterrupted {
				t.Errorf("Next: %v", err)
			}
		})
		if err := pr.Next(); err != ErrInterrupted {
			t.Errorf("Next again: %v", err)
		}
		if err := pr.Go(); err == nil {
			t.Error("Go after Interrupt")
		}
		if err := pr.Kill(); err != nil {
			t.Error(err)
		}
		childless(t)
	}
}

// An interrupted child ends by itself at its next rendezvous.
func TestInterruptAtRendezvous(t *testing.T) {
	pr := complete(t, New())
	pr.Interrupt()
	if s, err := pr.Wait(); err != nil || s.ExitStatus() != exitFailed {
		t.Errorf("%v, %v", s, err)
	}
}

// The signal that calls Interrupt may come just when its process is let go.
func TestInterruptAndRelease(t *testing.T) {
	for range 50 {
		pr := complete(t, New())
		var both sync.WaitGroup
		both.Go(pr.Interrupt)
		both.Go(pr.Release)
		both.Wait()
		pr.Interrupt()
		pr.Release()
	}
}

// Reap is Wait, with the orphans that came to us meanwhile.
func TestReap(t *testing.T) {
	childless(t)
	r, w := pipe(t)
	p := New()
	in := p.Inherit("in")
	p.Call(unix.SYS_READ, In(in), p.Data(make([]byte, 8)), Num(1))
	p.Call(unix.SYS_EXIT_GROUP, Num(6))
	pr := start(t, p, FD{in, fdOf(r)})
	p = New()
	p.Call(unix.SYS_EXIT_GROUP, Num(7))
	l := link(t, p)
	defer l.Close()
	other, err := l.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Release()
	go func() {
		for !errors.Is(unix.Kill(other.Pid, 0), unix.ESRCH) {
		}
		w.Close()
	}()
	for _, when := range []string{"first", "again"} {
		within("Reaped", func() {
			for {
				ended, s, err := pr.Reaped()
				if ended || err != nil {
					if err != nil || s.ExitStatus() != 6 {
						t.Errorf("%s: %v, %v", when, s, err)
					}
					return
				}
				runtime.Gosched()
			}
		})
	}
	childless(t)
}

// What has forked is reaped, too, whichever of the two ends first, and whether they are
// looked for before or after that.
func TestReapedFork(t *testing.T) {
	for n := range 300 {
		p := New()
		p.Fork(unix.CLONE_PARENT)
		p.Call(unix.SYS_EXIT_GROUP, Num(9))
		pr := start(t, p)
		old := pr.Pid
		if n%3 == 0 {
			time.Sleep(time.Millisecond)
		}
		within("Reaped", func() {
			for ended := false; !ended; {
				var s unix.WaitStatus
				var err error
				if ended, s, err = pr.Reaped(); err != nil || ended && (s.ExitStatus() != 9 || pr.Pid == old) {
					t.Fatalf("%v, %v, process %d after %d", s, err, pr.Pid, old)
				}
			}
		})
		childless(t)
	}
}
