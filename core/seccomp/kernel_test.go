package seccomp

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// jobEnv makes the test binary load a filter and make calls under it.
const jobEnv = "OCIBOX_SECCOMP_TEST"

// patience is how long anything may take that is waited for.
const patience = 30 * time.Second

// job is what the test binary does then.
type job struct {
	Profile *specs.LinuxSeccomp
	Calls   []rawCall
	Through string // how the calls are made: a key of callers
}

type rawCall struct {
	NR   uintptr
	Args [6]uintptr
}

// caller makes a call and gives what it returns: -errno where it failed.
type caller func(rawCall) int

func rawSyscall(c rawCall) int {
	a := c.Args
	r, _, errno := unix.RawSyscall6(c.NR, a[0], a[1], a[2], a[3], a[4], a[5])
	if errno != 0 {
		return -int(errno)
	}
	return int(r)
}

func TestMain(m *testing.M) {
	if text := os.Getenv(jobEnv); text != "" {
		if err := work(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// load puts the calling thread under a profile, and gives the listener.
func load(s *specs.LinuxSeccomp) (int, error) {
	f, err := Compile(s)
	if err != nil {
		return -1, err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, fmt.Errorf("prctl(PR_SET_NO_NEW_PRIVS): %w", err)
	}
	prog := unix.SockFprog{Len: uint16(len(f.Program)), Filter: &f.Program[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(f.Flags), uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return -1, fmt.Errorf("seccomp(flags %#x): %w", f.Flags, errno)
	}
	return int(fd), nil
}

func work(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	// A process that is killed shall leave no core in this folder.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("setrlimit(RLIMIT_CORE): %w", err)
	}
	runtime.LockOSThread()
	switch j.Through {
	case "thread":
		return killedThread(&j)
	case "trace":
		return traced(&j)
	case "notify":
		return notified(&j)
	}
	call, err := callers(j.Through)
	if err != nil {
		return err
	}
	if _, err := load(j.Profile); err != nil {
		return err
	}
	for _, c := range j.Calls {
		fmt.Println(call(c))
	}
	return nil
}

// killedThread makes the call in a thread of its own, and sees it go.
func killedThread(j *job) error {
	tids := make(chan int)
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		_, err := load(j.Profile)
		failed <- err
		tids <- unix.Gettid()
		rawSyscall(j.Calls[0])
		failed <- errors.New("the thread lives")
	}()
	if err := <-failed; err != nil {
		return err
	}
	task := fmt.Sprintf("/proc/self/task/%d", <-tids)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err := os.Stat(task); errors.Is(err, os.ErrNotExist) {
			fmt.Println("the thread is gone")
			return nil
		}
		select {
		case err := <-failed:
			return err
		default:
		}
	}
	return errors.New("the thread stays")
}

// traced says which thread is to be traced, and waits until it is.
func traced(j *job) error {
	if _, err := load(j.Profile); err != nil {
		return err
	}
	fmt.Println(unix.Gettid())
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		return err
	}
	fmt.Println(rawSyscall(j.Calls[0]))
	return nil
}

// seccompNotif and seccompNotifResp are those of seccomp_unotify(2).
type seccompNotif struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type seccompNotifResp struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

// notified answers a call of its own with the sum of its first two arguments.
func notified(j *job) error {
	results := make(chan int, 1)
	listeners := make(chan int)
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		fd, err := load(j.Profile)
		failed <- err
		listeners <- fd
		results <- rawSyscall(j.Calls[0])
	}()
	if err := <-failed; err != nil {
		return err
	}
	fd := <-listeners
	var n seccompNotif
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n))); errno != 0 {
		return fmt.Errorf("SECCOMP_IOCTL_NOTIF_RECV: %w", errno)
	}
	r := seccompNotifResp{id: n.id, val: int64(n.args[0] + n.args[1])}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&r))); errno != 0 {
		return fmt.Errorf("SECCOMP_IOCTL_NOTIF_SEND: %w", errno)
	}
	fmt.Println(<-results)
	return nil
}

// command is the test binary with a job.
func command(t *testing.T, j job) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), jobEnv+"="+string(text))
	cmd.Stderr = &strings.Builder{}
	return cmd
}

// outcome is what a job prints, a word a line, and the signal that ends it or
// that Go's runtime dies of.
func outcome(t *testing.T, j job) string {
	t.Helper()
	cmd := command(t, j)
	out, err := cmd.Output()
	words := strings.Join(strings.Fields(string(out)), " ")
	if w, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return strings.TrimSpace(words + " " + unix.SignalName(w.Signal()))
	}
	line, _, _ := strings.Cut(fmt.Sprint(cmd.Stderr), "\n")
	if err != nil && !strings.HasPrefix(line, "SIG") {
		t.Fatalf("%+v: %v: %v%s", j, err, cmd.Stderr, out)
	}
	return words + line
}

// one is a profile with a rule for getpgid, a call that Go never makes.
func one(act specs.LinuxSeccompAction, errno *uint, args ...specs.LinuxSeccompArg) *specs.LinuxSeccomp {
	s := &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Syscalls:      []specs.LinuxSyscall{{Names: []string{"getpgid"}, Action: act, ErrnoRet: errno, Args: args}},
	}
	if act == specs.ActNotify {
		s.ListenerPath = "/run/agent"
	}
	return s
}

