package applets

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// asInit is the program's init as the first process of a pid namespace of its
// own, as in a container.
func asInit(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", append([]string{"init"}, args...)...)
	cmd.Env = append(os.Environ(), asOcibox+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return cmd
}

// status runs it, and is skipped where there are no such namespaces to be had.
func status(t *testing.T, cmd *exec.Cmd) (int, string) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC):
		t.Skip("no pid namespace to be had here: ", err)
	case err != nil:
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestInitStatus(t *testing.T) {
	for _, c := range []struct {
		args   []string
		status int
		out    string // begins with
	}{
		{[]string{"sh", "-c", "echo it runs; exit 7"}, 7, "it runs\n"},
		{[]string{"sh", "-c", "kill -9 $$"}, 128 + 9, ""},
		{[]string{"sh", "-c", "true"}, 0, ""},
		{[]string{"/nonesuch"}, 127, "init: /nonesuch: no such file or directory\n"},
		{[]string{"--nonesuch"}, 1, "init: command line: unknown flag: --nonesuch\nhint: "},
		{[]string{"--help"}, 0, "usage: init [OPTION…] [COMMAND [ARG…]]\n"},
	} {
		got, out := status(t, asInit(t, c.args...))
		if got != c.status || !strings.HasPrefix(out, c.out) {
			t.Errorf("%q: exit status %d, %q", c.args, got, out)
		}
	}
}

// Who is not the first process has no machine to end.
func TestInitRefuses(t *testing.T) {
	if got, _, errs := call("init"); got != 1 || !strings.HasPrefix(errs, "init: is for the first process of a machine or a container: this is process ") {
		t.Errorf("exit status %d, %q", got, errs)
	}
}

// Orphans become its children, and are waited for: they are no zombies that
// fill the process table.
func TestInitReaps(t *testing.T) {
	const script = `mount -t proc proc /proc || exit 99
i=0; while [ $i -lt 20 ]; do (sleep 0.01 &); i=$((i+1)); done
i=0; while [ $i -lt 300 ]; do
	n=0; for f in /proc/[0-9]*/stat; do read -r line 2>/dev/null <$f && n=$((n+1)); done
	[ $n = 2 ] && exit 0
	sleep 0.1; i=$((i+1))
done; cat /proc/[0-9]*/stat; exit 1`
	got, out := status(t, asInit(t, "sh", "-c", "mount --make-rprivate / 2>/dev/null; "+script))
	if got == 99 {
		t.Skip("no procfs to be mounted here: ", out)
	}
	if got != 0 {
		t.Errorf("exit status %d, %s", got, out)
	}
}

// In a container, signals are for the command.
func TestInitPassesSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGUSR1} {
		cmd := asInit(t, "sh", "-c", "trap 'exit 5' TERM INT HUP USR1; echo ready; while :; do sleep 0.05; done")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
			t.Skip("no pid namespace to be had here: ", err)
		} else if err != nil {
			t.Fatal(err)
		}
		hung := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
		if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
			t.Error(err)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Error(err)
		}
		cmd.Wait()
		hung.Stop()
		if got := cmd.ProcessState.ExitCode(); got != 5 {
			t.Errorf("%v: exit status %d, want the command's", sig, got)
		}
	}
}
