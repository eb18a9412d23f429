package runtime_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// running makes a container that runs, of a config.json changed by edit.
func running(t *testing.T, u bundletest.User, edit func(*bundletest.Bundle, *specs.Spec), globals ...string) *bundletest.Bundle {
	t.Helper()
	b := bundletest.New(t, u)
	b.Globals = globals
	if edit != nil {
		giveMapped(b)
	}
	b.Write(func(s *specs.Spec) {
		if edit != nil {
			edit(b, s)
		}
		s.Process.Args = b.Args("sleep")
	})
	ready(t, b.Detach())
	return b
}

// execArgs is a command line that executes a program inside.
func execArgs(b *bundletest.Bundle, flags []string, program string, args ...string) []string {
	return append(append(append([]string{"exec"}, flags...), b.ID), b.Args(program, args...)...)
}

// inside executes the program report in the container.
func inside(t *testing.T, b *bundletest.Bundle, flags ...string) *bundletest.Report {
	t.Helper()
	return bundletest.ReadReport(t, b.Must(execArgs(b, flags, "report")...))
}

// execFails checks that an exec failed, with the status that runc gives then.
func execFails(t *testing.T, r bundletest.Result, words ...string) {
	t.Helper()
	same(t, "exit status", r.Status, 255)
	r.Status = 1
	r.Fails(t, words...)
}

// A process that is executed is in each namespace of the container, whichever
// those are, with its root, and is nothing that it should not be.
func TestExecNamespaces(t *testing.T) {
	type edit = func(*bundletest.Bundle, *specs.Spec)
	only := func(kinds ...specs.LinuxNamespaceType) edit {
		return func(b *bundletest.Bundle, s *specs.Spec) {
			allNew(b.User, s)
			for kind := range procNames {
				if !slices.Contains(kinds, kind) {
					dropNS(s, kind)
				}
			}
			s.Hostname = ""
			s.Mounts = without(without(s.Mounts, "/dev/mqueue"), "/sys")
			if !slices.Contains(kinds, specs.UserNamespace) {
				s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
			}
			if !slices.Contains(kinds, specs.MountNamespace) {
				s.Mounts, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil, nil
			}
		}
	}
	for _, row := range []struct {
		name string
		edit edit
		who  privilege
	}{
		{"default", nil, anybody},
		{"all", func(b *bundletest.Bundle, s *specs.Spec) { allNew(b.User, s) }, anybody},
		{"mount", func(b *bundletest.Bundle, s *specs.Spec) { only(specs.MountNamespace)(b, s); b.Give(0, 0) }, onlyRoot},
		{"pid and mount", func(b *bundletest.Bundle, s *specs.Spec) {
			only(specs.PIDNamespace, specs.MountNamespace)(b, s)
			b.Give(0, 0)
		}, onlyRoot},
		{"user, pid and mount", only(specs.UserNamespace, specs.PIDNamespace, specs.MountNamespace), anybody},
	} {
		t.Run(row.name, func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				if row.who == onlyRoot && !u.IsRoot() {
					t.Skip("a plain user needs a user namespace")
				}
				b := running(t, u, row.edit)
				r, want := inside(t, b), bundletest.Namespaces(b.Query().Pid)
				same(t, "namespaces", fmt.Sprint(r.Namespaces), fmt.Sprint(want))
				same(t, "descriptors", slices.Sorted(maps.Keys(r.FDs)), []int{0, 1, 2})
				same(t, "session and group", []int{r.Session, r.Group}, []int{r.Pid, r.Pid})
				same(t, "cwd", r.Cwd, "/")
				same(t, "uids", r.UIDs, [3]int{})
				same(t, "inheritable capabilities", r.Status["CapInh"], capMask())
				same(t, "a controlling terminal", r.TTY, false)
				same(t, "HOME", slices.Contains(r.Env, "HOME=/"), true)
			})
		})
	}
}

// Without a mount namespace the process still has the container's root.
func TestExecChroot(t *testing.T) {
	t.Parallel()
	b := running(t, bundletest.Root(t), func(b *bundletest.Bundle, s *specs.Spec) {
		dropNS(s, specs.MountNamespace)
		s.Mounts, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil, nil
	})
	out := b.Must(execArgs(b, nil, "look", "/")...)
	if !strings.Contains(out, `"Content":"dev init "`) {
		t.Errorf("the root holds %s", out)
	}
}

// A container that has no keyring of its own has none for what is executed in it.
func TestExecKeyring(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		for _, own := range []bool{true, false} {
			b := newBundle(t, u, "sleep")
			ready(t, b.Detach(fmt.Sprintf("--no-new-keyring=%v", !own)))
			r := b.Runtime(append([]string{"--debug"}, execArgs(b, nil, "exit", "0")...)...)
			same(t, "a step for the keyring", strings.Contains(r.Err, keyringStep), own)
		}
	})
}

