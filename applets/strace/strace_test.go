//go:build amd64 || arm64 || riscv64

package strace

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if !play() {
		os.Exit(m.Run())
	}
}

// patience bounds what would otherwise hang; no test passes by its passing.
const patience = 60 * time.Second

// need skips the test where the machine lacks a program.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("needs %s: %v", program, err)
	}
	return path
}

func self(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// traced is what a tracer's run came to.
type traced struct {
	state *os.ProcessState
	out   string
	errs  string
	trace string // what it wrote to the file of -o
}

// command makes a command of the applet, or of another tracer, whose tracee has
// the role as.
func command(t *testing.T, tracer, as string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(tracer, args...)
	cmd.Env = append(os.Environ(), "GOGC=off", "GODEBUG=asyncpreemptoff=1", "GOMAXPROCS=1", role+"="+as)
	if tracer == self(t) {
		cmd.Env = append(cmd.Env, role+"_OF_TRACEE="+as, role+"=applet")
	}
	return cmd
}

// trace runs a tracer with -o FILE and the arguments to its end.
func trace(t *testing.T, tracer, as string, args ...string) traced {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trace")
	r := run1(t, command(t, tracer, as, append([]string{"-o", file}, args...)...))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; %s", err, r.errs)
	}
	r.trace = string(text)
	return r
}

func run1(t *testing.T, cmd *exec.Cmd) traced {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	cmd.Wait()
	if !timer.Stop() {
		t.Fatalf("%v did not end; %s", cmd.Args, errs.String())
	}
	return traced{state: cmd.ProcessState, out: out.String(), errs: errs.String()}
}

var (
	pointers = regexp.MustCompile(`0x[0-9a-f]{5,}`)
	pids     = regexp.MustCompile(`\b\d{3,}\b`)
	random   = regexp.MustCompile(`getrandom\("[^"]*"`)
	padding  = regexp.MustCompile(` += `)
	inodes   = regexp.MustCompile(`(pipe|socket):\[\d+\]`)
)

// plain takes out of a trace what differs between two runs.
func plain(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		line = random.ReplaceAllString(line, `getrandom("…"`)
		line = inodes.ReplaceAllString(line, "$1:[…]")
		line = pids.ReplaceAllString(pointers.ReplaceAllString(line, "…"), "…")
		lines = append(lines, padding.ReplaceAllString(line, " = "))
	}
	return lines
}

// same wants two traces to be line by line the same.
func same(t *testing.T, what string, ours, theirs []string) {
	t.Helper()
	for i := range max(len(ours), len(theirs)) {
		var a, b string
		if i < len(ours) {
			a = ours[i]
		}
		if i < len(theirs) {
			b = theirs[i]
		}
		if a != b {
			t.Errorf("%s, line %d:\nours   %s\nstrace %s", what, i+1, a, b)
			return
		}
	}
	if len(ours) == 0 {
		t.Errorf("%s: nothing was traced", what)
	}
}

// between are the lines of makeCalls.
func between(t *testing.T, lines []string) []string {
	t.Helper()
	at := func(word string) int {
		hex := "" // of -xx
		for _, c := range []byte(word) {
			hex += fmt.Sprintf(`\x%02x`, c)
		}
		i := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, word) || strings.Contains(l, hex) })
		if i < 0 {
			t.Fatalf("%s is not in the trace:\n%s", word, strings.Join(lines, "\n"))
		}
		return i
	}
	// The Go runtime's own.
	return slices.DeleteFunc(slices.Clone(lines[at(begin):at(end)]), func(l string) bool { return strings.HasPrefix(l, "futex(") })
}

// The calls that container runtimes make, in strace's words.
func TestCallsAsStrace(t *testing.T) {
	strace := need(t, "strace")
	for _, options := range []string{"", "-v", "-s 5", "-x", "-xx", "-y", "-a 60", "-e trace=%file", "-e trace=!%desc", "-e trace=?none,mount,umount2"} {
		t.Run(options, func(t *testing.T) {
			args := append(strings.Fields(options), self(t))
			ours, theirs := trace(t, self(t), "calls", args...), trace(t, strace, "calls", args...)
			if strings.Contains(options, "trace=") {
				// The marks may not be in it.
				named := func(text string) (lines []string) {
					for _, l := range plain(text) {
						if strings.Contains(l, "nonexistent") {
							lines = append(lines, l)
						}
					}
					return lines
				}
				same(t, options, named(ours.trace), named(theirs.trace))
				return
			}
			same(t, options, between(t, plain(ours.trace)), between(t, plain(theirs.trace)))
		})
	}
}

