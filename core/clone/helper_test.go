package clone

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	command "os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long anything may take that is waited for: a test that
// fails for it has found something that hangs.
const patience = 30 * time.Second

// helperEnv makes the test binary be one of helpers.
const helperEnv = "OCIBOX_CLONE_TEST"

// helpers are what the test binary does as another process.
var helpers = map[string]func() error{
	"exit":           func() error { return nil },
	"stay":           stay,
	"echo":           echo,
	"descriptors":    descriptors,
	"sweep":          sweepHelper,
	"no close_range": noCloseRange,
	"orphan":         orphanHelper,
}

func TestMain(m *testing.M) {
	if name := os.Getenv(helperEnv); name != "" {
		if err := helpers[name](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// stay ends when its standard input does.
func stay() error {
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// echo prints its arguments and environment, a line each.
func echo() error {
	fmt.Println(strings.Join(append(os.Args, os.Environ()...), "\n"))
	return nil
}

// helperEnviron is the environment of a helper that is executed by a program.
func helperEnviron(name string) []string {
	// The race detector sleeps a second at exit unless told otherwise.
	return []string{helperEnv + "=" + name, "GORACE=atexit_sleep_ms=0"}
}

// helperCmd is a helper as a command.
func helperCmd(t *testing.T, name string, env ...string) *command.Cmd {
	t.Helper()
	cmd := command.Command(self(t))
	cmd.Env = append(append(os.Environ(), helperEnviron(name)...), env...)
	return cmd
}

func self(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

func link(t *testing.T, p *Program) *Linked {
	t.Helper()
	l, err := p.Link()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// start starts p; the child is killed and the arena released when the test
// ends.
func start(t *testing.T, p *Program, fds ...FD) *Process {
	t.Helper()
	l := link(t, p)
	pr, err := l.Start(fds...)
	if err != nil {
		l.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pr.Kill(); err != nil {
			t.Error(err)
		}
		pr.Release()
		l.Close()
	})
	return pr
}

// reach runs p up to a Rendezvous that is put behind it, where the child then
// stands, or fails.
func reach(t *testing.T, p *Program, fds ...FD) (*Process, error) {
	t.Helper()
	p.Rendezvous(false)
	pr := start(t, p, fds...)
	return pr, pr.Next()
}

// complete is reach for a program that must not fail.
func complete(t *testing.T, p *Program, fds ...FD) *Process {
	t.Helper()
	pr, err := reach(t, p, fds...)
	if err != nil {
		t.Fatal(err)
	}
	return pr
}

// value is what the child has left in r, as system calls return it.
func (p *Process) value(r Reg) int { return int(p.linked.Value(r)) }

// failure is err as a Failure.
func failure(t *testing.T, err error) *Failure {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a failure of the program", err)
	}
	return f
}

// errnoOf is the errno that a program failed with, 0 for none.
func errnoOf(t *testing.T, err error) syscall.Errno {
	t.Helper()
	if err == nil {
		return 0
	}
	return failure(t, err).Errno
}

// closeLater closes descriptors when the test ends.
func closeLater(t *testing.T, fds ...int) {
	t.Helper()
	t.Cleanup(func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	})
}

// pipe makes a pipe of which both ends are closed when the test ends, if they
// are not before.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func fdOf(f *os.File) int { return int(f.Fd()) }

// within ends the tests, with every goroutine's stack, if f takes too long.
func within(what string, f func()) {
	alarm := time.AfterFunc(patience, func() { panic(what + " hangs") })
	defer alarm.Stop()
	f()
}

// readAll reads what a child wrote to a pipe.
func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// childless fails the test if this process has a child, dead or alive.
func childless(t *testing.T) {
	t.Helper()
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child is left behind: wait4 says %d, %v; children %v", pid, err, children(t))
	}
}

// children are this process's children, dead or alive.
func children(t *testing.T) []int {
	t.Helper()
	var pids []int
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		var pid int
		fmt.Sscan(filepath.Base(dir), &pid)
		if _, parent := stat(pid); parent == os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// stat is the state of a process and its parent, proc_pid_stat(5), or 0 if it
// is gone.
func stat(pid int) (state byte, parent int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0
	}
	fmt.Sscanf(string(b[bytes.LastIndexByte(b, ')')+1:]), " %c %d", &state, &parent)
	return state, parent
}

// asleep returns once process pid waits for something.
func asleep(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(patience); ; runtime.Gosched() {
		switch state, _ := stat(pid); {
		case state == 'S':
			return
		case state == 0 || time.Now().After(end):
			t.Fatalf("process %d is in state %c", pid, state)
		}
	}
}

// openFDs are a process's descriptors, sorted.
func openFDs(t *testing.T, pid int) []int {
	t.Helper()
	fds, err := listFDs(pid)
	if err != nil {
		t.Fatal(err)
	}
	return fds
}

func listFDs(pid int) ([]int, error) {
	dir, err := os.Open(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var fds []int
	for _, name := range names {
		var fd int
		fmt.Sscan(name, &fd)
		if pid != os.Getpid() || fd != int(dir.Fd()) {
			fds = append(fds, fd)
		}
	}
	slices.Sort(fds)
	return fds, nil
}

// newUser makes p run in a new user namespace and a new mount namespace,
// where a plain user has what a test needs. It skips the test where the host
// does not let that be.
func newUser(t *testing.T, p *Program, more uint64) {
	t.Helper()
	p.Flags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | more
	probe := New()
	probe.Flags = p.Flags
	probe.Call(unix.SYS_FSOPEN, probe.Str("tmpfs"), Num(unix.FSOPEN_CLOEXEC))
	probe.Rendezvous(false)
	l := link(t, probe)
	defer l.Close()
	pr, err := l.Start()
	if err == nil {
		err = pr.Next()
		pr.Kill()
		pr.Release()
	}
	if err != nil {
		t.Skipf("no user namespaces here: %v", err)
	}
}

// negative is what a register holds after an errno that was ignored.
func negative(e unix.Errno) uintptr { return -uintptr(e) }

// memDir is t.TempDir in memory where there is /dev/shm: for what makes many
// files.
func memDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "clone")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
