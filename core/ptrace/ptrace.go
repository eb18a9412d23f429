// Package ptrace follows processes through their system calls, signals and ends,
// with PTRACE_SEIZE of ptrace(2): a tracee is stopped only for as long as it
// takes to look at it, and group-stops and signals reach it as without a tracer.
package ptrace

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// A Kind says what an Event tells.
type Kind int

const (
	Attached   Kind = iota // Tid is traced now, which a tracee has made
	Enter                  // a system call begins
	Exit                   // a system call has ended
	Signal                 // a signal is about to be delivered
	Stopped                // by the signal Sig, with all its group
	Superseded             // Tid is the process's leader now, and was Parent before: execve(2) of another thread
	Ending                 // the thread is about to end; a call that it is in has no end of its own
	Exited                 // with Status; Tid is gone
	Woken                  // Wake was called
)

// Event is something that happened to a tracee. It is stopped until the next
// call of Next, but for Exited.
type Event struct {
	Kind   Kind
	Tid    int
	Parent int
	Call   Call            // of Enter
	Ret    int64           // of Exit
	Failed bool            // of Exit: Ret is an errno's negative
	Sig    unix.Signal     // of Signal and Stopped
	Info   []byte          // of Signal: its siginfo_t
	Status unix.WaitStatus // of Exited
	System int64           // nanoseconds of system time that the thread has used, as far as they are counted
}

// Call is a system call as it is made.
type Call struct {
	Arch   uint32 // AUDIT_ARCH_X86_64 …
	IP, SP uint64
	Nr     uint64
	Args   [6]uint64
}

// Options of a Tracer.
type Options struct {
	Follow bool // trace the processes and threads that tracees make
}

// Tracer traces. All its methods but Wake belong to the one thread that made
// it: the kernel lets no other one ask about a tracee.
type Tracer struct {
	options Options
	tracees map[int]*tracee
	current *tracee // stopped since the last event
	resume  uintptr // signal to resume it with
	request uintptr // PTRACE_SYSCALL, or PTRACE_LISTEN in a group-stop
	woken   wake
}

type tracee struct {
	tid     int
	stopped bool
	inCall  bool
}

// New returns a tracer. The caller has locked its goroutine to the thread, for
// as long as the tracer is used.
func New(o Options) *Tracer {
	return &Tracer{options: o, tracees: map[int]*tracee{}}
}

// always are the options of every tracee.
const always = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACEEXIT

// follow are the options by which what a tracee makes is traced too.
const follow = unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACECLONE

// Seize begins to trace thread tid. With kill, it dies with the tracer.
// EPERM: it may not be traced, or is already; ESRCH: there is no such thread.
func (t *Tracer) Seize(tid int, kill bool) error {
	flags := uintptr(always)
	if t.options.Follow {
		flags |= follow
	}
	if kill {
		flags |= unix.PTRACE_O_EXITKILL
	}
	if err := ptrace(unix.PTRACE_SEIZE, tid, 0, flags); err != nil {
		return fault.Op(err, "attach to %d", tid)
	}
	t.tracees[tid] = &tracee{tid: tid}
	if err := ptrace(unix.PTRACE_INTERRUPT, tid, 0, 0); err != nil && err != unix.ESRCH {
		return fault.Op(err, "interrupt %d", tid)
	}
	return nil
}

// Tids lists what is traced, in no order.
func (t *Tracer) Tids() []int {
	tids := make([]int, 0, len(t.tracees))
	for tid := range t.tracees {
		tids = append(tids, tid)
	}
	return tids
}

// ptrace calls ptrace(2). A tracee can be killed at any time, so that every
// request may end in ESRCH, after which waitpid tells of its death.
func ptrace(request uintptr, tid int, addr, data uintptr) error {
	_, _, errno := syscall.RawSyscall6(unix.SYS_PTRACE, request, uintptr(tid), addr, data, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// message is PTRACE_GETEVENTMSG.
func message(tid int) (uint64, error) {
	var msg uint64
	err := ptrace(unix.PTRACE_GETEVENTMSG, tid, 0, uintptr(unsafe.Pointer(&msg)))
	return msg, err
}

// sizeSiginfo is sizeof(siginfo_t).
const sizeSiginfo = 128

// siginfo is PTRACE_GETSIGINFO.
func siginfo(tid int) ([]byte, error) {
	info := make([]byte, sizeSiginfo)
	err := ptrace(unix.PTRACE_GETSIGINFO, tid, 0, uintptr(unsafe.Pointer(&info[0])))
	return info, err
}

// Values of op in struct ptrace_syscall_info.
const (
	infoEntry = 1
	infoExit  = 2
)

// callInfo is PTRACE_GET_SYSCALL_INFO, Linux 5.3: struct ptrace_syscall_info.
func callInfo(tid int) (info [88]byte, err error) {
	err = ptrace(unix.PTRACE_GET_SYSCALL_INFO, tid, unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)))
	return info, err
}

func word64(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }

// readCall is what callInfo has of a call's entry.
func readCall(info []byte) Call {
	c := Call{Arch: binary.NativeEndian.Uint32(info[4:]), IP: word64(info[8:]), SP: word64(info[16:]), Nr: word64(info[24:])}
	for i := range c.Args {
		c.Args[i] = word64(info[32+8*i:])
	}
	return c
}

// Read reads memory of tracee tid at addr into b, as far as there is some, and
// returns how much that is (process_vm_readv(2)).
func Read(tid int, addr uint64, b []byte) int {
	if len(b) == 0 {
		return 0
	}
	local := unix.Iovec{Base: &b[0]}
	local.SetLen(len(b))
	remote := unix.RemoteIovec{Base: uintptr(addr), Len: len(b)}
	n, _, errno := syscall.RawSyscall6(unix.SYS_PROCESS_VM_READV, uintptr(tid), uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
