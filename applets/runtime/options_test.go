package runtime_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
	"ocibox/core/pty"
)

// The config.json of --config is read in place of the bundle's, whose root
// file system stays what a relative root.path is below.
func TestConfigOption(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "echo", "the other one")
		data, err := os.ReadFile(configPath(b))
		if err != nil {
			t.Fatal(err)
		}
		mkfile(t, b.Beside("other.json"), string(data))
		mkfile(t, configPath(b), "not to be read")
		// A relative path begins where the caller is, not in the bundle.
		for _, args := range [][]string{{"--config", b.Beside("other.json")}, {"-f", "other.json"}} {
			if got := b.Must(append(append([]string{"run", "--bundle", b.Dir}, args...), b.ID)...); got != "the other one\n" {
				t.Errorf("%q: the container wrote %q", args, got)
			}
		}
		if out := b.Must("explain", "-b", b.Dir, "-f", "other.json"); !strings.Contains(out, `execve("/init"`) {
			t.Errorf("explain: %s", out)
		}
		b.Fails([]string{"none.json", "no such file or directory"}, "create", "-b", b.Dir, "-f", "none.json", b.ID)
		mkfile(t, b.Beside("broken.json"), "{\n]")
		b.Fails([]string{"broken.json:2:1"}, "create", "-b", b.Dir, "-f", "broken.json", b.ID)
		nothingLeft(t, b)
	})
}

// keyringStep is in the plan of a container with a session keyring of its own.
const keyringStep = "session keyring"

func TestNoNewKeyring(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "echo", "there")
		for _, c := range []struct {
			args []string
			own  bool
		}{{nil, true}, {[]string{"--no-new-keyring"}, false}, {[]string{"--no-new-keyring=false"}, true}} {
			r := b.Runtime(append(append([]string{"--debug", "run", "-b", b.Dir}, c.args...), b.ID)...)
			if r.Status != 0 || r.Out != "there\n" {
				t.Errorf("%+v", r)
			}
			if strings.Contains(r.Err, keyringStep) != c.own {
				t.Errorf("%q: a keyring of its own is %v: %s", c.args, !c.own, r.Err)
			}
		}
	})
}

// Who gets the processes that lose their parent in a container without a pid
// namespace: run, or with --no-subreaper who would have them without it.
func TestNoSubreaper(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"--no-subreaper"}} {
		b := bundletest.New(t, bundletest.Root(t))
		b.Write(func(s *specs.Spec) {
			dropNS(s, specs.PIDNamespace)
			s.Process.Args = b.Args("grandchild")
		})
		cmd := b.Command(append(append([]string{"run", "-b", b.Dir}, args...), b.ID)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		want := cmd.Process.Pid
		if args != nil {
			want = bundletest.Reaper()
		}
		bundletest.Until(t, "the orphan to be there", func() bool { return cmd.Output() == "ready\n" })
		orphans := 0
		for _, pid := range b.Processes() {
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if err != nil || !strings.HasSuffix(string(line), "\x00sleep\x00") {
				continue
			}
			orphans++
			bundletest.Until(t, fmt.Sprintf("%q: process %d to have the parent %d, not %d", args, pid, want, b.Parent(pid)), func() bool { return b.Parent(pid) == want })
		}
		if orphans != 1 {
			t.Errorf("%d orphans", orphans)
		}
		b.Must("kill", "--all", b.ID, "KILL")
		if r := cmd.End(); r.Status != 128+9 || r.Err != "" {
			t.Errorf("%+v", r)
		}
		// The orphan has got its SIGKILL; nobody has waited for it.
		bundletest.Until(t, "all to end", func() bool { return len(b.Left()) == 0 })
	}
}

// receivePidfd takes one message of a stream socket that brings one descriptor.
func receivePidfd(t *testing.T, l *pty.Listener) (text string, fd int) {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	buf, control := make([]byte, 64), make([]byte, unix.CmsgSpace(4))
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n, cn int
	if e := raw.Read(func(s uintptr) bool {
		n, cn, _, _, err = unix.Recvmsg(int(s), buf, control, unix.MSG_CMSG_CLOEXEC)
		return err != unix.EAGAIN
	}); e != nil || err != nil {
		t.Fatal(e, err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:cn])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d messages, %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		t.Fatalf("descriptors %v, %v", fds, err)
	}
	return string(buf[:n]), fds[0]
}

// By --pidfd-socket and by crun's annotation a pidfd of the init is sent.
func TestPidfdSocket(t *testing.T) {
	const annotation = "run.oci.pidfd_receiver"
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		for _, how := range []string{"option", "annotation"} {
			b := bundletest.New(t, u)
			l, path := listen(t, b)
			b.Write(func(s *specs.Spec) {
				s.Process.Args = b.Args("sleep")
				if how == "annotation" {
					s.Annotations = map[string]string{annotation: path}
				}
			})
			var args []string
			if how == "option" {
				args = []string{"--pidfd-socket", path}
			}
			b.Create(args...)
			text, fd := receivePidfd(t, l)
			defer unix.Close(fd)
			if text != "standard" {
				t.Errorf("%s: text %q", how, text)
			}
			info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
			if want := fmt.Sprintf("Pid:\t%d\n", b.Query().Pid); err != nil || !strings.Contains(string(info), want) {
				t.Errorf("%s: %v, fdinfo %q, want %q", how, err, info, want)
			}
		}
	})
}

