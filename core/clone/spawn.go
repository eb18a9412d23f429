package clone

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// cloneArgs is struct clone_args of clone3(2), its first version.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls uint64
}

// Linked is a program with its addresses resolved, in an arena of its own.
type Linked struct {
	prog *Program
	mem  []byte
	base unsafe.Pointer
	data uintptr // offset of the program's data
	head int     // instructions before the program's first: the sweep of descriptors
}

func (l *Linked) header() *header { return (*header)(l.base) }

func (l *Linked) insn(pc int) *insn {
	return (*insn)(unsafe.Add(l.base, l.header().code+uintptr(pc)*insnSize))
}

func (l *Linked) reg(r Reg) *uintptr {
	return (*uintptr)(unsafe.Add(l.base, l.header().regs+uintptr(r)*wordSize))
}

// Link resolves the program's addresses. The result is released with Close.
func (p *Program) Link() (*Linked, error) {
	// Between two kept descriptors, and on both sides, there is a gap.
	head := len(p.inherit) + 1
	ncode := head + len(p.code)
	round := func(n uintptr) uintptr { return (n + 15) &^ 15 }
	regs := round(headerSize)
	code := round(regs + uintptr(len(p.regs))*wordSize)
	scr := round(code + uintptr(ncode)*insnSize)
	cpy := round(scr + scratchSize)
	data := cpy
	if slices.ContainsFunc(p.code, func(i *Insn) bool { return i.op == opCopy }) {
		data = round(cpy + unsafe.Sizeof(copyState{}))
	}
	labels := p.labels()
	text := data + uintptr(len(p.data))
	size := text
	for _, s := range labels {
		size += uintptr(len(s))
	}
	mem, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fault.Op(err, "map %d bytes for the container's program", size)
	}
	l := &Linked{prog: p, mem: mem, base: unsafe.Pointer(&mem[0]), data: data, head: head}
	*l.header() = header{code: code, regs: regs, scratch: scr, copy: cpy, ncode: uint32(ncode), report: uint32(p.Sync), sync: uint32(p.Sync)}
	addr := uintptr(l.base) + data
	copy(mem[data:], p.data)
	for _, f := range p.fixups {
		*(*uintptr)(unsafe.Add(l.base, data+f)) += addr
	}
	for pc, s := range labels {
		in := l.insn(head + pc)
		in.label, in.nlabel = text, uintptr(len(s))
		text += uintptr(copy(mem[text:], s))
	}
	for pc := range head {
		*l.insn(pc) = insn{op: opCall, nr: unix.SYS_CLOSE_RANGE}
	}
	for pc, i := range p.code {
		in := l.insn(head + pc)
		in.op, in.nr, in.save, in.log = i.op, i.nr, uint32(i.save), uint32(i.log)
		in.cond, in.value = uint32(i.cond), i.value
		if i.negate {
			in.negate = 1
		}
		for n, e := range i.ignore {
			in.ignore[n] = uint32(e)
		}
		for n, a := range i.args {
			in.arg[n] = a.v
			switch a.kind {
			case argReg:
				in.isReg |= 1 << n
			case argData:
				in.arg[n] += addr
			}
		}
	}
	return l, nil
}

// labels gives, by index in p.code, the text that a failure of an instruction
// carries with it: of those that run when the parent has gone.
func (p *Program) labels() map[int]string {
	m := map[int]string{}
	for pc, i := range p.code {
		if len(m) > 0 || i.op == opAccept {
			s := p.steps[i.step]
			m[pc] = ""
			for _, text := range []string{s.Field, s.Object, p.brief(i)} {
				// All of it has to go into one datagram.
				m[pc] += text[:min(len(text), pathMax)] + "\x00"
			}
		}
	}
	return m
}

// Close releases the arena. No child may be running the program.
func (l *Linked) Close() error {
	l.base = nil
	return unix.Munmap(l.mem)
}

// Value is what the child has left in r.
func (l *Linked) Value(r Reg) uintptr { return *l.reg(r) }

// forkedPid is the process that Program.Fork made, 0 if it did not come to that.
func (l *Linked) forkedPid() int {
	if l.prog.forked == 0 {
		return 0
	}
	return int(*(*int32)(unsafe.Add(l.base, l.data+l.prog.forked)))
}

// sweep fills the first instructions: every descriptor from 3 up that is not
// in keep is closed.
func (l *Linked) sweep(keep []int) {
	slices.Sort(keep)
	from, pc := 3, 0
	gap := func(first, last uintptr) {
		in := l.insn(pc)
		*in = insn{op: opCall, nr: unix.SYS_CLOSE_RANGE}
		in.arg[0], in.arg[1] = first, last
		pc++
	}
	for n := range l.prog.Preserve {
		if from == 3+n {
			from++
		}
	}
	for _, fd := range keep {
		if fd > from {
			gap(uintptr(from), uintptr(fd-1))
		}
		from = max(from, fd+1)
	}
	gap(uintptr(from), uintptr(^uint32(0)))
	for ; pc < l.head; pc++ {
		*l.insn(pc) = insn{op: opCall, nr: unix.SYS_CLOSE_RANGE, cond: uint32(l.prog.Sync), value: ^uintptr(0)}
	}
}