// A static program, from its execve to its end.
func TestProgramsAsStrace(t *testing.T) {
	strace, busybox := need(t, "strace"), need(t, "busybox")
	for _, script := range []string{"true", "echo hello", "ls -l /etc", "cat /etc/passwd", "stat /dev/null", "sh -c 'exit 3'", "sh -c 'kill -USR1 $$'", "nonesuch"} {
		args := []string{busybox, "sh", "-c", "exec " + busybox + " " + script}
		ours, theirs := trace(t, self(t), "", args...), trace(t, strace, "", args...)
		same(t, script, plain(ours.trace), plain(theirs.trace))
		if a, b := ours.state.String(), theirs.state.String(); a != b || ours.out != theirs.out {
			t.Errorf("%s: %s, %q; with strace %s, %q", script, a, ours.out, b, theirs.out)
		}
	}
}

// perProcess are the lines of each process of a trace with pids, in the order
// in which they appear; calls that were cut are whole again. What a race
// between two processes decides is left out.
func perProcess(text string) [][]string {
	var order []string
	lines, open := map[string][]string{}, map[string]string{}
	resumed := regexp.MustCompile(`^<\.\.\. \w+ resumed>`)
	for line := range strings.Lines(text) {
		pid, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		rest = strings.TrimLeft(rest, " ")
		if !slices.Contains(order, pid) {
			order = append(order, pid)
		}
		if head, ok := strings.CutSuffix(rest, " <unfinished ...>"); ok {
			open[pid] = head
			continue
		}
		if mark := resumed.FindString(rest); mark != "" {
			rest = open[pid] + rest[len(mark):]
		}
		if strings.Contains(rest, "ERESTARTSYS") || strings.HasPrefix(rest, "--- SIGCHLD") || strings.HasPrefix(rest, "rt_sigreturn") {
			continue
		}
		lines[pid] = append(lines[pid], plain(rest)...)
	}
	var all [][]string
	for _, pid := range order {
		all = append(all, lines[pid])
	}
	return all
}

func TestFollowAsStrace(t *testing.T) {
	strace, busybox := need(t, "strace"), need(t, "busybox")
	args := []string{"-f", busybox, "sh", "-c", busybox + " true; (" + busybox + " echo a); exit 7"}
	ours, theirs := trace(t, self(t), "", args...), trace(t, strace, "", args...)
	a, b := perProcess(ours.trace), perProcess(theirs.trace)
	if len(a) != 3 || len(b) != 3 || ours.state.ExitCode() != 7 {
		t.Fatalf("%d processes, strace has %d; %v, %s", len(a), len(b), ours.state, ours.errs)
	}
	for i := range a {
		same(t, "process "+strconv.Itoa(i), a[i], b[i])
	}
}