// What the flags say goes before what config.json says.
func TestExecFlags(t *testing.T) {
	t.Parallel()
	b := running(t, bundletest.Root(t), func(b *bundletest.Bundle, s *specs.Spec) {
		s.Process.User = specs.User{UID: 0, GID: 7, AdditionalGids: []uint32{8}}
		s.Process.Env = []string{"A=1", "B=2"}
		s.Process.NoNewPrivileges = false
		s.Process.ExecCPUAffinity = &specs.CPUAffinity{Final: "0"}
		s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NPROC", Soft: 500, Hard: 1000}}
		b.Give(0, 0)
		b.Mkdir("/work", 0o755)
		b.File("/etc/passwd", "user:x:5:6::/home/user:\n", 0o644)
	})
	r := inside(t, b, "-u", "5", "-e", "A=3", "--env", "C=x,y", "-g", "9", "--cwd", "/work", "-c", "CAP_CHOWN", "--no-new-privs")
	same(t, "uids", r.UIDs, [3]int{5, 5, 5})
	same(t, "gids: config.json's", r.GIDs, [3]int{7, 7, 7})
	same(t, "groups", r.Groups, []int{8, 9})
	same(t, "environment", r.Env, []string{"A=3", "B=2", "C=x,y", "HOME=/home/user"})
	same(t, "cwd", r.Cwd, "/work")
	same(t, "CPUs", r.Status["Cpus_allowed_list"], "0")
	same(t, "limit of processes", r.Rlimits[unix.RLIMIT_NPROC], syscall.Rlimit{Cur: 500, Max: 1000})
	same(t, "NoNewPrivs", r.Status["NoNewPrivs"], "1")
	own := []int{unix.CAP_CHOWN, unix.CAP_KILL, unix.CAP_NET_BIND_SERVICE, unix.CAP_AUDIT_WRITE}
	same(t, "CapBnd", r.Status["CapBnd"], capMask(own...))
	for _, set := range []string{"CapInh", "CapAmb", "CapEff", "CapPrm"} {
		same(t, set, r.Status[set], capMask())
	}
	r = inside(t, b, "-u", "0:6", "--cap", "CAP_CHOWN")
	same(t, "gids", r.GIDs, [3]int{6, 6, 6})
	same(t, "NoNewPrivs", r.Status["NoNewPrivs"], "0")
	for _, set := range []string{"CapBnd", "CapEff", "CapPrm"} {
		same(t, set, r.Status[set], capMask(own...))
	}
	same(t, "CapInh", r.Status["CapInh"], capMask())
	// Options behind the id are the command's; "--" before it is nobody's.
	same(t, "echo", b.Must(append([]string{"exec", b.ID, "--"}, b.Args("echo", "-u", "1")...)...), "-u 1\n")
}

// --process names the process as it is, checked as config.json's is.
func TestExecProcessFile(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := running(t, u, nil)
		file := b.Beside("process.json")
		write := func(p specs.Process) {
			t.Helper()
			data, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			mkfile(t, file, string(data))
		}
		write(specs.Process{Args: b.Args("report"), Cwd: "/", Env: []string{"X=1"}})
		r := bundletest.ReadReport(t, b.Must("exec", "-p", file, b.ID))
		same(t, "environment", r.Env, []string{"X=1", "HOME=/"})
		same(t, "CapBnd", r.Status["CapBnd"], capMask())
		ignored := b.Runtime("exec", "-p", file, "-e", "Y=1", b.ID, "other")
		if !strings.Contains(ignored.Err, "--env has no effect") || !strings.Contains(ignored.Err, `"other" is not run`) {
			t.Errorf("%+v", ignored)
		}
		write(specs.Process{Args: b.Args("report"), Cwd: "none"})
		execFails(t, b.Runtime("exec", "-p", file, b.ID), `process.cwd: "none" is not an absolute path`)
		mkfile(t, file, `{"user": {"uid": "x"}}`)
		execFails(t, b.Runtime("exec", "-p", file, b.ID), "process.user.uid: ", ":1:20: string given where uint32 is needed")
		mkfile(t, file, "")
		execFails(t, b.Runtime("exec", "-p", file, b.ID), "process.json:1:1: ")
		execFails(t, b.Runtime("exec", "-p", file+"x", b.ID), "no such file")
	})
}