// An FD says which of the caller's descriptors a register of Inherit holds.
type FD struct {
	Reg Reg
	FD  int
}

// Process is a child that runs a program.
type Process struct {
	Pid    int // in the caller's PID namespace; changes when the program forks
	linked *Linked
	mu     sync.Mutex // over the closing of sync
	sync   int
	dead   bool
	status unix.WaitStatus
	broken atomic.Bool
}

// Start clones the process; the child runs the program. One program runs at a
// time, and once.
func (l *Linked) Start(fds ...FD) (*Process, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fault.Op(err, "make a socket pair")
	}
	defer unix.Close(pair[1])
	var keep []int
	for _, f := range append(fds, FD{l.prog.Sync, pair[1]}) {
		*l.reg(f.Reg) = uintptr(f.FD)
		keep = append(keep, f.FD)
	}
	l.sweep(keep)
	args := cloneArgs{flags: l.prog.Flags, exitSignal: uint64(unix.SIGCHLD)}
	syscall.ForkLock.Lock()
	pid, errno := fork3(l.base, &args)
	syscall.ForkLock.Unlock()
	if errno != 0 {
		unix.Close(pair[0])
		return nil, &Failure{Errno: errno, Call: "clone3(" + namespaceFlags.format(uintptr(l.prog.Flags)) + ")"}
	}
	return &Process{Pid: int(pid), linked: l, sync: pair[0]}, nil
}

//go:linkname runtimeBeforeFork syscall.runtime_BeforeFork
func runtimeBeforeFork()

//go:linkname runtimeAfterFork syscall.runtime_AfterFork
func runtimeAfterFork()

//go:linkname runtimeAfterForkInChild syscall.runtime_AfterForkInChild
func runtimeAfterForkInChild()

// stackRoom is more stack than the child's functions take together in any
// build: with -N -l that is 2 KB. (//go:nosplit would limit them to 800 bytes.)
const stackRoom = 16 << 10

// fork3 is clone3 whose child runs the program at base. As in the Go runtime's
// own fork, signals are blocked around it, so that no handler runs in the
// child, and from BeforeFork on the stack must not grow. So there has to be
// room before: reserve makes it, and it is still there if the stack has not
// moved since.
//
//go:norace
//go:nocheckptr
//go:noinline
func fork3(base unsafe.Pointer, args *cloneArgs) (uintptr, syscall.Errno) {
	var mark byte
	for {
		before := uintptr(unsafe.Pointer(&mark))
		reserve()
		runtimeBeforeFork()
		if before == uintptr(unsafe.Pointer(&mark)) {
			break
		}
		runtimeAfterFork()
	}
	pid, _, e := syscall.RawSyscall6(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0, 0, 0, 0)
	if e != 0 || pid != 0 {
		runtimeAfterFork()
		return pid, e
	}
	runtimeAfterForkInChild()
	// BeforeFork made every check for stack room fail; there is room.
	runtimeAfterFork()
	run(base)
	return 0, 0
}

//go:noinline
func reserve() byte {
	var room [stackRoom]byte
	return touch(&room)
}

//go:noinline
func touch(room *[stackRoom]byte) byte { return room[0] }

// Failure is an instruction that failed in a child, or the clone itself.
type Failure struct {
	Step  Step
	Call  string // such as "fsconfig(size=64q)"
	Errno syscall.Errno
	Log   string // the kernel's own words, from an fs context
	Pid   int    // process that ran it
}

// Error is "call: reason".
func (f *Failure) Error() string {
	if f.Log != "" {
		return f.Call + ": " + f.Log
	}
	return f.Call + ": " + f.Errno.Error()
}

func (f *Failure) Unwrap() error { return f.Errno }

// Fault is f with the config.json field it comes from.
func (f *Failure) Fault() *fault.Error {
	return &fault.Error{Field: strings.TrimSpace(f.Step.Field + " " + f.Step.Object), Err: f}
}

// ErrExec says that the program has come to its execve, and that succeeded.
var ErrExec = errors.New("the program was executed")

// ErrInterrupted says that Interrupt was called.
var ErrInterrupted = errors.New("interrupted")

// Interrupt makes the child exit at its next Rendezvous, and Next return
// ErrInterrupted. It may be called while another goroutine is in Next or
// in Release.
func (p *Process) Interrupt() {
	p.broken.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	unix.Shutdown(p.sync, unix.SHUT_RDWR)
}

// Next waits until the child stands at a Rendezvous that is not quiet, and
// returns nil; ErrExec after the execve; a *Failure; or what ended the child.
func (p *Process) Next() error {
	m, text, err := receive(p.sync)
	if p.broken.Load() {
		return ErrInterrupted
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fault.Op(err, "hear from the container's init")
	}
	if old := p.Pid; p.forked() {
		if _, err := wait4(old); err != nil {
			return err
		}
	}
	switch {
	case err != nil:
		return p.ended()
	case m.kind == msgReached:
		return nil
	}
	f := &Failure{Call: "close_range()", Errno: syscall.Errno(m.errno), Pid: p.Pid}
	if pc := int(m.pc) - p.linked.head; pc >= 0 {
		i := p.linked.prog.code[pc]
		f.Step, f.Call = p.linked.prog.steps[i.step], p.linked.prog.brief(i)
		f.Log = fsLog(text[p.linked.insn(int(m.pc)).nlabel:])
	}
	return f
}

