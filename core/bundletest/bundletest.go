// Package bundletest makes bundles for tests, and runs the runtime's command
// line on them as its users do: in a process of its own, as root and as a
// plain user. It is for tests only.
//
// A bundle's root file system holds one program, the test binary itself: the
// package's TestMain calls Main, which finds out what it is to be.
package bundletest

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Patience bounds what would otherwise hang; no test passes by its passing. A
// virtual machine without help of the processor takes long for everything.
const Patience = 2 * time.Minute

// cliEnv tells the test binary to be the command line.
const cliEnv = "BUNDLETEST_CLI"

// reapedEnv tells the test binary that its parent reaps.
const reapedEnv = "BUNDLETEST_REAPED"

// Main is a package's TestMain. cli is the command line under test: it takes
// the arguments after the program's name and returns the exit status.
func Main(m *testing.M, cli func(args []string) int) {
	if len(os.Args) > 2 && strings.HasPrefix(os.Args[1], markSign) {
		// A script's own path stands where a program's name does.
		os.Exit(inside(filepath.Base(os.Args[2]), os.Args[3:]))
	}
	if os.Getenv(cliEnv) != "" {
		runtime.LockOSThread() // strace without -f sees all of what it does then
		os.Exit(cli(os.Args[1:]))
	}
	if os.Getenv(reapedEnv) != "" {
		os.Unsetenv(reapedEnv)
		played = true
		os.Exit(m.Run())
	}
	static, err := isStatic("/proc/self/exe")
	switch {
	case err != nil:
	case static:
		err = reap()
	default:
		err = buildStatic()
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// reap runs the tests in a process of their own, and is to what they leave
// behind what an init is: its parent, wherever the tests run. It exits as they
// do.
func reap() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err
	}
	runtime.LockOSThread() // which the death signal follows
	tests, err := os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{
		Env:   append(os.Environ(), reapedEnv+"=1"),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL},
	})
	for err == nil {
		var status unix.WaitStatus
		var pid int
		pid, err = unix.Wait4(-1, &status, 0, nil)
		switch {
		case err == unix.EINTR:
			err = nil
		case err == nil && pid == tests.Pid && status.Exited():
			os.Exit(status.ExitStatus())
		case err == nil && pid == tests.Pid:
			return fmt.Errorf("the tests ended by signal %s", unix.SignalName(status.Signal()))
		}
	}
	return err
}

func isStatic(path string) (bool, error) {
	f, err := elf.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return f.Section(".interp") == nil, nil
}

// buildStatic runs the tests by a static binary: the one at hand is dynamic,
// as go test makes it where there is a C compiler, and the program inside finds
// no libraries. It exits as they do.
func buildStatic() error {
	dir, err := os.MkdirTemp("", "ocibox-test-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	run := func(name string, args ...string) error {
		c := exec.Command(name, args...)
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
		return c.Run()
	}
	binary := filepath.Join(dir, "tests")
	if err := run("go", "test", "-c", "-o", binary, "."); err != nil {
		return fmt.Errorf("the test binary has to be static (CGO_ENABLED=0): %w", err)
	}
	err = run(binary, os.Args[1:]...)
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) && exit.Exited() {
		status := 0
		if exit != nil {
			status = exit.ExitCode()
		}
		os.RemoveAll(dir)
		os.Exit(status)
	}
	return err
}

// A User is who a test runs the command line as.
type User struct {
	UID, GID uint32
	cred     *syscall.Credential // nil for the test's own
}

// IsRoot says whether it is root of the host.
func (u User) IsRoot() bool { return u.UID == 0 }

// Root is the host's root. The test is skipped if it is not run by root.
func Root(t *testing.T) User {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	return User{}
}

// plainID is the uid and gid of a user without a line in /etc/passwd.
const plainID = 12345

// Plain is a plain user: the one that runs the test or, where that is root, one
// that nobody has heard of. The test is skipped where plain users may not make
// user namespaces.
func Plain(t *testing.T) User {
	t.Helper()
	u := plain()
	if err := plainUserns(); err != nil {
		t.Skipf("plain users cannot make user namespaces here: %v", err)
	}
	return u
}

func plain() User {
	if os.Geteuid() == 0 {
		return User{plainID, plainID, &syscall.Credential{Uid: plainID, Gid: plainID}}
	}
	return User{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
}

// played says that Main has run: without it, a test binary that is executed
// for another role would run its tests anew, and those it again.
var played bool

// plainUserns tries it once, in a process of that user.
var plainUserns = sync.OnceValue(func() error {
	if !played {
		panic("bundletest: TestMain does not call Main")
	}
	cmd := exec.Command("/proc/self/exe", markSign, "userns")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: plain().cred}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
})

// Each runs a test as root and as a plain user, at the same time as others.
func Each(t *testing.T, test func(t *testing.T, u User)) {
	t.Helper()
	t.Run("root", func(t *testing.T) {
		t.Parallel()
		test(t, Root(t))
	})
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		test(t, Plain(t))
	})
}

// Until polls for what gives no event to wait for.
func Until(t *testing.T, what string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !true(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
