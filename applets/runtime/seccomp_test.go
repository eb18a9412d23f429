package runtime_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
	"ocibox/core/plan"
)

// profile lets all calls through but those of names, which get action.
func profile(action specs.LinuxSeccompAction, errno *uint, names ...string) *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: names, Action: action, ErrnoRet: errno}}}
}

// eachPrivilege runs a test with and without no_new_privs, as root and as a
// plain user.
func eachPrivilege(t *testing.T, test func(t *testing.T, u bundletest.User, noNewPrivs bool)) {
	for name, noNewPrivs := range map[string]bool{"no new privileges": true, "privileges": false} {
		t.Run(name, func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) { test(t, u, noNewPrivs) })
		})
	}
}

// Each action does to a process what it is to, whichever way that is made.
func TestSeccompActions(t *testing.T) {
	for _, row := range []struct {
		action specs.LinuxSeccompAction
		errno  *uint
		status int
		out    string
		err    string
	}{
		{specs.ActAllow, nil, 0, "getpgid\nsync = 0\n", ""},
		{specs.ActErrno, new(uint(7)), 0, "getpgid\nsync: E2BIG\n", ""},
		{specs.ActErrno, nil, 0, "getpgid\nsync: EPERM\n", ""},
		{specs.ActErrno, new(uint(0)), 0, "getpgid\nsync = 0\n", ""},
		{specs.ActKillProcess, nil, 128 + 31, "getpgid\n", ""},
		{specs.ActTrap, nil, 2, "getpgid\n", "SIGSYS: bad system call"},
		{specs.ActLog, nil, 0, "getpgid\nsync = 0\n", ""},
		{specs.ActTrace, nil, 0, "getpgid\nsync: ENOSYS\n", ""}, // without a tracer
	} {
		name := string(row.action)
		if row.errno != nil {
			name += string(rune('0' + *row.errno))
		}
		t.Run(name, func(t *testing.T) {
			eachPrivilege(t, func(t *testing.T, u bundletest.User, noNewPrivs bool) {
				check := func(r bundletest.Result) {
					t.Helper()
					if r.Status != row.status || r.Out != row.out || !strings.Contains(r.Err, row.err) || row.err == "" && r.Err != "" {
						t.Errorf("%q: exit status %d, %q, %q; want %d, %q, %q", r.Args, r.Status, r.Out, r.Err, row.status, row.out, row.err)
					}
				}
				edit := func(b *bundletest.Bundle, s *specs.Spec) {
					s.Process.NoNewPrivileges = noNewPrivs
					s.Linux.Seccomp = profile(row.action, row.errno, "sync")
				}
				b := bundletest.New(t, u)
				b.Write(func(s *specs.Spec) {
					edit(b, s)
					s.Process.Args = b.Args("try", "getpgid", "sync")
				})
				check(b.Runtime("run", "--bundle", b.Dir, b.ID))
				b = running(t, u, edit)
				check(b.Runtime(execArgs(b, nil, "try", "getpgid", "sync")...))
			})
		})
	}
}

// The kernel has the filter, and the process has lost what it took to load it.
func TestSeccompLoaded(t *testing.T) {
	eachPrivilege(t, func(t *testing.T, u bundletest.User, noNewPrivs bool) {
		check := func(r *bundletest.Report) {
			t.Helper()
			same(t, "Seccomp", r.Status["Seccomp"], "2")
			same(t, "NoNewPrivs", r.Status["NoNewPrivs"] == "1", noNewPrivs)
			same(t, "CapPrm", r.Status["CapPrm"], "0000000000000000")
			if u.IsRoot() {
				same(t, "uid", r.UIDs, [3]int{5, 5, 5})
			}
		}
		edit := func(_ *bundletest.Bundle, s *specs.Spec) {
			s.Process.NoNewPrivileges = noNewPrivs
			s.Process.Capabilities = nil
			if u.IsRoot() {
				s.Process.User.UID, s.Process.User.GID = 5, 6
			}
			s.Linux.Seccomp = profile(specs.ActErrno, nil, "clone3", "mount", "unshare", "setns")
		}
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) { edit(b, s) })
		check(b.Report())
		b = running(t, u, edit)
		check(inside(t, b))
	})
}

