package enter_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// count says what signals it gets, a word each, until it gets SIGUSR2.
func count() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH)
	fmt.Println("ready", os.Getpid())
	for s := range signals {
		fmt.Println(unix.SignalName(s.(unix.Signal)))
		if s == unix.SIGUSR2 {
			os.Exit(3)
		}
	}
}

// job is a command line that runs count.
type job struct {
	*exec.Cmd
	t     *testing.T
	said  *bufio.Reader
	child int
}

func (h *tools) job(args ...string) *job {
	h.t.Helper()
	j := &job{Cmd: h.command(append(args, h.at("count"))...), t: h.t}
	out, err := j.StdoutPipe()
	check(h.t, err)
	j.SysProcAttr.Setpgid = true
	j.Stderr = os.Stderr
	check(h.t, j.Start())
	h.t.Cleanup(func() {
		unix.Kill(-j.Process.Pid, unix.SIGKILL)
		j.Wait()
	})
	j.said = bufio.NewReader(out)
	word, pid, _ := strings.Cut(j.hear(), " ")
	if word != "ready" {
		h.t.Fatalf("%q says %q", args, word)
	}
	j.child, err = strconv.Atoi(pid)
	check(h.t, err)
	return j
}

// hear is the next line that the program says, "" when it has ended.
func (j *job) hear() string {
	j.t.Helper()
	lines := make(chan string, 1)
	go func() {
		line, _ := j.said.ReadString('\n')
		lines <- strings.TrimSuffix(line, "\n")
	}()
	select {
	case l := <-lines:
		return l
	case <-time.After(bundletest.Patience):
		j.t.Fatalf("%q says nothing", j.Args)
		return ""
	}
}

func (j *job) kill(sig unix.Signal) {
	j.t.Helper()
	check(j.t, unix.Kill(j.Process.Pid, sig))
}

// change is the next stop or end of the process.
func (j *job) change() (s unix.WaitStatus) {
	j.t.Helper()
	for end := time.Now().Add(bundletest.Patience); ; time.Sleep(time.Millisecond) {
		pid, err := unix.Wait4(j.Process.Pid, &s, unix.WUNTRACED|unix.WNOHANG, nil)
		if err != unix.EINTR {
			check(j.t, err)
		}
		if pid > 0 {
			return s
		}
		if time.Now().After(end) {
			j.t.Fatalf("%q neither ends nor stops", j.Args)
		}
	}
}

// Without a fork the process is the program: what it is sent the program gets,
// and as that ends, so does it.
func TestPassesSignalsOn(t *testing.T) {
	bundletest.Plain(t)
	h := newTools(t, false)
	target := h.target(0, -1)
	for _, args := range [][]string{{"unshare", "-r"}, {"unshare", "-ru"}, {"nsenter", "-t", target, "-w"}} {
		j := h.job(args...)
		for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1} {
			j.kill(sig)
			if got := j.hear(); got != unix.SignalName(sig) {
				t.Errorf("%q: sent %v, the program got %q", args, sig, got)
			}
		}
		j.kill(unix.SIGUSR2)
		if s := j.change(); !s.Exited() || s.ExitStatus() != 0 && j.hear() != "SIGUSR2" || s.ExitStatus() != 3 {
			t.Errorf("%q: %#x", args, s)
		}
		// The program goes with it.
		j = h.job(args...)
		j.kill(unix.SIGKILL)
		bundletest.Until(t, "the program's end", func() bool { return unix.Kill(j.child, 0) == unix.ESRCH })
	}
}

// An end by a signal is one, also for who waits, and leaves no core.
func TestEndsAsTheProgram(t *testing.T) {
	bundletest.Plain(t)
	h := newTools(t, false)
	target := h.target(0, -1)
	for _, args := range [][]string{{"unshare"}, {"unshare", "-r", "-f"}, {"unshare", "-r", "-f", "-p"}, {"nsenter", "-t", target, "-w"}, {"nsenter", "-t", h.target(unix.CLONE_NEWPID, 0), "-U", "-p", "--preserve-credentials"}} {
		for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL, unix.SIGSEGV, unix.SIGQUIT, unix.SIGUSR1, unix.SIGHUP, unix.SIGPIPE, unix.SIGALRM} {
			if sig != unix.SIGKILL && args[len(args)-1] == "-p" {
				continue // an init does not die of what it does to itself
			}
			r := h.run(append(append([]string{}, args...), "sh", "-c", fmt.Sprintf("ulimit -c unlimited; kill -%d $$", sig))...)
			want := r.status.Signaled() && r.status.Signal() == sig && !r.status.CoreDump()
			if args[len(args)-1] == "-p" { // the init is not killed by itself at all
				want = r.status.Exited() && r.status.ExitStatus() == 0
			}
			if !want || strings.Contains(r.err, "goroutine") {
				t.Errorf("%q, %v: %#x %s", args, sig, r.status, r.err)
			}
		}
		for _, status := range []int{0, 1, 77, 255} {
			if r := h.run(append(append([]string{}, args...), "sh", "-c", fmt.Sprintf("exit %d", status))...); r.status.ExitStatus() != status || r.err != "" {
				t.Errorf("%q, %d: %#x %s", args, status, r.status, r.err)
			}
		}
		for program, status := range map[string]int{"/nonesuch": 127, "nonesuch": 127, "/etc/passwd": 126, "/etc": 126, "/etc/passwd/x": 127} {
			if r := h.run(append(append([]string{}, args...), program)...); r.status.ExitStatus() != status {
				t.Errorf("%q, %s: %#x %s", args, program, r.status, r.err)
			}
		}
	}
}

