package runtime_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// A user is two numbers, and nothing that could be taken for another
// (CVE-2026-30892, CVE-2026-46680).
func TestExecUser(t *testing.T) {
	t.Parallel()
	b := running(t, bundletest.Root(t), nil)
	for arg, want := range map[string][2]string{"1": {"1", "0"}, "1:2": {"1", "2"}, "0": {"0", "0"}, "4294967294:4294967294": {"4294967294", "4294967294"}} {
		r := inside(t, b, "-u", arg)
		// A 32-bit getresuid(2) would show 16 bits of it.
		same(t, "-u "+arg, [2]string{strings.Fields(r.Status["Uid"])[1], strings.Fields(r.Status["Gid"])[1]}, want)
	}
	const most = "is more than 4294967294"
	for arg, want := range map[string]string{
		"": "the user is missing", ":1": "the user is missing", "1:": "the group is missing", ":": "the user is missing",
		"4294967295": most, "4294967296": most, "1:4294967295": most, "1:4294967296": most, "99999999999999999999": most,
		"-1": `"-1" is not a number`, "1:-1": `"-1" is not a number`, "+1": "is not a number", " 1": "is not a number", "1 ": "is not a number",
		"root": `"root" is not a number`, "1:root": `"root" is not a number`, "1:2:3": `"2:3" is not a number`, "0x1": "is not a number", "1_0": "is not a number", "١": "is not a number",
	} {
		execFails(t, b.Runtime("exec", "-u", arg, b.ID, "/init"), fmt.Sprintf("--user %q: ", arg), want)
	}
	execFails(t, b.Runtime("exec", "-g", "-1", b.ID, "/init"), `--additional-gids "-1": the group "-1" is not a number`)
	execFails(t, b.Runtime("exec", "-c", "CAP_NONE", b.ID, "/init"), `--cap "CAP_NONE" is no capability`)
	execFails(t, b.Runtime("exec", "--cgroup", "sub", b.ID, "/init"), "--cgroup sub: ")
	execFails(t, b.Runtime("exec", b.ID), "no command given")
	execFails(t, b.Runtime("exec", "-e", "X", b.ID, "/init"), `process.env[2]: "X" is not of the form NAME=VALUE`)
	execFails(t, b.Runtime("exec", b.ID+"x", "/init"), "container does not exist")
	same(t, "processes", len(b.Processes()), 1)
}

// An id that the container's user namespace does not have is named with its map.
func TestExecUnmappedUser(t *testing.T) {
	t.Parallel()
	b := running(t, bundletest.Plain(t), nil)
	// config.json is checked first, and has it too.
	execFails(t, b.Runtime("exec", "-u", "1", b.ID, "/init"), "process.user.uid: 1 is not in linux.uidMappings")
	execFails(t, b.Runtime("exec", "-u", "0:1", b.ID, "/init"), "process.user.gid: 1 is not in linux.gidMappings")

	joined := bundletest.New(t, b.User)
	joined.Write(func(s *specs.Spec) {
		s.Process.Args = joined.Args("sleep")
		dropNS(s, specs.UserNamespace)
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace, Path: fmt.Sprintf("/proc/%d/ns/user", b.Query().Pid)})
		s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
	})
	ready(t, joined.Detach())
	same(t, "uids", inside(t, joined).UIDs, [3]int{})
	execFails(t, joined.Runtime("exec", "-u", "1", joined.ID, "/init"),
		fmt.Sprintf("process.user.uid: 1 is not in the map of the container's user namespace: 0 %d 1", b.UID))
	execFails(t, joined.Runtime("exec", "-g", "5", joined.ID, "/init"), "process.user.additionalGids[0]: 5 is not in the map")
}

// The working directory is in the container, whatever it is called
// (CVE-2024-21626).
func TestExecCwd(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := running(t, u, nil)
		for fd := 3; fd < 12; fd++ {
			for _, dir := range []string{"/proc/self/fd/%d", "/proc/self/fd/%d/../..", "/proc/thread-self/fd/%d", "/proc/1/fd/%d"} {
				cwd := fmt.Sprintf(dir, fd)
				execFails(t, b.Runtime(execArgs(b, []string{"--cwd", cwd}, "report")...), "process.cwd "+cwd)
			}
		}
		execFails(t, b.Runtime(execArgs(b, []string{"--cwd", "/proc/1/root"}, "report")...), "process.cwd", "hint: what a link of /proc leads to may be outside")
		execFails(t, b.Runtime(execArgs(b, []string{"--cwd", "/none"}, "report")...), "process.cwd /none: open(/none): no such file")
		same(t, "cwd", inside(t, b, "--cwd", "/dev/../../..").Cwd, "/")
	})
}