// newCalls are those since Linux 5.0: a profile of that time has none of them.
var newCalls = []string{
	"pidfd_send_signal", "io_uring_setup", "io_uring_enter", "io_uring_register", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount",
	"fspick", "pidfd_open", "clone3", "close_range", "openat2", "pidfd_getfd", "faccessat2", "process_madvise", "epoll_pwait2", "mount_setattr",
	"quotactl_fd", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "memfd_secret", "process_mrelease",
	"futex_waitv", "set_mempolicy_home_node",
}

// What runs under the filter before the execve, hooks too, takes no call that an
// old profile does not know.
func TestSeccompOldProfile(t *testing.T) {
	eachPrivilege(t, func(t *testing.T, u bundletest.User, noNewPrivs bool) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Process.NoNewPrivileges = noNewPrivs
			s.Process.Args = b.Args("sleep")
			s.Linux.Seccomp = profile(specs.ActKillProcess, nil, newCalls...)
			allHooks(t, b, s)
		})
		b.Create()
		b.Must("start", b.ID)
		b.Wait(specs.StateRunning)
		if r := b.Runtime(execArgs(b, nil, "exit", "3")...); r.Status != 3 {
			t.Errorf("exec: %+v", r)
		}
		b.Must("delete", "--force", b.ID)
		if names := ran(b); len(names) != 2*len(plan.HookKinds()) {
			t.Errorf("the hooks that ran: %q", names)
		}
		nothingLeft(t, b)
	})
}

// An agent gets the listener with who it is of, by create, run and exec, and
// what it answers is what the process sees.
func TestSeccompListener(t *testing.T) {
	eachPrivilege(t, func(t *testing.T, u bundletest.User, noNewPrivs bool) {
		const out = "getsid = 4711\nsync = 0\n"
		b := bundletest.New(t, u)
		agent := b.NewAgent()
		write := func(annotated bool, args []string) {
			b.Write(func(s *specs.Spec) {
				s.Process.NoNewPrivileges = noNewPrivs
				s.Process.Args = args
				// Calls of the child itself, too.
				s.Linux.Seccomp = profile(specs.ActNotify, nil, "getsid", "sync", "execve", "umask", "accept4", "close_range")
				s.Annotations = map[string]string{"a": "b"}
				if annotated {
					s.Annotations["run.oci.seccomp.receiver"] = agent.Socket
				} else {
					s.Linux.Seccomp.ListenerPath, s.Linux.Seccomp.ListenerMetadata = agent.Socket, "for the agent"
				}
			})
		}
		check := func(status specs.ContainerState, metadata string) specs.ContainerProcessState {
			t.Helper()
			s := agent.State()
			same(t, "descriptors", strings.Join(s.Fds, " "), "seccompFd")
			same(t, "metadata", s.Metadata, metadata)
			same(t, "id", s.State.ID, b.ID)
			same(t, "bundle", s.State.Bundle, b.Dir)
			same(t, "annotation", s.State.Annotations["a"], "b")
			same(t, "status", s.State.Status, status)
			return s
		}
		write(false, b.Args("try", "getsid", "sync"))
		same(t, "output", b.Foreground(), out)
		s := check(specs.StateCreating, "for the agent")
		if s.Pid == 0 || s.State.Pid != s.Pid {
			t.Errorf("pids %d, %d", s.Pid, s.State.Pid)
		}
		write(true, b.Args("sleep"))
		c := b.Create()
		b.Must("start", b.ID)
		ready(t, c)
		s = check(specs.StateCreating, "")
		init := b.Query().Pid
		same(t, "pid", s.Pid, init)
		same(t, "output", b.Must(execArgs(b, nil, "try", "getsid", "sync")...), out)
		s = check(specs.StateRunning, "")
		same(t, "init", s.State.Pid, init)
		if s.Pid == init || s.Pid == 0 {
			t.Errorf("the executed process is %d, the init %d", s.Pid, init)
		}
	})
}

