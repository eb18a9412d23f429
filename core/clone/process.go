package clone

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

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
	if len(fds)+1 != l.prog.takes() {
		return nil, fault.Op(nil, "%d descriptors for the %d that the program inherits", len(fds), l.prog.takes()-1)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fault.Op(err, "make a socket pair")
	}
	defer unix.Close(pair[1])
	var keep []int
	// A handler of the caller's would run on a stack that the child does not have.
	args := cloneArgs{flags: l.prog.Flags | unix.CLONE_CLEAR_SIGHAND, exitSignal: uint64(unix.SIGCHLD)}
	for _, f := range append(fds, FD{l.prog.Sync, pair[1]}) {
		if f.Reg == l.prog.cgroup {
			args.flags |= unix.CLONE_INTO_CGROUP
			args.cgroup = uint64(f.FD)
			continue
		}
		*l.reg(f.Reg) = uintptr(f.FD)
		keep = append(keep, f.FD)
	}
	l.sweep(keep, pair[0])
	syscall.ForkLock.Lock()
	pid, errno := fork3(l.base, uintptr(len(l.mem)), &args, l.prog.SetsCPUs)
	syscall.ForkLock.Unlock()
	if errno != 0 {
		unix.Close(pair[0])
		return nil, &Failure{Errno: errno, Call: l.Clone()}
	}
	return &Process{Pid: int(pid), linked: l, sync: pair[0]}, nil
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
	f := p.failure(m.pc)
	f.set(m, text[p.linked.label(m.pc).size:])
	return f
}

// failure is one of instruction pc.
func (p *Process) failure(pc uint32) *Failure {
	f := &Failure{Call: "close_range()", Pid: p.Pid}
	n := int(pc) - p.linked.head
	if n < 0 || n >= len(p.linked.prog.code) {
		return f
	}
	prog := p.linked.prog
	i := prog.code[n]
	f.Step, f.Call = prog.steps[i.step], prog.brief(i)
	f.Filtered = slices.ContainsFunc(prog.code[:n], func(i *Insn) bool { return i.op == opCall && i.nr == unix.SYS_SECCOMP })
	return f
}

// ended tells why the child's end of the socket is closed.
func (p *Process) ended() error {
	h := p.linked.header()
	in := p.linked.insn(int(h.pc))
	if in.op == opExec && h.state == stateRunning && h.errno == 0 {
		return ErrExec
	}
	status, err := p.Wait()
	if err != nil {
		return err
	}
	// Under a seccomp filter it may not come to a report.
	switch f := p.failure(h.pc); {
	case !f.Filtered || h.state != stateRunning:
	case h.errno != 0:
		f.Errno = syscall.Errno(h.errno)
		return f
	case status.Signaled():
		f.Log = describe(status)
		return f
	}
	return fault.Op(nil, "the container's process ended before it executed anything (%s)", describe(status))
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

// Reaped says whether the child has ended, and with what status. It is for a
// caller that has no other children but those which the child left behind: it
// reaps them too, and waits for nobody but a process that has forked the child, which ends
// then.
func (p *Process) Reaped() (ended bool, status unix.WaitStatus, err error) {
	for !p.dead {
		var s unix.WaitStatus
		pid, err := unix.Wait4(-1, &s, unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return false, 0, fault.Op(err, "wait for process %d", p.Pid)
		case pid == 0:
			return false, 0, nil
		default:
			if old := p.Pid; p.forked() && pid != old {
				if _, err := wait4(old); err != nil {
					return false, 0, err
				}
			}
			if pid == p.Pid {
				p.dead, p.status = true, s
			}
		}
	}
	return true, p.status, nil
}

// FD can be polled: Next does not wait when it is readable or at its end.
func (p *Process) FD() int { return p.sync }

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