// With -ff, each process has its file.
func TestSeparate(t *testing.T) {
	busybox := need(t, "busybox")
	dir := t.TempDir()
	r := run1(t, command(t, self(t), "", "-ff", "-o", dir+"/t", busybox, "sh", "-c", busybox+" true; exit 0"))
	files, err := filepath.Glob(dir + "/t.*")
	if err != nil || len(files) != 2 || !r.state.Success() {
		t.Fatalf("%q, %v, %v, %s", files, err, r.state, r.errs)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil || !strings.HasSuffix(string(text), "+++ exited with 0 +++\n") || strings.Contains(string(text), "unfinished") {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

// A thread that is not the first executes a program: it has the first one's
// number then.
func TestExecOfAThread(t *testing.T) {
	r := trace(t, self(t), "exec", "-f", self(t))
	if !r.state.Success() {
		t.Fatalf("%v, %s", r.state, r.errs)
	}
	leader, _, _ := strings.Cut(r.trace, " ")
	superseded := regexp.MustCompile(`(?m)^` + leader + `\s+\+\+\+ superseded by execve in pid (\d+) \+\+\+$`).FindStringSubmatch(r.trace)
	if superseded == nil || superseded[1] == leader {
		t.Fatalf("%q, %s", superseded, r.trace)
	}
	for _, want := range []string{leader + ` +<\.\.\. execve resumed>\) += 0`, leader + ` +\+\+\+ exited with 0 \+\+\+`} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).MatchString(r.trace) {
			t.Errorf("no %s in\n%s", want, r.trace)
		}
	}
	between(t, plain(r.trace))
}

// Signals reach the tracee, a stopped one stays stopped until it is continued,
// and how it ends is passed on.
func TestSignals(t *testing.T) {
	busybox := need(t, "busybox")
	for _, c := range []struct {
		script, status string
		trace          []string
	}{
		{"kill -9 $$", "signal: killed", []string{"+++ killed by SIGKILL +++"}},
		{"kill -SEGV $$", "signal: segmentation fault", []string{"--- SIGSEGV {si_signo=SIGSEGV, si_code=SI_USER, si_pid=", "+++ killed by SIGSEGV"}},
		{"kill -ABRT $$", "signal: aborted", []string{"+++ killed by SIGABRT"}},
		{"trap 'exit 5' USR1; kill -USR1 $$", "exit status 5", []string{"--- SIGUSR1 {si_signo=SIGUSR1", "+++ exited with 5 +++"}},
		{"(sleep 0.2; kill -CONT $$) & kill -STOP $$; exit 6", "exit status 6", []string{"--- stopped by SIGSTOP ---", "--- SIGCONT {si_signo=SIGCONT"}},
	} {
		r := trace(t, self(t), "", busybox, "sh", "-c", c.script)
		if got := strings.TrimSuffix(r.state.String(), " (core dumped)"); got != c.status {
			t.Errorf("%s: %s, %s", c.script, got, r.errs)
		}
		for _, want := range c.trace {
			if !strings.Contains(r.trace, want) {
				t.Errorf("%s: no %s in\n%s", c.script, want, r.trace)
			}
		}
	}
}

// until waits for what is true soon.
func until(t *testing.T, what string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !true(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func status(t *testing.T, pid int, key string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, key+":\t"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// sleeper is a process to attach to.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := command(t, need(t, "busybox"), "", "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// attach traces a process until the signal, which is to end the tracer too.
func attach(t *testing.T, pid int, sig syscall.Signal, options ...string) (errs string) {
	t.Helper()
	var text bytes.Buffer
	cmd := command(t, self(t), "", append(options, "-p", strconv.Itoa(pid))...)
	cmd.Stderr = &text
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the tracer attaches", func() bool { return status(t, pid, "TracerPid") == strconv.Itoa(cmd.Process.Pid) })
	time.Sleep(50 * time.Millisecond) // or it would be interrupted before its first wait
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != sig {
		t.Errorf("%v: %v, %s", sig, cmd.ProcessState, text.String())
	}
	return text.String()
}

func TestAttach(t *testing.T) {
	s := sleeper(t)
	pid := s.Process.Pid
	for _, sig := range []syscall.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		errs := attach(t, pid, sig)
		for _, want := range []string{"Process " + strconv.Itoa(pid) + " attached\n", "Process " + strconv.Itoa(pid) + " detached\n", " <detached ...>\n"} {
			if !strings.Contains(errs, want) {
				t.Errorf("no %q in %q", want, errs)
			}
		}
		if by := status(t, pid, "TracerPid"); by != "0" {
			t.Errorf("%s traces it still", by)
		}
	}
	until(t, "it sleeps again", func() bool { return strings.HasPrefix(status(t, pid, "State"), "S") })
	// One that is stopped stays so.
	if err := s.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, "it stops", func() bool { return strings.HasPrefix(status(t, pid, "State"), "T") })
	if errs := attach(t, pid, unix.SIGINT); !strings.Contains(errs, "--- stopped by SIGSTOP ---") {
		t.Errorf("%q", errs)
	}
	until(t, "it is stopped again", func() bool { return strings.HasPrefix(status(t, pid, "State"), "T (stopped)") })
}

// The threads of a process are all attached to, and let go.
func TestAttachThreads(t *testing.T) {
	cmd := exec.Command(self(t))
	cmd.Env = append(os.Environ(), role+"=sleep")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	pid := cmd.Process.Pid
	until(t, "it has threads", func() bool { return status(t, pid, "Threads") > "2" && status(t, pid, "Threads") < "9" })
	errs := attach(t, pid, unix.SIGINT, "-f")
	if !regexp.MustCompile(`Process `+strconv.Itoa(pid)+` attached with \d threads\n`).MatchString(errs) || strings.Count(errs, "detached\n") < 3 {
		t.Errorf("%q", errs)
	}
	tasks, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		tid, _ := strconv.Atoi(task.Name())
		if by := status(t, tid, "TracerPid"); by != "0" {
			t.Errorf("%s traces thread %d still", by, tid)
		}
	}
}

// childOf is the program that a tracer has started, 0 before it runs.
func childOf(tracer int) (child int) {
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(tracer) + "/task/*/children")
	for _, file := range tasks {
		text, _ := os.ReadFile(file)
		for _, c := range strings.Fields(string(text)) {
			name, _ := os.ReadFile("/proc/" + c + "/comm")
			if string(name) == "busybox\n" || string(name) == "sleep\n" {
				child, _ = strconv.Atoi(c)
			}
		}
	}
	return child
}