// With a fork it is util-linux's parent: each of them, by what a signal to it does.
func TestForkedSignals(t *testing.T) {
	bundletest.Plain(t)
	h := newTools(t, false)
	target := h.target(unix.CLONE_NEWPID, 0)
	programs := []string{"unshare", peer(t, "unshare")}
	for i, unshare := range programs {
		// Interrupts and SIGTERM do nothing, and the program lives.
		j := h.job(unshare, "-r", "-f")
		j.kill(unix.SIGTERM)
		j.kill(unix.SIGINT)
		check(t, unix.Kill(j.child, unix.SIGUSR2))
		if got := j.hear(); got != "SIGUSR2" {
			t.Errorf("%s -f: %s", unshare, got)
		}
		if s := j.change(); s.ExitStatus() != 3 {
			t.Errorf("%s -f: %#x", unshare, s)
		}
		// Another signal ends the parent alone, or with --kill-child both.
		for _, c := range []struct{ option, want string }{{"-f", ""}, {"--kill-child=TERM", "SIGTERM"}} {
			j = h.job(unshare, "-r", c.option)
			j.kill(unix.SIGUSR1)
			if s := j.change(); !s.Signaled() || s.Signal() != unix.SIGUSR1 {
				t.Errorf("%s %s: %#x", unshare, c.option, s)
			}
			if c.want == "" {
				check(t, unix.Kill(j.child, unix.SIGUSR2))
				c.want = "SIGUSR2"
			}
			if got := j.hear(); got != c.want {
				t.Errorf("%s %s: %s, want %s", unshare, c.option, got, c.want)
			}
		}
		nsenter := []string{"nsenter", peer(t, "nsenter")}[i]
		j = h.job(nsenter, "-t", target, "-U", "-p", "--preserve-credentials")
		j.kill(unix.SIGTERM)
		if s := j.change(); !s.Signaled() || s.Signal() != unix.SIGTERM {
			t.Errorf("%s -p: %#x", nsenter, s)
		}
		check(t, unix.Kill(-j.Process.Pid, unix.SIGUSR2))
		if got := j.hear(); got != "SIGUSR2" {
			t.Errorf("%s -p: the program got %s", nsenter, got)
		}
	}
	j := h.job("unshare", "-r", "--forward-signals")
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
		j.kill(sig)
		if got := j.hear(); got != unix.SignalName(sig) {
			t.Errorf("--forward-signals: %s, want %v", got, sig)
		}
	}
}

// What was ignored stays so in the program.
func TestIgnored(t *testing.T) {
	bundletest.Plain(t)
	h := newTools(t, false)
	for _, tool := range []string{"unshare", peer(t, "unshare")} {
		if tool == "unshare" {
			tool = h.at(tool)
		}
		const show = `grep SigIgn /proc/self/status`
		want := h.must("/bin/sh", "-c", `trap "" HUP INT; `+show)
		if got := h.must("/bin/sh", "-c", `trap "" HUP INT; exec `+tool+` sh -c '`+show+`'`); got != want {
			t.Errorf("%s: %s, want %s", tool, got, want)
		}
	}
}