func TestBadPidfdSocket(t *testing.T) {
	testBad(t, []bad{
		{name: "missing", args: []string{"--pidfd-socket", "/nonexistent/socket"}, want: []string{"pidfd socket /nonexistent/socket: no such file or directory"}},
		{name: "a file", args: []string{"--pidfd-socket", "/etc/passwd"}, want: []string{"pidfd socket /etc/passwd"}},
		{name: "annotation", edit: func(_ *bundletest.Bundle, s *specs.Spec) {
			s.Annotations = map[string]string{"run.oci.pidfd_receiver": "/nonexistent/socket"}
		}, want: []string{"annotations.run.oci.pidfd_receiver: ", "pidfd socket /nonexistent/socket"}},
		{name: "annotation without a path", edit: func(_ *bundletest.Bundle, s *specs.Spec) {
			s.Annotations = map[string]string{"run.oci.pidfd_receiver": ""}
		}, want: []string{"annotations.run.oci.pidfd_receiver: "}},
	})
}

// What engines give before the command.
func TestGlobalOptions(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		version := b.Must("--version")
		for _, args := range [][]string{{"-v"}, {"-V"}} {
			if out := b.Must(args...); out != version {
				t.Errorf("%q: %q", args, out)
			}
		}
		for _, manager := range []string{"cgroupfs", "disabled"} {
			b.Must("--cgroup-manager="+manager, "create", "-b", b.Dir, b.ID)
			b.Must("--cgroup-manager", manager, "delete", b.ID)
			b.Fails([]string{"--systemd-cgroup and --cgroup-manager " + manager + ": one of them"}, "--systemd-cgroup", "--cgroup-manager="+manager, "list")
		}
		b.Must("--systemd-cgroup", "--cgroup-manager", "systemd", "list")
		b.Fails([]string{"--cgroup-manager nobody: is not cgroupfs, systemd or disabled"}, "--cgroup-manager=nobody", "list")
		b.Fails([]string{"--log-level loud: is not warning, error or debug"}, "--log-level=loud", "list")
		for _, kind := range []string{"journald", "syslog"} {
			b.Fails([]string{"--log " + kind + ":ocibox: there is no log to " + kind, "hint: "}, "--log="+kind+":ocibox", "list")
		}
		b.Fails([]string{`unknown flag: --log-formt`, "hint: is it --log-format? "}, "--log-formt", "json", "list")
		b.Fails([]string{"creat: no such command", "hint: is it create? "}, "creat", b.ID)
		if a, c := b.Must("help", "create"), b.Must("create", "--help"); a != c || a == "" {
			t.Errorf("help create: %q", a)
		}
		if a, c := b.Must("help"), b.Must("--help"); a != c || a == "" {
			t.Errorf("help: %q", a)
		}
	})
}

// lastError is the last error of a log in JSON, as containerd and Podman look
// for what to tell their user.
func lastError(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	msg := ""
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	for decoder.More() {
		var line struct{ Level, Msg string }
		if err := decoder.Decode(&line); err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		if line.Level == "error" {
			msg = line.Msg
		}
	}
	return msg
}

func TestLogLevels(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Process.Args = []string{"/proc"}
			s.Process.Capabilities.Bounding = []string{"CAP_FUN"}
		})
		for _, c := range []struct {
			args []string
			want map[string]bool // levels
		}{
			{[]string{"--log-level=error"}, map[string]bool{"error": true}},
			{[]string{"--log-level=warning"}, map[string]bool{"error": true, "warning": true}},
			{[]string{"--log-level=debug"}, map[string]bool{"error": true, "warning": true, "debug": true}},
			{[]string{"--debug"}, map[string]bool{"error": true, "warning": true, "debug": true}},
		} {
			path := b.Beside(strings.Join(c.args, ""))
			r := b.Runtime(append(append([]string{"--log=file:" + path, "--log-format=json"}, c.args...), "run", "-b", b.Dir, b.ID)...)
			if r.Status != 1 || strings.Contains(r.Err, "warning") != c.want["warning"] {
				t.Errorf("%+v", r)
			}
			if got := lastError(t, path); !strings.HasPrefix(got, "runtime run: process.args[0]: execve(/proc)") {
				t.Errorf("%q: last error %q", c.args, got)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, level := range []string{"error", "warning", "debug"} {
				if strings.Contains(string(data), `{"level":"`+level+`",`) != c.want[level] {
					t.Errorf("%q: %s lines are %v in %s", c.args, level, !c.want[level], filepath.Base(path))
				}
			}
		}
	})
}

// The commands of other runtimes are known by their names.
func TestAbsentCommands(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		for _, name := range []string{"checkpoint", "restore", "mounts", "info"} {
			b.Fails([]string{"runtime " + name + ": is not built: "}, name, "--whatever", b.ID)
		}
	})
}