// Nobody in the container can look into a process until it executes what is
// the container's (CVE-2016-9962): one that looks all the time sees it, and has
// nothing of it.
func TestExecHides(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) { s.Process.Args = b.Args("peep") })
		watch := b.Detach()
		ready(t, watch)
		// The process stands there as long as nobody takes its pidfd: the one
		// connection that may wait is ours.
		path := b.Beside("pidfd")
		full := listenPidfd(t, path)
		c := b.Command(execArgs(b, []string{"--pidfd-socket", path}, "exit", "3")...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		want := []string{"cwd/.", "environ", "exe", "fd/0", "mem", "root/."}
		for _, name := range want {
			bundletest.Until(t, "a look at "+name, func() bool { return strings.Contains(watch.Output(), name+": ") })
		}
		full()
		same(t, "status", c.End().Status, 3)
		for range 15 {
			b.Must(execArgs(b, nil, "exit", "0")...)
		}
		lines := strings.Fields(strings.ReplaceAll(strings.TrimPrefix(watch.Output(), "ready\n"), ": permission denied", ""))
		slices.Sort(lines)
		same(t, "what was denied, and nothing else", lines, want)
	})
}

// listenPidfd makes a socket on which a connect waits until the function that
// it gives is called.
func listenPidfd(t *testing.T, path string) (release func()) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	addr := &unix.SockaddrUnix{Name: path}
	if err == nil {
		err = unix.Bind(fd, addr)
	}
	if err == nil {
		err = unix.Listen(fd, 0)
	}
	if err == nil {
		err = os.Chmod(path, 0o777)
	}
	first, err2 := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil && err2 == nil {
		err = unix.Connect(first, addr)
	}
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	t.Cleanup(func() { unix.Close(fd); unix.Close(first) })
	return func() {
		for range 2 {
			if conn, _, err := unix.Accept(fd); err == nil {
				t.Cleanup(func() { unix.Close(conn) })
			}
		}
	}
}

// The pidfd that is sent is the process's.
func TestExecPidfd(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := running(t, u, nil)
		l, path := listen(t, b)
		pidFile := b.Beside("exec-pid")
		if r := b.Runtime(execArgs(b, []string{"-d", "--pidfd-socket", path, "--pid-file", pidFile}, "sleep")...); r.Status != 0 {
			t.Fatalf("%+v", r)
		}
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		text, control := make([]byte, 16), make([]byte, unix.CmsgSpace(4))
		n, cn, _, _, err := unix.Recvmsg(int(conn.Fd()), text, control, unix.MSG_CMSG_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "text", string(text[:n]), "setns")
		messages, err := unix.ParseSocketControlMessage(control[:cn])
		if err != nil || len(messages) != 1 {
			t.Fatal(messages, err)
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fds[0])
		info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fds[0]))
		pid, err2 := os.ReadFile(pidFile)
		if err != nil || err2 != nil || !strings.Contains(string(info), "Pid:\t"+string(pid)+"\n") {
			t.Errorf("pid %s, %v; pidfd %s, %v", pid, err2, info, err)
		}
	})
}

// A container that ends meanwhile ends the exec: with its status if the process
// ran, or else with the reason.
func TestExecOfEndingContainer(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		for i := range 12 {
			ready(t, b.Detach())
			c := b.Command(execArgs(b, nil, "sleep")...)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			pause(time.Duration(i) * time.Millisecond)
			b.Must("delete", "--force", b.ID)
			switch r := c.End(); {
			case r.Status == 128+9 && r.Err == "":
			case r.Status == 255 && strings.Contains(r.Err, "container not running"):
			case r.Status == 255 && strings.Contains(r.Err, "container does not exist"):
			default:
				t.Errorf("after %d ms: %+v", i, r)
			}
			nothingLeft(t, b)
		}
	})
}

// The pid of an init that has ended may be another's, which is not joined.
func TestExecReusedPid(t *testing.T) {
	t.Parallel()
	b := running(t, bundletest.Root(t), nil)
	pid := b.Query().Pid
	t.Cleanup(func() { unix.Kill(pid, unix.SIGKILL) })
	editState(t, b, another)
	execFails(t, b.Runtime("exec", b.ID, "/init"), "container not running")
}

// Root of what the init has put into a mount namespace of its own is the init's root, not
// the container's: a user namespace that it has made is joined, though config.json has
// none of that kind.
func TestExecOwnUserns(t *testing.T) {
	t.Parallel()
	box, err := exec.LookPath("busybox")
	if err != nil {
		t.Skipf("it takes Debian's busybox-static: %v", err)
	}
	program, err := os.ReadFile(box)
	if err != nil {
		t.Fatal(err)
	}
	b := bundletest.New(t, bundletest.Root(t))
	b.Mkdir("/bin", 0o755)
	b.File("/bin/busybox", string(program), 0o755)
	b.Write(func(s *specs.Spec) {
		s.Process.User = specs.User{UID: 1000, GID: 1000}
		s.Process.Args = []string{"/bin/busybox", "unshare", "-U", "-m", "/bin/busybox", "sh", "-c", "echo ready; exec /bin/busybox sleep 1000"}
	})
	ready(t, b.Detach())
	for _, user := range []string{"0", "1000"} {
		execFails(t, b.Runtime(append([]string{"exec", "--user", user, b.ID}, b.Args("report")...)...), "process.user.uid")
	}
}

// A config.json that is changed after create is not that of exec, either.
func TestExecAfterConfigChanged(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := running(t, u, nil)
		mkfile(t, filepath.Join(b.Dir, "config.json"), "gone")
		same(t, "uids", inside(t, b).UIDs, [3]int{})
	})
}
