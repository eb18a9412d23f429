package signals

import (
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// all are those that can be caught, but for what the tests and the Go runtime
// live on.
func all() (list []unix.Signal) {
	for n := unix.Signal(1); n <= 64; n++ {
		switch n {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE, 32, 33:
		default:
			list = append(list, n)
		}
	}
	return list
}

func catch(t *testing.T, signals ...unix.Signal) *Pipe {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if err := p.Catch(false, signals...); err != nil {
		t.Fatal(err)
	}
	return p
}

// Every signal comes, each as often as it is sent while another was read.
func TestCatch(t *testing.T) {
	p := catch(t, all()...)
	for range 3 {
		for _, s := range all() {
			if err := unix.Kill(os.Getpid(), s); err != nil {
				t.Fatal(err)
			}
			signal, other, err := p.Wait(-1)
			if !signal || other || err != nil {
				t.Fatalf("wait: %v, %v, %v", signal, other, err)
			}
			if got := p.Next(); got != s {
				t.Errorf("sent %v, caught %v", s, got)
			}
		}
	}
	if s := p.Next(); s != 0 {
		t.Errorf("caught %v, which was not sent", s)
	}
}

// A fault of the program's own is still a panic.
func TestFault(t *testing.T) {
	p := catch(t, unix.SIGSEGV, unix.SIGFPE)
	for range 3 {
		func() {
			defer func() {
				if err, ok := recover().(runtime.Error); !ok || !strings.Contains(err.Error(), "nil pointer") {
					t.Errorf("recovered %v", err)
				}
			}()
			var none *os.ProcAttr
			_ = none.Dir
			t.Error("no fault")
		}()
	}
	if s := p.Next(); s != 0 {
		t.Errorf("caught %v", s)
	}
	if err := unix.Kill(os.Getpid(), unix.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Wait(-1); err != nil || p.Next() != unix.SIGSEGV {
		t.Errorf("one that was sent: %v", err)
	}
}

// What was caught by others before is theirs again after, and what is ignored
// can be left so.
func TestStop(t *testing.T) {
	theirs := make(chan os.Signal, 1)
	signal.Notify(theirs, unix.SIGUSR2)
	defer signal.Stop(theirs)
	p := catch(t, unix.SIGUSR2)
	p.Stop()
	if err := unix.Kill(os.Getpid(), unix.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	select {
	case <-theirs:
	case <-time.After(10 * time.Second):
		t.Error("not theirs again")
	}
	signal.Ignore(unix.SIGUSR1)
	defer signal.Reset(unix.SIGUSR1)
	if err := p.Catch(true, unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(os.Getpid(), unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if s := p.Next(); s != 0 {
		t.Errorf("caught %v", s)
	}
}

// A wait ends with the other descriptor, too.
func TestWait(t *testing.T) {
	p := catch(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.Close()
	if signal, other, err := p.Wait(int(r.Fd())); signal || !other || err != nil {
		t.Errorf("%v, %v, %v", signal, other, err)
	}
}

// The descriptors are not inherited, and nor are the handlers.
func TestExec(t *testing.T) {
	p := catch(t, all()...)
	out, err := exec.Command("sh", "-c", "kill -USR1 $$").CombinedOutput()
	if err == nil || !strings.Contains(err.Error(), "user defined signal 1") {
		t.Errorf("%v, %s", err, out)
	}
	for _, fd := range p.fds {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor %d: %v, %v", fd, flags, err)
		}
	}
	if !slices.ContainsFunc(p.replace, func(r replaced) bool { return r.signal == 64 }) {
		t.Error("the last signal is not caught")
	}
}