func TestBadSeccomp(t *testing.T) {
	notify := func(path string, names ...string) func(*bundletest.Bundle, *specs.Spec) {
		return func(b *bundletest.Bundle, s *specs.Spec) {
			s.Linux.Seccomp = profile(specs.ActNotify, nil, names...)
			s.Linux.Seccomp.ListenerPath = b.Beside(path)
		}
	}
	killed := func(nnp bool, action specs.LinuxSeccompAction, name string) func(*specs.Spec) {
		return func(s *specs.Spec) {
			s.Process.NoNewPrivileges = nnp
			s.Linux.Seccomp = profile(action, nil, name)
		}
	}
	testBad(t, []bad{
		{name: "no action", edit: set(func(s *specs.Spec) { s.Linux.Seccomp = &specs.LinuxSeccomp{} }), want: []string{"linux.seccomp.defaultAction: is missing"}},
		{name: "no agent", edit: notify("agent", "sync"), want: []string{"linux.seccomp.listenerPath: connect to seccomp agent ", "no such file"}},
		{name: "agent is a file", edit: notify("agent", "sync"), prep: func(t *testing.T, b *bundletest.Bundle) { mkfile(t, b.Beside("agent"), "") },
			want: []string{"linux.seccomp.listenerPath: ", "is not a socket"}, who: onlyRoot},
		{name: "no path", edit: set(func(s *specs.Spec) { s.Linux.Seccomp = profile(specs.ActNotify, nil, "sync") }), want: []string{"linux.seccomp.listenerPath: is missing"}},
		{name: "agent by annotation", edit: set(func(s *specs.Spec) {
			s.Linux.Seccomp = profile(specs.ActNotify, nil, "sync")
			s.Annotations = map[string]string{"run.oci.seccomp.receiver": "/nonexistent/agent"}
		}), want: []string{"annotations run.oci.seccomp.receiver: connect to seccomp agent /nonexistent/agent: no such file"}},
		{name: "notify of sendmsg", edit: notify("agent", "sync", "sendmsg"), want: []string{"linux.seccomp.syscalls[0]: SCMP_ACT_NOTIFY for sendmsg: what hands over the listener needs it"}},
		{name: "unknown call", edit: set(func(s *specs.Spec) {
			s.Linux.Seccomp = profile(specs.ActErrno, nil, "sync", "frobnicate")
			s.Annotations = map[string]string{"run.oci.seccomp_fail_unknown_syscall": "1"}
		}), want: []string{`linux.seccomp.syscalls: no architecture has a system call "frobnicate"`, "hint: without the annotation"}},
		{name: "errno for umask", edit: set(killed(false, specs.ActErrno, "umask")),
			want: []string{"process.user.umask: umask(): operation not permitted", "hint: the seccomp filter was loaded before: linux.seccomp.syscalls[0] has SCMP_ACT_ERRNO(EPERM) for umask"}},
		{name: "death by umask", edit: set(killed(false, specs.ActKillProcess, "umask")),
			want: []string{"process.user.umask: umask(): signal SIGSYS", "hint: the seccomp filter was loaded before: linux.seccomp.syscalls[0] has SCMP_ACT_KILL_PROCESS for umask"}},
		{name: "no word to the parent", edit: set(killed(false, specs.ActErrno, "sendmsg")),
			want: []string{"linux.seccomp.syscalls[0]: SCMP_ACT_ERRNO(EPERM) for sendmsg: the runtime needs it between the load and the execve", "hint: with process.noNewPrivileges"}},
		{name: "no word from the parent", edit: set(killed(false, specs.ActErrno, "read")),
			want: []string{"linux.seccomp.syscalls[0]: SCMP_ACT_ERRNO(EPERM) for read: the runtime needs it"}},
		{name: "by default", edit: set(func(s *specs.Spec) {
			s.Process.NoNewPrivileges = false
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
		}), want: []string{"linux.seccomp.defaultAction: SCMP_ACT_ERRNO(EPERM) for sendmsg"}},
	})
}