// The exit status is the process's, and signals are for it.
func TestExecStatus(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := running(t, u, nil)
		for _, status := range []int{0, 1, 255} {
			same(t, "status", b.Runtime(execArgs(b, nil, "exit", strconv.Itoa(status))...).Status, status)
		}
		same(t, "after a signal", b.Runtime(execArgs(b, nil, "die", "15")...).Status, 128+15)
		c := b.Command(execArgs(b, nil, "trap")...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ready(t, c)
		for _, sig := range []unix.Signal{unix.SIGUSR1, unix.SIGINT, unix.SIGTERM} {
			c.Process.Signal(sig)
			bundletest.Until(t, sig.String()+" to arrive", func() bool { return strings.HasSuffix(c.Output(), unix.SignalName(sig)+"\n") })
		}
		same(t, "status after SIGTERM", c.End().Status, 3)
		same(t, "the container", b.Query().Status, specs.StateRunning)
	})
}

// In the background exec returns when the process runs, of which the pid file
// and the pidfd socket tell.
func TestExecDetached(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := running(t, u, nil)
		pidFile := b.Beside("exec-pid")
		c := b.Command(execArgs(b, []string{"-d", "--pid-file", pidFile}, "sleep")...)
		if r := c.Run(); r.Status != 0 || r.Err != "" {
			t.Fatalf("%+v", r)
		}
		ready(t, c)
		text, err := os.ReadFile(pidFile)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(string(text))
		if err != nil || !slices.Contains(b.Processes(), pid) || b.Parent(pid) != bundletest.Reaper() {
			t.Errorf("pid file %q, %v; processes %v", text, err, b.Processes())
		}
		remove(t, pidFile)
		for _, mode := range []string{"--detach=true", "--detach=false"} {
			execFails(t, b.Runtime("exec", mode, "--pid-file", pidFile, b.ID, "none"), "process.args[0]: execve(none): no such file or directory", "hint: it was looked for")
			if _, err := os.Stat(pidFile); !os.IsNotExist(err) {
				t.Errorf("%s: the pid file of what did not run: %v", mode, err)
			}
		}
		execFails(t, b.Runtime(execArgs(b, []string{"-d", "--pid-file", "/none/pid"}, "sleep")...), "/none/")
		same(t, "processes", len(b.Processes()), 2)
		b.Must("kill", b.ID, "KILL")
		b.Wait(specs.StateStopped)
		bundletest.Until(t, "the end of all", func() bool { return len(b.Processes()) == 0 })
		execFails(t, b.Runtime("exec", b.ID, "/init"), "container not running")
	})
}

func TestExecTerminal(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := running(t, u, nil)
		l, path := listen(t, b)
		if r := b.Runtime(execArgs(b, []string{"-t", "-d", "--console-socket", path}, "terminal-report")...); r.Status != 0 || r.Err != "" {
			t.Fatalf("%+v", r)
		}
		screen := receive(t, l)
		screen.expect("0: /dev/pts/0 ")
		screen.expect("no more descriptors\r\n")
		screen.expect("/dev/tty opens\r\n")
		screen.expect("in the foreground\r\n")

		caller, terminal := openTerminal(t)
		caller.resize(33, 99)
		c := b.Command(execArgs(b, []string{"-t"}, "terminal")...)
		onTerminal(c, terminal)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		caller.expect("terminal: 33x99\r\n")
		caller.press("bye\r")
		caller.expect("the end\r\n")
		same(t, "status", c.End().Status, 5)
		execFails(t, b.Runtime(execArgs(b, []string{"-t", "-d"}, "report")...), "process.terminal", "hint: ")
	})
}

func TestExecPreserveFDs(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := running(t, u, nil)
		file, err := os.Open("/dev/null")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		c := b.Command(execArgs(b, []string{"--preserve-fds", "1"}, "report")...)
		c.ExtraFiles = []*os.File{file, file}
		r := c.Run()
		if r.Status != 0 {
			t.Fatalf("%+v", r)
		}
		same(t, "descriptors", slices.Sorted(maps.Keys(bundletest.ReadReport(t, r.Out).FDs)), []int{0, 1, 2, 3})
		execFails(t, b.Runtime(execArgs(b, []string{"--preserve-fds", "9"}, "report")...), "--preserve-fds 9: descriptor ")
	})
}

// A container that was created, and not started, can be entered, as runc's can,
// but for a plain user, from whom its init hides.
func TestExecCreated(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		b.Create()
		if !u.IsRoot() {
			execFails(t, b.Runtime(execArgs(b, nil, "report")...), "permission denied", "hint: the init of a container hides")
			return
		}
		same(t, "namespaces", fmt.Sprint(inside(t, b).Namespaces), fmt.Sprint(bundletest.Namespaces(b.Query().Pid)))
		same(t, "status", b.Query().Status, specs.StateCreated)
	})
}
