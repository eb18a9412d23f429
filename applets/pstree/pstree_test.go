package pstree_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/applets/pstree"
)

// helperEnv makes the test binary a process with threads, that ends when its
// standard input does, or else the applet with its arguments.
const helperEnv = "OCIBOX_PSTREE_TEST"

func TestMain(m *testing.M) {
	switch os.Getenv(helperEnv) {
	case "threads":
		if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	case "applet":
		std := cli.Std{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
		os.Exit(cli.Report(std, "pstree-lite", pstree.Run(std, os.Args[1:])))
	}
	os.Exit(m.Run())
}

// ours runs the applet.
func ours(t *testing.T, args ...string) (out string, status int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	std := cli.Std{In: os.Stdin, Out: &stdout, Err: &stderr}
	status = cli.Report(std, "pstree-lite", pstree.Run(std, args))
	return stdout.String() + stderr.String(), status
}

// forest is a script with processes of many kinds: names with spaces, brackets
// and bytes that no terminal should get; arguments with those; equal ones, also
// with children; one that has ended and is not waited for; one with threads. It
// says when all are there.
const forest = `
name() { printf "$1" >/proc/self/task/$$/comm; }
named() { sh -c 'printf "$0" >/proc/$$/comm; read line; :' "$@" <&3 & }
exec 3<&0
named 'a(b) c' 'x y' '' z ''
named '\377\001t\tn\n' "$(printf 'w\001\377\n')" 'back\\slash'
named '日本語'
named same q; named same q; named same q
sh -c 'sh -c "read line; :" & sh -c "read line; :" & read line; :' <&3 &
sh -c 'sh -c "read line; :" & sh -c "read line; :" & read line; :' <&3 &
named long "$LONG" tail
named nearly "$NEARLY" tail more
OCIBOX_PSTREE_TEST=threads "$SELF" a b <&3 &
sh -c 'exit' &
echo ready
read line
`

// grow starts the forest and gives the pid of its root.
func grow(t *testing.T) int {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", forest)
	cmd.Env = append(os.Environ(), "SELF="+self, "LONG="+strings.Repeat("long ", 100), "NEARLY="+strings.Repeat("n", 70))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		cmd.Wait()
	})
	if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
	settle(t, cmd.Process.Pid)
	return cmd.Process.Pid
}

// settle waits until nothing changes in the tree any more: its processes name
// themselves.
func settle(t *testing.T, pid int) {
	t.Helper()
	last := ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		now, _ := ours(t, "-acpt", fmt.Sprint(pid))
		if now == last && strings.Contains(now, "nearly") && strings.Contains(now, "long") {
			return
		}
		last = now
		time.Sleep(200 * time.Millisecond)
	}
	t.Fatalf("the tree does not come to rest:\n%s", last)
}

// psmisc runs the original.
func psmisc(t *testing.T, width int, args ...string) string {
	t.Helper()
	cmd := exec.Command("pstree", args...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("COLUMNS=%d", width), "LC_ALL=C", "TERM=xterm") // which -H asks for
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pstree %q: %v", args, err)
	}
	return string(out)
}

// The output is that of psmisc's pstree for the same processes.
func TestAsPsmisc(t *testing.T) {
	if _, err := exec.LookPath("pstree"); err != nil {
		t.Skip("there is no pstree here: Debian's package psmisc has it")
	}
	pid := fmt.Sprint(grow(t))
	for _, options := range []string{"", "-a", "-p", "-ap", "-t", "-tp", "-T", "-g", "-pg", "-ag", "-u", "-S", "-aS", "-c", "-ac", "-n", "-apn",
		"-A", "-U", "-aU", "-l", "-al", "-aT", "-Cage", "-H" + pid, "-tc"} {
		for _, width := range []int{132, 80, 40, 17} {
			if width < 40 && strings.Contains(options, "U") {
				continue // psmisc counts the bytes of what it cuts
			}
			var args []string
			if options != "" {
				args = append(args, options)
			}
			args = append(args, pid)
			t.Setenv("COLUMNS", fmt.Sprint(width))
			want := psmisc(t, width, args...)
			if got, _ := ours(t, args...); got != want {
				t.Errorf("%q, %d columns:\n%swant\n%s", args, width, got, want)
			}
		}
	}
}

// aboveEnv is set where process 1 and all that is above the test is its own.
const aboveEnv = "OCIBOX_PSTREE_ABOVE"

// The way from process 1 to the process, as psmisc's. It is drawn in a process
// namespace of its own, for the arguments of who started the tests are anything.
func TestParents(t *testing.T) {
	if _, err := exec.LookPath("pstree"); err != nil {
		t.Skip("there is no pstree here: Debian's package psmisc has it")
	}
	if os.Getenv(aboveEnv) == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		// Of arguments of more than 8192 bytes psmisc reads no more, whatever the
		// width is; these are shorter.
		script := `mount -t proc proc /proc && sh -c 'sh -c "\"\$0\" -test.run=^TestParents\$; exit \$?" "$0" "$1"; exit $?' "$0" "$1"; exit $?`
		cmd := exec.Command("sh", "-c", script, self, strings.Repeat("{\"K\": \"é\\\n\"} ", 400))
		cmd.Env = append(os.Environ(), aboveEnv+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
		if os.Geteuid() != 0 {
			cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
		} else {
			cmd.SysProcAttr.Unshareflags = unix.CLONE_NEWNS // makes all mounts private
		}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "PASS") {
			t.Errorf("%v: %.20000s", err, out)
		}
		return
	}
	pid := fmt.Sprint(grow(t))
	for _, options := range []string{"-s", "-ps", "-aps", "-als", "-sn"} {
		for _, width := range []int{132, 110, 96, 80, 60, 40} {
			t.Setenv("COLUMNS", fmt.Sprint(width))
			want := psmisc(t, width, options, pid)
			if got, _ := ours(t, options, pid); got != want {
				t.Errorf("%s, %d columns:\n%swant\n%s", options, width, got, want)
			}
		}
	}
}