// An execve that the filter refuses is told of by whoever made the process go.
func TestSeccompExecve(t *testing.T) {
	eachPrivilege(t, func(t *testing.T, u bundletest.User, noNewPrivs bool) {
		words := []string{"process.args[0]: execve(/init): operation not permitted", "hint: the seccomp filter was loaded before: linux.seccomp.syscalls[0] has SCMP_ACT_ERRNO(EPERM) for execve"}
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Process.NoNewPrivileges = noNewPrivs
			s.Linux.Seccomp = profile(specs.ActErrno, nil, "execve")
		})
		b.Fails(words, "run", "--bundle", b.Dir, b.ID)
		b.Create()
		b.Fails(words, "start", b.ID)
	})
}

// An agent that has gone meanwhile is a start that fails: no process runs whose
// calls nobody answers.
func TestSeccompAgentGone(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		agent, err := net.ListenUnix("unix", &net.UnixAddr{Name: b.Beside("agent"), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		defer agent.Close()
		if err := os.Chmod(b.Beside("agent"), 0o777); err != nil {
			t.Fatal(err)
		}
		b.Write(func(s *specs.Spec) {
			s.Process.NoNewPrivileges = true
			s.Linux.Seccomp = profile(specs.ActNotify, nil, "sync")
			s.Linux.Seccomp.ListenerPath = b.Beside("agent")
		})
		b.Create()
		if err := agent.Close(); err != nil {
			t.Fatal(err)
		}
		b.Fails([]string{"linux.seccomp.listenerPath: sendmsg(): "}, "start", b.ID)
		b.Wait(specs.StateStopped)
	})
}

// What the filter keeps the process from saying, the parent sees.
func TestSeccompSilent(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Process.NoNewPrivileges = true
			s.Linux.Seccomp = profile(specs.ActErrno, nil, "execve", "sendmsg")
		})
		b.Fails([]string{"process.args[0]: execve(/init): operation not permitted", "hint: the seccomp filter was loaded before"}, "run", "--bundle", b.Dir, b.ID)
	})
}

// What of the profile decides about a call.
func TestSeccompExplained(t *testing.T) {
	b := bundletest.New(t, bundletest.Plain(t))
	b.Write(func(s *specs.Spec) {
		s.Linux.Seccomp = profile(specs.ActErrno, nil, "mount")
		s.Linux.Seccomp.Architectures = []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchAARCH64, specs.ArchARM}
		s.Linux.Seccomp.Syscalls = append(s.Linux.Seccomp.Syscalls, specs.LinuxSyscall{
			Names: []string{"personality"}, Action: specs.ActKillProcess,
			Args: []specs.LinuxSeccompArg{{Index: 0, Value: 0x20008, Op: specs.OpEqualTo}},
		})
	})
	same(t, "decisions", b.Must("explain", "--bundle", b.Dir, "--seccomp", "mount", "--seccomp", "personality:0x20008", "--seccomp", "personality:8,1,2,3,4,5", "--seccomp", "read"),
		"mount: SCMP_ACT_ERRNO(EPERM) by linux.seccomp.syscalls[0]: names it without conditions\n"+
			"personality:0x20008: SCMP_ACT_KILL_PROCESS by linux.seccomp.syscalls[1]: its conditions hold\n"+
			"personality:8,1,2,3,4,5: SCMP_ACT_ALLOW by linux.seccomp.defaultAction: no rule's conditions hold\n"+
			"read: SCMP_ACT_ALLOW by linux.seccomp.defaultAction: no rule with another action names it\n")
	same(t, "another architecture", b.Must("explain", "--bundle", b.Dir, "--seccomp", "s390x/mount"),
		"s390x/mount: SCMP_ACT_KILL_PROCESS by linux.seccomp.architectures: s390x is not listed\n")
	for word, want := range map[string]string{
		"frobnicate": `no system call "frobnicate"`, "mount:x": `--seccomp mount:x: "x" is no number`, "mount:1,2,3,4,5,6,7": "more than 6 arguments",
		"vax/mount": "no table of system calls for", "": `no system call ""`, "mount:": `"" is no number`,
	} {
		b.Fails([]string{want}, "explain", "--bundle", b.Dir, "--seccomp", word)
	}
	if out := b.Must("explain", "--bundle", b.Dir); !strings.Contains(out, "linux.seccomp") || !strings.Contains(out, ", default SCMP_ACT_ALLOW\n") {
		t.Errorf("explain: %s", out)
	}
	b.Write(nil)
	b.Fails([]string{"linux.seccomp: is missing"}, "explain", "--bundle", b.Dir, "--seccomp", "read")
}

