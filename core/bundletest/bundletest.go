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
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Patience bounds what would otherwise hang; no test passes by its passing.
const Patience = 30 * time.Second

// cliEnv tells the test binary to be the command line.
const cliEnv = "BUNDLETEST_CLI"

// reapedEnv tells the test binary that its parent reaps.
const reapedEnv = "BUNDLETEST_REAPED"

// Main is a package's TestMain. cli is the command line under test: it takes
// the arguments after the program's name and returns the exit status.
func Main(m *testing.M, cli func(args []string) int) {
	if len(os.Args) > 2 && strings.HasPrefix(os.Args[1], markSign) {
		os.Exit(inside(os.Args[2], os.Args[3:]))
	}
	if os.Getenv(cliEnv) != "" {
		os.Unsetenv(cliEnv)
		os.Exit(cli(os.Args[1:]))
	}
	if os.Getenv(reapedEnv) != "" {
		os.Unsetenv(reapedEnv)
		os.Exit(m.Run())
	}
	err := isStatic("/proc/self/exe")
	if err == nil {
		err = reap()
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

func isStatic(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if f.Section(".interp") != nil {
		return errors.New("the test binary is the program inside, and has to be static: set CGO_ENABLED=0")
	}
	return nil
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

// plainUserns tries it once, in a process of that user.
var plainUserns = sync.OnceValue(func() error {
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