// What goes while it is read is left out, and nothing else comes of it.
func TestVanishing(t *testing.T) {
	stop := make(chan bool)
	done := make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := exec.Command("sh", "-c", "sh -c : & sh -c : & wait").Run(); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 50 {
		if out, status := ours(t, "-acptSu"); status != 0 || !strings.Contains(out, fmt.Sprintf(",%d", os.Getpid())) {
			t.Fatalf("exit status %d:\n%s", status, out)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestBad(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"4194305"}, "pstree-lite: no process 4194305\n"},
		{[]string{"99999999999999999999"}, "pstree-lite: no such user name: 99999999999999999999\n"},
		{[]string{"-1"}, "pstree-lite: "},
		{[]string{"no-such-user"}, "pstree-lite: no such user name: no-such-user\n"},
		{[]string{"1", "2"}, "pstree-lite: unexpected operand \"2\"\n"},
		{[]string{"-N", "foo"}, "pstree-lite: -N foo is not user, cgroup, ipc, uts, net, time, pid, mnt\n"},
		{[]string{"-C", "foo"}, "pstree-lite: -C foo: only age is known\n"},
		{[]string{"-H", "x"}, "pstree-lite: "},
		{[]string{"--no-such-option"}, "pstree-lite: "},
	} {
		out, status := ours(t, c.args...)
		if status != 1 || !strings.HasPrefix(out, c.want) || strings.Count(out, "\n") > 2 {
			t.Errorf("%q: exit status %d: %q", c.args, status, out)
		}
	}
}

// A process is the root of a tree in each namespace that its parent is not in.
func TestNamespaces(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sh -c 'echo ready; read line; :'; :")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWUTS, UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("no user namespace can be made: %v", err)
	}
	defer cmd.Wait()
	defer in.Close()
	if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
	pid := fmt.Sprint(cmd.Process.Pid)
	for _, c := range [][3]string{
		{"-S", pid, "sh(user,uts)---sh\n"},
		{"-aS", pid, "sh,user,uts -c "},
		{"-pS", pid, fmt.Sprintf("sh(%s,user,uts)---sh(", pid)},
		{"--explain", pid, "sh(own user ids,own host name)---sh\n"},
	} {
		if got, _ := ours(t, c[:2]...); !strings.HasPrefix(got, c[2]) {
			t.Errorf("%s: %q, want %q", c[0], got, c[2])
		}
	}
	if _, err := exec.LookPath("pstree"); err == nil {
		all := exec.Command("sh", "-c", "echo ready; read line; :")
		all.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWNS |
			unix.CLONE_NEWCGROUP | unix.CLONE_NEWPID, UidMappings: cmd.SysProcAttr.UidMappings}
		in, err := all.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := all.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := all.Start(); err != nil {
			t.Fatal(err)
		}
		defer all.Wait()
		defer in.Close()
		if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
			t.Fatal(err)
		}
		end := func(tree string) string { return tree[strings.LastIndex(tree, "---")+1:] }
		args := []string{"-slS", fmt.Sprint(all.Process.Pid)}
		got, _ := ours(t, args...)
		if want := psmisc(t, 132, args...); end(got) != end(want) || !strings.Contains(want, "sh(cgroup,ipc,mnt,net,pid,user,uts)") {
			t.Errorf("all namespaces: %q, want %q", got, want)
		}
	}
	id, err := os.Stat("/proc/" + pid + "/ns/uts")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("[%d]\nsh---sh\n", id.Sys().(*syscall.Stat_t).Ino)
	if got, _ := ours(t, "-N", "uts"); !strings.Contains(got, want) {
		t.Errorf("-N uts: %q is not in\n%s", want, got)
	}
}

// hidepid keeps the processes of others from a plain user: they are shown by
// question marks, and one's own are there.
func TestHidden(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a /proc with hidepid takes root")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, option := range []string{"hidepid=1", "hidepid=2"} {
		cmd := exec.Command("sh", "-c", `mount -t proc -o "$0" proc /proc && exec setpriv --reuid=65534 --regid=65534 --clear-groups "$1" -pA`, option, self)
		cmd.Env = append(os.Environ(), helperEnv+"=applet")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
		cmd.Dir = "/"
		// The plain user has to reach the test binary.
		f, err := os.Open(self)
		if err != nil {
			t.Fatal(err)
		}
		cmd.ExtraFiles = []*os.File{f}
		cmd.Args[len(cmd.Args)-1] = "/proc/self/fd/3"
		out, err := cmd.CombinedOutput()
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v: %s", option, err, out)
		}
		if text := string(out); !strings.HasPrefix(text, "?(1)") || !strings.Contains(text, "---") {
			t.Errorf("%s:\n%s", option, text)
		}
	}
}