// A name that no kernel has is passed over; what has no effect is a warning.
func TestSeccompIgnored(t *testing.T) {
	b := bundletest.New(t, bundletest.Plain(t))
	b.Write(func(s *specs.Spec) {
		s.Process.Args = b.Args("echo", "it runs")
		s.Linux.Seccomp = profile(specs.ActErrno, nil, "frobnicate")
		s.Linux.Seccomp.ListenerPath = "/nobody"
	})
	r := b.Runtime("run", "--bundle", b.Dir, b.ID)
	same(t, "output", r.Out, "it runs\n")
	same(t, "warning", r.Err, "runtime: warning: linux.seccomp.listenerPath: no rule has SCMP_ACT_NOTIFY\n")
	r = b.Runtime("--debug", "run", "--bundle", b.Dir, b.ID)
	if !strings.Contains(r.Err, "unknown: frobnicate") {
		t.Errorf("debug: %s", r.Err)
	}
}

func busybox(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("there is no busybox")
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(program)
}

// The thread that makes the call ends alone, and is all there is of a program
// that is not of Go.
func TestSeccompKillThread(t *testing.T) {
	program := busybox(t)
	eachPrivilege(t, func(t *testing.T, u bundletest.User, noNewPrivs bool) {
		b := bundletest.New(t, u)
		b.File("/bin/busybox", program, 0o755)
		b.Write(func(s *specs.Spec) {
			s.Process.NoNewPrivileges = noNewPrivs
			s.Process.Args = []string{"/bin/busybox", "sync"}
			s.Linux.Seccomp = profile(specs.ActKillThread, nil, "sync")
		})
		if r := b.Runtime("run", "--bundle", b.Dir, b.ID); r.Status != 128+int(unix.SIGSYS) {
			t.Errorf("%+v", r)
		}
		nothingLeft(t, b)
	})
}

// The engines' default profiles, with a shell that does what people do.
func TestSeccompProfiles(t *testing.T) {
	program := busybox(t)
	for engine, sign := range map[string]string{
		"docker": `busybox unshare -U true 2>/dev/null || echo filtered`,
		"podman": `busybox grep -q "^Seccomp:.2" /proc/self/status && echo filtered`, // it lets unshare(2) pass
	} {
		data, err := os.ReadFile(filepath.Join("../../core/seccomp/testdata", engine+"-amd64.json"))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(engine, func(t *testing.T) {
			eachPrivilege(t, func(t *testing.T, u bundletest.User, noNewPrivs bool) {
				b := bundletest.New(t, u)
				b.File("/bin/busybox", program, 0o755)
				write := func(args ...string) {
					b.Write(func(s *specs.Spec) {
						s.Process.NoNewPrivileges = noNewPrivs
						s.Process.Args = args
						s.Mounts = append(s.Mounts, specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"})
						if err := json.Unmarshal(data, &s.Linux.Seccomp); err != nil {
							t.Fatal(err)
						}
					})
				}
				write("/bin/busybox", "sh", "-c", `busybox mkdir /tmp/d && cd /tmp/d && echo hello >f && busybox cat f | busybox tr a-z A-Z; `+sign)
				same(t, "output", b.Foreground(), "HELLO\nfiltered\n")
				write(b.Args("sleep")...)
				ready(t, b.Detach())
				same(t, "output of exec", b.Must("exec", b.ID, "/bin/busybox", "sh", "-c", "busybox echo $((6*7)); "+sign), "42\nfiltered\n")
			})
		})
	}
}