// A signal to the tracer ends the program that it started.
func TestInterrupt(t *testing.T) {
	var errs bytes.Buffer
	cmd := command(t, self(t), "", need(t, "busybox"), "sleep", "1000")
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var child int
	until(t, "the program runs", func() bool {
		child = childOf(cmd.Process.Pid)
		return child != 0
	})
	time.Sleep(50 * time.Millisecond)
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != unix.SIGTERM {
		t.Errorf("%v, %s", cmd.ProcessState, errs.String())
	}
	until(t, "the program ends", func() bool { return unix.Kill(child, 0) == unix.ESRCH })
}

func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("no program\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		want string // of the first line
	}{
		{"", "no PROGRAM and no -p PID"},
		{"-p 4194304", "attach to 4194304: no such process"},
		{"-p x", "-p x: not a process id"},
		{"-p 0", "-p 0: not a process id"},
		{"-o /nonexistent/x true", "open /nonexistent/x: no such file or directory"},
		{"-o |cat true", "-o: only files, no commands"},
		{"/nonexistent/program", "stat /nonexistent/program: no such file or directory"},
		{"no-such-program", "find no-such-program in PATH: no such file or directory"},
		{"-q " + text, "execve(" + text + "): exec format error"},
		{"-q /etc", "execve(/etc): permission denied"},
		{"-e trace=nonesuch true", `-e trace: there is no system call "nonesuch"`},
		{"-e trace=%nonesuch true", `-e trace: there is no system call "%nonesuch"`},
		{"-e nonesuch=1 true", "-e nonesuch: not trace, signal or quiet"},
		{"-e inject=all true", "-e inject: not trace, signal or quiet"},
		{"-e signal=NONESUCH true", `-e signal: there is no signal "NONESUCH"`},
		{"-e quiet=x true", "-e quiet=x: not attach, exit, personality, thread-execve or all"},
		{"-s -1 true", "-s: a negative number"},
		{"-I 5 true", "-I: not 1, 2, 3 or 4"},
		{"-yy true", "-yy: only paths of descriptors are printed, with -y"},
		{"-c -C true", "-c and -C exclude each other"},
		{"-S x -c true", "-S x: not time, calls, errors, name or nothing"},
		{"-k true", "command line: unknown shorthand flag: 'k' in -k"},
		{"-u no-such-user true", "-u no-such-user: "},
		{"-E X=1", "no PROGRAM and no -p PID"},
	} {
		r := run1(t, command(t, self(t), "", strings.Fields(c.args)...))
		first := ""
		for line := range strings.Lines(r.errs) {
			if l, ok := strings.CutPrefix(line, "strace-lite: "); ok {
				first = l
				break
			}
		}
		if !strings.HasPrefix(first, c.want) || r.state.ExitCode() != 1 {
			t.Errorf("%s: %v, %s", c.args, r.state, r.errs)
		}
	}
}