// kernelCase is a job and its outcome.
type kernelCase struct {
	name    string
	profile *specs.LinuxSeccomp
	through string
	calls   []rawCall
	want    string
}

func (c *kernelCase) test(t *testing.T) {
	if got := outcome(t, job{c.profile, c.calls, c.through}); got != c.want {
		t.Errorf("%q, want %q", got, c.want)
	}
}

var ownGroup = fmt.Sprint(unix.Getpgrp())

func TestKernelActions(t *testing.T) {
	getpgid := []rawCall{{NR: unix.SYS_GETPGID}}
	logged := one(specs.ActLog, nil)
	logged.Flags = []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog, "SECCOMP_FILTER_FLAG_TSYNC"}
	synced := one(specs.ActNotify, nil)
	synced.Flags = []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC", specs.LinuxSeccompFlagWaitKillableRecv}
	for _, c := range []kernelCase{
		{"allow", one(specs.ActAllow, nil), "", getpgid, ownGroup},
		{"log", logged, "", getpgid, ownGroup},
		{"errno", one(specs.ActErrno, nil), "", getpgid, "-1"},
		{"errno 4095", one(specs.ActErrno, number(4095)), "", getpgid, "-4095"},
		{"errno 0", one(specs.ActErrno, number(0)), "", getpgid, "0"},
		{"trace without a tracer", one(specs.ActTrace, nil), "", getpgid, "-38"},
		{"kill the process", one(specs.ActKillProcess, nil), "", getpgid, "SIGSYS"},
		{"kill the thread", one(specs.ActKillThread, nil), "thread", getpgid, "the thread is gone"},
		{"kill", one(specs.ActKill, nil), "thread", getpgid, "the thread is gone"},
		{"trap", one(specs.ActTrap, nil), "", getpgid, "SIGSYS: bad system call"},
		{"notify", one(specs.ActNotify, nil), "notify", []rawCall{{unix.SYS_GETPGID, [6]uintptr{40, 2}}}, "42"},
		{"notify, all threads", synced, "notify", []rawCall{{unix.SYS_GETPGID, [6]uintptr{40, 3}}}, "43"},
		{"a condition", one(specs.ActErrno, number(7), specs.LinuxSeccompArg{Index: 0, Op: specs.OpGreaterThan, Value: 1<<31 - 1}), "",
			[]rawCall{{NR: unix.SYS_GETPGID}, {unix.SYS_GETPGID, [6]uintptr{1<<31 - 1}}, {unix.SYS_GETPGID, [6]uintptr{1 << 31}}}, ownGroup + " -3 -7"},
	} {
		t.Run(c.name, c.test)
	}
}

// A tracer stops at the call, and is told the rule's number.
func TestKernelTrace(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := command(t, job{one(specs.ActTrace, number(77)), []rawCall{{NR: unix.SYS_GETPGID}}, "trace"})
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
	var tid int
	if _, err := fmt.Fscan(out, &tid); err != nil {
		t.Fatal(err, cmd.Stderr)
	}
	if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(tid), 0, unix.PTRACE_O_TRACESECCOMP, 0, 0); errno != 0 {
		in.Close()
		t.Skipf("ptrace: %v: %v", errno, cmd.Wait())
	}
	if _, err := in.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	var w unix.WaitStatus
	for {
		if _, err := unix.Wait4(tid, &w, unix.WALL, nil); err != nil {
			t.Fatal(err)
		}
		if !w.Stopped() {
			t.Fatalf("it did not stop at the call: %#x", w)
		}
		if w.TrapCause() == unix.PTRACE_EVENT_SECCOMP {
			break
		}
		// Go's own signals go on to it.
		if err := unix.PtraceCont(tid, int(w.StopSignal())); err != nil {
			t.Fatal(err)
		}
	}
	if msg, err := unix.PtraceGetEventMsg(tid); err != nil || msg != 77 {
		t.Errorf("event message %d, %v", msg, err)
	}
	if err := unix.PtraceDetach(tid); err != nil {
		t.Fatal(err)
	}
	var ret string
	if _, err := fmt.Fscan(out, &ret); err != nil || ret != ownGroup {
		t.Errorf("%q, %v, want %s", ret, err, ownGroup)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// Docker's profile, in the kernel: what it allows, refuses and does not know.
func TestKernelDocker(t *testing.T) {
	name := "docker-" + runtime.GOARCH + ".json"
	if _, err := os.Stat("testdata/" + name); err != nil {
		t.Skip("there is no fixture for this architecture: ", err)
	}
	got := outcome(t, job{fixture(t, name), []rawCall{
		{NR: unix.SYS_GETPGID},
		{NR: unix.SYS_SWAPOFF},
		{NR: unix.SYS_CLONE3},
		{unix.SYS_PERSONALITY, [6]uintptr{0xffffffff}},
		{unix.SYS_PERSONALITY, [6]uintptr{1}},
		{unix.SYS_SOCKET, [6]uintptr{unix.AF_ALG, unix.SOCK_SEQPACKET}},
		{unix.SYS_SOCKET, [6]uintptr{unix.AF_UNIX, 4095}},
		{unix.SYS_CLONE, [6]uintptr{unix.CLONE_NEWUSER}},
		{NR: 1000},
		{NR: ^uintptr(0)},
	}, ""})
	if want := ownGroup + " -1 -38 0 -1 -1 -22 -1 -38 -38"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