// A program that stops takes its parent with it, for the shell to see, and goes on
// with it.
func TestStops(t *testing.T) {
	bundletest.Plain(t)
	h := newTools(t, false)
	for _, args := range [][]string{{"unshare", "-r"}, {"unshare", "-r", "-f"}, {"nsenter", "-t", h.target(unix.CLONE_NEWPID, 0), "-U", "-p", "--preserve-credentials"}} {
		j := h.job(args...)
		for range 20 {
			// As the terminal does, and then the shell.
			check(t, unix.Kill(-j.Process.Pid, unix.SIGTSTP))
			if s := j.change(); !s.Stopped() {
				t.Fatalf("%q: %#x, not stopped", args, s)
			}
			check(t, unix.Kill(-j.Process.Pid, unix.SIGCONT))
			check(t, unix.Kill(-j.Process.Pid, unix.SIGWINCH))
			if got := j.hear(); got != "SIGWINCH" {
				t.Fatalf("%q: %s", args, got)
			}
		}
		// To the parent alone.
		check(t, unix.Kill(-j.Process.Pid, unix.SIGTSTP))
		if s := j.change(); !s.Stopped() {
			t.Fatalf("%q: %#x, not stopped", args, s)
		}
		j.kill(unix.SIGCONT)
		check(t, unix.Kill(-j.Process.Pid, unix.SIGWINCH))
		if got := j.hear(); got != "SIGWINCH" {
			t.Errorf("%q: %s", args, got)
		}
	}
}

// shell starts its arguments as a job in the foreground of its terminal, and says
// how that ended.
func shell() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Foreground: true}
	err := cmd.Run()
	fmt.Printf("ended %v\n", err)
}

// An interrupt of the terminal's comes once, though the parent gets it too.
func TestTerminal(t *testing.T) {
	bundletest.Plain(t)
	h := newTools(t, false)
	for _, tool := range []string{"unshare", peer(t, "unshare")} {
		fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		check(t, err)
		master := os.NewFile(uintptr(fd), "master")
		defer master.Close()
		check(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
		peerFD, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
		if errno != 0 {
			t.Fatal(errno)
		}
		slave := os.NewFile(peerFD, "slave")
		if h.cred != nil {
			check(t, slave.Chown(plainID, plainID))
		}
		path := tool
		if path == "unshare" {
			path = h.at(path)
		}
		cmd := h.command("shell", path, "-r", h.at("count"))
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
		check(t, cmd.Start())
		slave.Close()
		check(t, master.SetReadDeadline(time.Now().Add(bundletest.Patience)))
		said := bufio.NewReader(master)
		next := func() string {
			line, err := said.ReadString('\n')
			if err != nil {
				t.Fatalf("%s: %v", tool, err)
			}
			return strings.TrimPrefix(strings.TrimSpace(line), "^C")
		}
		word, pid, _ := strings.Cut(next(), " ")
		if word != "ready" {
			t.Fatalf("%s: %s", tool, word)
		}
		if _, err := master.Write([]byte{3}); err != nil {
			t.Fatal(err)
		}
		got := []string{next()}
		n, err := strconv.Atoi(pid)
		check(t, err)
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		check(t, err)
		front := n
		if tool == "unshare" {
			front, err = strconv.Atoi(strings.Fields(string(stat))[3]) // its parent
			check(t, err)
		}
		for _, sig := range []unix.Signal{unix.SIGUSR1, unix.SIGUSR2} {
			// Behind whatever else the parent would pass on.
			check(t, unix.Kill(front, sig))
			got = append(got, next())
		}
		got = append(got, next())
		cmd.Wait()
		if s := strings.Join(got, " "); s != "SIGINT SIGUSR1 SIGUSR2 ended exit status 3" {
			t.Errorf("%s: %s", tool, s)
		}
	}
}

// Without a program it is the user's shell, or whatever there is.
func TestShell(t *testing.T) {
	bundletest.Plain(t)
	h := newTools(t, false)
	for _, c := range []struct {
		shell string
		want  string
	}{{"/bin/sh", "-sh"}, {"/nonesuch/zsh", "-sh"}, {"/bin/cat", ""}} {
		for _, tool := range []string{"unshare", "nsenter"} {
			args := []string{tool}
			if tool == "nsenter" {
				args = append(args, "-w/")
			}
			cmd := h.command(args...)
			cmd.Env = append(cmd.Env, "SHELL="+c.shell)
			cmd.Stdin = strings.NewReader("echo $0\n")
			r := h.finish(cmd)
			want := c.want
			if want == "" {
				want = "echo $0"
			}
			if r.status != 0 || strings.TrimSpace(r.out) != want {
				t.Errorf("%s with SHELL=%s: %+v", tool, c.shell, r)
			}
		}
	}
	cmd := h.command("unshare")
	cmd.Stdin = strings.NewReader("echo $0\n")
	if r := h.finish(cmd); r.status != 0 || !strings.HasPrefix(r.out, "-") {
		t.Errorf("without SHELL: %+v", r)
	}
	// A script without a first line for it is the shell's.
	script := h.at("here/script")
	check(t, os.WriteFile(script, []byte("echo script $1\n"), 0o755))
	if got := h.must("unshare", script, "x"); got != "script x" {
		t.Errorf("a script: %s", got)
	}
}
