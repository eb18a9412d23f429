package enter_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ocibox/applets"
	"ocibox/applets/cli"
	"ocibox/core/bundletest"
)

// TestMain is by its name also the applets, and what they run.
func TestMain(m *testing.M) {
	switch name := filepath.Base(os.Args[0]); name {
	case "nsenter", "unshare":
		os.Exit(applets.Main(cli.Std{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Args))
	case "report":
		report()
	case "wait":
		fmt.Println("ready")
		os.Stdin.Read(make([]byte, 1))
	case "count":
		count()
	case "shell":
		shell()
	case "socket":
		serve()
	default:
		bundletest.Main(m, func(args []string) int {
			return applets.Main(cli.Std{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, append([]string{"runtime"}, args...))
		})
	}
	os.Exit(0)
}

// names are what the test binary is called in a tools.
var names = []string{"nsenter", "unshare", "report", "wait", "count", "shell", "socket"}

// tools is a folder with the program under its names, for one user.
type tools struct {
	t    *testing.T
	dir  string
	cred *syscall.Credential // nil for the test's own
	env  []string
}

// plainID is the uid and gid of the plain user of a test that root runs.
const plainID = 12345

func newTools(t *testing.T, root bool) *tools {
	t.Helper()
	dir, err := os.MkdirTemp("", "ocibox-enter-") // that others can reach
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	check(t, os.Chmod(dir, 0o755))
	data, err := os.ReadFile("/proc/self/exe")
	check(t, err)
	program := filepath.Join(dir, "program")
	check(t, os.WriteFile(program, data, 0o755))
	for _, n := range names {
		check(t, os.Symlink("program", filepath.Join(dir, n)))
	}
	for _, n := range []string{"here", "root"} {
		check(t, os.Mkdir(filepath.Join(dir, n), 0o777))
		check(t, os.Chmod(filepath.Join(dir, n), 0o777))
	}
	h := &tools{t: t, dir: dir, env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HERE=1"}}
	if !root && os.Geteuid() == 0 {
		h.cred = &syscall.Credential{Uid: plainID, Gid: plainID}
	}
	return h
}

// each runs a test as root and as a plain user: where this is root, in mount and
// network namespaces of their own.
func each(t *testing.T, test func(h *tools)) {
	t.Helper()
	if os.Geteuid() == 0 && !bundletest.OwnNetwork(t) {
		return
	}
	t.Run("root", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("needs root")
		}
		test(newTools(t, true))
	})
	t.Run("plain", func(t *testing.T) {
		bundletest.Plain(t)
		test(newTools(t, false))
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (h *tools) at(name string) string { return filepath.Join(h.dir, name) }

func (h *tools) root() bool { return os.Geteuid() == 0 && h.cred == nil }

// command is a command line of the user's; the program is ours by its name, or an
// absolute path.
func (h *tools) command(args ...string) *exec.Cmd {
	path := args[0]
	if !filepath.IsAbs(path) {
		path = h.at(path)
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = h.at("here")
	cmd.Env = h.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: h.cred}
	return cmd
}

// result is how a command line ended.
type result struct {
	status   syscall.WaitStatus
	out, err string
}

func (h *tools) run(args ...string) result {
	h.t.Helper()
	return h.finish(h.command(args...))
}

func (h *tools) finish(cmd *exec.Cmd) result {
	h.t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	check(h.t, cmd.Start())
	timer := time.AfterFunc(bundletest.Patience, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.t.Fatalf("%q: %v", cmd.Args, err)
	}
	if !timer.Stop() {
		h.t.Errorf("%q did not end within %v", cmd.Args, bundletest.Patience)
	}
	return result{cmd.ProcessState.Sys().(syscall.WaitStatus), out.String(), errs.String()}
}

// must is run of what has to succeed, without a word on standard error.
func (h *tools) must(args ...string) string {
	h.t.Helper()
	r := h.run(args...)
	if r.status != 0 || r.err != "" {
		h.t.Fatalf("%q: status %#x: %s%s", args, r.status, r.out, r.err)
	}
	return strings.TrimSuffix(r.out, "\n")
}

// start begins a process that lives until the test is over, and gives it once it
// says so.
func (h *tools) start(cmd *exec.Cmd) *exec.Cmd {
	h.t.Helper()
	in, err := cmd.StdinPipe()
	check(h.t, err)
	out, err := cmd.StdoutPipe()
	check(h.t, err)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	runtime.LockOSThread() // for Pdeathsig
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	check(h.t, cmd.Start())
	h.t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	said := make([]byte, 6)
	if _, err := out.Read(said); err != nil || string(said) != "ready\n" {
		h.t.Fatalf("%q says %q: %v: %s", cmd.Args, said, err, &errs)
	}
	return cmd
}

// peer is the program of util-linux, the test is skipped without.
func peer(t testing.TB, name string) string {
	t.Helper()
	path := "/usr/bin/" + name
	out, err := exec.Command(path, "--version").Output()
	if err != nil || !strings.Contains(string(out), "util-linux") {
		t.Skipf("no %s of util-linux here: %v %s", name, err, out)
	}
	return path
}

// kinds are the namespaces of a process as the files of /proc/PID/ns name them.
var kinds = []string{"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"}

// namespaces are those of a process.
func namespaces(pid string) map[string]string {
	m := map[string]string{}
	for _, k := range kinds {
		m[k], _ = os.Readlink("/proc/" + pid + "/ns/" + k)
	}
	return m
}

// report says what a program finds: what util-linux and this are to agree on.
func report() {
	say := func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	runtime.LockOSThread()
	for k, ns := range namespaces("thread-self") {
		say("ns %s %s", k, ns)
	}
	for _, f := range []string{"uid_map", "gid_map", "setgroups", "timens_offsets", "cgroup", "oom_score_adj"} {
		data, _ := os.ReadFile("/proc/self/" + f)
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		for i, l := range lines {
			lines[i] = strings.Join(strings.Fields(l), " ")
		}
		slices.Sort(lines)
		if f == "cgroup" {
			f = "cgroups"
		}
		say("%s %s", f, strings.Join(lines, ", "))
	}
	data, _ := os.ReadFile("/proc/thread-self/status")
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case strings.HasPrefix(f[0], "Cap"), slices.Contains([]string{"Uid:", "Gid:", "Groups:", "NoNewPrivs:", "SigBlk:"}, f[0]):
			say("%s", strings.Join(f, " "))
		}
	}
	say("first %v, parent outside %v", os.Getpid() == 1, os.Getppid() == 0)
	dir, err := os.Getwd()
	say("wd %s %v", dir, err)
	var st unix.Stat_t
	unix.Stat("/", &st)
	say("root %d:%d", st.Dev, st.Ino)
	env := os.Environ()
	slices.Sort(env)
	say("env %q", env)
	self, err := os.Readlink("/proc/self")
	say("proc is ours %v", err == nil && self == fmt.Sprint(os.Getpid()))
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); f[4] == "/" {
			how, _, _ := strings.Cut(f[6], ":")
			say("propagation %s", how)
		}
	}
	for fd := 3; fd < 64; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			say("descriptor %d", fd)
		}
	}
	say("args %q", os.Args[1:])
	for _, s := range []os.Signal{unix.SIGHUP, unix.SIGINT} {
		say("ignores %v %v", s, signal.Ignored(s))
	}
}

