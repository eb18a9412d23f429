package clone

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Descriptors of orphanHelper's: a pipe that its child waits on in the middle
// of the program. The test holds both ends too.
const slowRead, slowWrite = 3, 4

// slow is the point at which the child waits on that pipe.
const slow = "in a slow call"

// A parent that is killed at whatever step leaves no process behind that waits
// for it.
func TestParentKilled(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	childless(t)
	const most = 100
	seen := map[string]bool{}
	for point := range most {
		r, w := pipe(t)
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		cmd := helperCmd(t, "orphan", fmt.Sprintf("POINT=%d", point))
		cmd.ExtraFiles = []*os.File{r, w}
		// A file: an orphan would keep a pipe open.
		cmd.Stdout, cmd.Stderr = out, out
		within("the parent", func() { err = cmd.Run() })
		b, _ := os.ReadFile(out.Name())
		where := string(b)
		orphans := children(t)
		r.Close()
		w.Close()
		collect(t, where)
		childless(t)
		if err == nil {
			if !seen[slow] || len(seen) != point {
				t.Errorf("the points were %v", seen)
			}
			return
		}
		if s := cmd.ProcessState.Sys().(syscall.WaitStatus); s.Signal() != unix.SIGKILL {
			t.Fatalf("the parent did not come to point %d: %v\n%s", point, err, where)
		}
		if where == slow && len(orphans) == 0 {
			t.Errorf("no child was left %s", slow)
		}
		seen[where] = true
	}
	t.Errorf("more than %d points", most)
}

// collect waits for all that a parent killed at the point where has left.
func collect(t *testing.T, where string) {
	t.Helper()
	for {
		pids := children(t)
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			fd, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				t.Fatal(err)
			}
			for n := 0; n == 0; {
				n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience.Milliseconds()))
				if n == 0 && err == nil {
					call, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
					t.Errorf("parent killed %s: process %d is still there (syscall %s)", where, pid, strings.TrimSpace(string(call)))
					unix.Kill(pid, unix.SIGKILL)
				}
			}
			unix.Close(fd)
			if _, err := wait4(pid); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// orphanHelper runs two programs at once and kills itself at one of the points
// between, or does not if there are fewer.
func orphanHelper() error {
	point, err := strconv.Atoi(os.Getenv("POINT"))
	if err != nil {
		return err
	}
	n := 0
	here := func(where string) {
		if n == point {
			fmt.Print(where)
			unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		}
		n++
	}
	p := New()
	in := p.Inherit("in")
	p.Rendezvous(false)
	p.Fork(unix.CLONE_PARENT)
	p.Rendezvous(true)
	p.Call(unix.SYS_READ, In(in), p.Data(make([]byte, 8)), Num(1))
	p.Rendezvous(false)
	p.Exec([]string{"/proc/self/exe"}, []string{"x"}, helperEnviron("exit"))
	l, err := p.Link()
	if err != nil {
		return err
	}
	other := New()
	other.Rendezvous(false)
	ol, err := other.Link()
	if err != nil {
		return err
	}

	here("before anything")
	pr, err := l.Start(FD{in, slowRead})
	if err != nil {
		return err
	}
	here("after Start")
	// The second child is born with a copy of the first one's socket.
	opr, err := ol.Start()
	if err != nil {
		return err
	}
	here("after another Start")
	for _, step := range []struct {
		name string
		f    func() error
	}{
		{"after Next", pr.Next},
		{"before the fork", pr.Go},
		{slow, pr.Go},
		{"once that is over", func() error { _, err := unix.Write(slowWrite, []byte{1}); return err }},
		{"after the second Next", pr.Next},
		{"after another Next", opr.Next},
		{"before execve", pr.Go},
		{"after execve", func() error {
			if err := pr.Next(); err != ErrExec {
				return fmt.Errorf("got %w", err)
			}
			return nil
		}},
		{"after the end", func() error { _, err := pr.Wait(); return err }},
		{"after Release", func() error { opr.Release(); return nil }},
	} {
		if err := step.f(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		here(step.name)
	}
	_, err = opr.Wait()
	return err
}