// A process that is traced already is not traced twice, and the hint says who
// has it.
func TestTracedAlready(t *testing.T) {
	pid := sleeper(t).Process.Pid
	first := command(t, self(t), "", "-p", strconv.Itoa(pid))
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { first.Process.Kill(); first.Wait() }()
	tracer := strconv.Itoa(first.Process.Pid)
	until(t, "the tracer attaches", func() bool { return status(t, pid, "TracerPid") == tracer })
	r := run1(t, command(t, self(t), "", "-p", strconv.Itoa(pid)))
	want := "strace-lite: attach to " + strconv.Itoa(pid) + ": operation not permitted\nhint: process " + tracer + " traces it already\n"
	if r.errs != want || r.state.ExitCode() != 1 {
		t.Errorf("%v, %q", r.state, r.errs)
	}
}

func TestNotPermitted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a process of another user")
	}
	busybox := need(t, "busybox")
	pid := sleeper(t).Process.Pid
	dir, err := os.MkdirTemp("", "ocibox-test-") // that others can reach
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	data, err := os.ReadFile(self(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "applet")
	if err := os.WriteFile(program, data, 0o755); err != nil {
		t.Fatal(err)
	}
	as := func(args ...string) traced {
		cmd := exec.Command(program, args...)
		cmd.Dir = "/"
		cmd.Env = []string{role + "=applet", "PATH=" + os.Getenv("PATH")}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
		return run1(t, cmd)
	}
	if r := as("-p", strconv.Itoa(pid)); !strings.HasPrefix(r.errs, "strace-lite: attach to "+strconv.Itoa(pid)+": operation not permitted\n") {
		t.Errorf("%q", r.errs)
	}
	if r := as("-u", "root", busybox, "true"); !strings.HasPrefix(r.errs, "strace-lite: -u root: only root ") {
		t.Errorf("%q", r.errs)
	}
	// A plain user traces programs of its own.
	if r := as("-e", "trace=execve", busybox, "true"); !r.state.Success() || !strings.HasPrefix(r.errs, "execve(") {
		t.Errorf("%v, %q", r.state, r.errs)
	}
	// Root executes one as a plain user.
	if r := trace(t, self(t), "", "-u", "nobody", "-E", "ONE=1", busybox, "sh", "-c", "id -u; echo $ONE"); r.out != "65534\n1\n" || strings.Contains(r.trace, "setresuid") {
		t.Errorf("%q, %q", r.out, r.errs)
	}
}

var counted = regexp.MustCompile(`(?m)^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(\d*) +(\w+)$`)

func TestSummaryAsStrace(t *testing.T) {
	strace, busybox := need(t, "strace"), need(t, "busybox")
	count := func(text string) (rows []string) {
		for _, m := range counted.FindAllStringSubmatch(text, -1) {
			rows = append(rows, m[3]+" "+m[1]+" "+m[2])
		}
		slices.Sort(rows)
		return rows
	}
	args := []string{"-c", "-S", "calls", busybox, "cat", "/etc/passwd", "/nonexistent"}
	ours, theirs := trace(t, self(t), "", args...), trace(t, strace, "", args...)
	same(t, "-c", count(ours.trace), count(theirs.trace))
	head, _, _ := strings.Cut(theirs.trace, "\n")
	if !strings.HasPrefix(ours.trace, head+"\n------ ----------- ") {
		t.Errorf("%s", ours.trace)
	}
}

func TestTimes(t *testing.T) {
	busybox := need(t, "busybox")
	for options, form := range map[string]string{
		"-t":    `^\d\d:\d\d:\d\d execve\(`,
		"-tt":   `^\d\d:\d\d:\d\d\.\d{6} execve\(`,
		"-ttt":  `^\d{10}\.\d{6} execve\(`,
		"-r":    `^     0\.000000 execve\(`,
		"-T":    `^execve\(.* = 0 <\d+\.\d{6}>\n`,
		"-r -T": `\n     0\.\d{6} .* <\d+\.\d{6}>\n`,
	} {
		args := append(strings.Fields(options), busybox, "true")
		if r := trace(t, self(t), "", args...); !regexp.MustCompile(form).MatchString(r.trace) {
			t.Errorf("%s: %s", options, r.trace)
		}
	}
}