// digest is a report with the names of namespaces that are the same in each run:
// those of the test, of a target, or new ones.
func digest(text string, known map[string]map[string]string) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, l := range lines {
		f := strings.Fields(l)
		if len(f) != 3 || f[0] != "ns" {
			continue
		}
		name := "new"
		if f[2] == "" {
			name = "none"
		}
		// A target may share some with the test, and with another.
		for _, who := range slices.Backward(slices.Sorted(maps.Keys(known))) {
			if known[who][f[1]] == f[2] {
				name = who
			}
		}
		if known["own"][f[1]] == f[2] {
			name = "own"
		}
		lines[i] = "ns " + f[1] + " " + name
	}
	slices.Sort(lines)
	return lines
}

// difference lists what one digest has and the other has not.
func difference(ours, theirs []string) string {
	var b strings.Builder
	for _, l := range ours {
		if !slices.Contains(theirs, l) {
			fmt.Fprintf(&b, "\n ours:   %s", l)
		}
	}
	for _, l := range theirs {
		if !slices.Contains(ours, l) {
			fmt.Fprintf(&b, "\n theirs: %s", l)
		}
	}
	return b.String()
}

// agree runs both with the same arguments and a report as the program, and holds
// them against each other. It says whether they ran it.
func (h *tools) agree(name string, known map[string]map[string]string, args ...string) bool {
	h.t.Helper()
	args = append(slices.Clone(args), h.at("report"), "-x", "y")
	keep, err := os.Open("/dev/null")
	check(h.t, err)
	defer keep.Close()
	one := func(program string) result {
		cmd := h.command(append([]string{program}, args...)...)
		cmd.ExtraFiles = []*os.File{keep}
		return h.finish(cmd)
	}
	ours, theirs := one(name), one(peer(h.t, name))
	if ours.status != theirs.status {
		h.t.Errorf("%s %q: status %#x, util-linux's %#x\n ours:   %s\n theirs: %s", name, args, ours.status, theirs.status, ours.err, theirs.err)
		return false
	}
	if known == nil {
		known = map[string]map[string]string{}
	}
	known["own"] = namespaces("self")
	if d := difference(digest(ours.out, known), digest(theirs.out, known)); d != "" {
		h.t.Errorf("%s %q:%s", name, args, d)
	}
	return ours.status == 0
}