// ended tells why the child's end of the socket is closed.
func (p *Process) ended() error {
	h := p.linked.header()
	if in := p.linked.insn(int(h.pc)); in.op == opExec && in.state == stateRunning && in.errno == 0 {
		return ErrExec
	}
	status, err := p.Wait()
	if err != nil {
		return err
	}
	return fault.Op(nil, "the container's init ended before it executed anything (%s)", describe(status))
}

func describe(s unix.WaitStatus) string {
	if s.Signaled() {
		return "signal " + unix.SignalName(s.Signal())
	}
	return fmt.Sprintf("exit status %d", s.ExitStatus())
}

// Go lets the child go on from where it waits.
func (p *Process) Go() error {
	return Go(p.sync)
}

// Go sends the word that a Rendezvous or an Accept waits for.
func Go(sock int) error {
	for {
		err := unix.Sendto(sock, []byte{wordGo}, unix.MSG_NOSIGNAL, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fault.Op(err, "tell the container's init to go on")
		}
		return nil
	}
}

// forked makes p the process that Program.Fork made, and says whether that is
// another one than before.
func (p *Process) forked() bool {
	pid := p.linked.forkedPid()
	if pid == 0 || pid == p.Pid {
		return false
	}
	p.Pid = pid
	return true
}

// Wait waits for the child's end and reaps it.
func (p *Process) Wait() (unix.WaitStatus, error) {
	for !p.dead {
		s, err := wait4(p.Pid)
		if err != nil {
			return 0, err
		}
		p.dead, p.status = !p.forked(), s
	}
	return p.status, nil
}

// Reap is Wait for a caller that has no other children but those which the
// child left behind: it reaps them as they end.
func (p *Process) Reap() (unix.WaitStatus, error) {
	for !p.dead {
		var s unix.WaitStatus
		pid, err := unix.Wait4(-1, &s, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, fault.Op(err, "wait for process %d", p.Pid)
		case pid == p.Pid:
			p.dead, p.status = true, s
		}
	}
	return p.status, nil
}

// Kill ends the child, and the one that it may have forked meanwhile, and
// reaps them.
func (p *Process) Kill() error {
	for !p.dead {
		if err := unix.Kill(p.Pid, unix.SIGKILL); err != nil {
			return fault.Op(err, "kill process %d", p.Pid)
		}
		s, err := wait4(p.Pid)
		if err != nil {
			return err
		}
		p.dead, p.status = !p.forked(), s
	}
	return nil
}

// Release closes the caller's end of the socket; a child that waits exits.
func (p *Process) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sync >= 0 {
		unix.Close(p.sync)
		p.sync = -1
	}
}

func wait4(pid int) (unix.WaitStatus, error) {
	var s unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &s, 0, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, fault.Op(err, "wait for process %d", pid)
		}
		return s, nil
	}
}

// receive reads one message; io.EOF when the other end is closed.
func receive(sock int) (message, []byte, error) {
	var m message
	buf := make([]byte, 5*pathMax) // a label's three texts and a log
	for {
		n, err := unix.Read(sock, buf)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ECONNRESET || err == nil && n == 0:
			return m, nil, io.EOF
		case err != nil:
			return m, nil, err
		case n < int(unsafe.Sizeof(m)):
			return m, nil, unix.EBADMSG
		}
		copy(Bytes(&m), buf)
		return m, buf[unsafe.Sizeof(m):n], nil
	}
}

// Outcome reads from a connection to a program's Accept until it knows how
// the execve went: nil, a *Failure, or that the process ended before it.
func Outcome(sock int) error {
	executes := false
	for {
		m, text, err := receive(sock)
		switch {
		case errors.Is(err, io.EOF) && executes:
			return nil
		case errors.Is(err, io.EOF):
			return fault.Op(nil, "the container's init ended before it executed anything")
		case err != nil:
			return fault.Op(err, "hear from the container's init")
		case m.kind == msgReached:
			executes = true
			continue
		}
		parts := strings.SplitN(string(text), "\x00", 4)
		if m.kind != msgFailed || len(parts) != 4 {
			return fault.Op(unix.EBADMSG, "hear from the container's init")
		}
		return &Failure{Step: Step{parts[0], parts[1]}, Call: parts[2], Errno: syscall.Errno(m.errno), Log: fsLog([]byte(parts[3]))}
	}
}

// fsLog makes one line of an fs context's messages: "e tmpfs: Bad value" and
// its like, errors before warnings and notes (fsopen(2)).
func fsLog(text []byte) string {
	var errs, rest []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch msg, isErr := strings.CutPrefix(line, "e "); {
		case isErr:
			errs = append(errs, msg)
		case len(line) > 2:
			rest = append(rest, line[2:])
		}
	}
	if len(errs) == 0 {
		errs = rest
	}
	return strings.Join(errs, "; ")
}
