// Package signals catches signals without a goroutine: what is caught can be
// read from a descriptor. To os/signal every signal that is asked for is a
// rendezvous of two threads, and there are 60 of them to be passed on to a
// container, which cost more than the container.
package signals

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// A Pipe brings the signals that are caught. There is one at a time.
type Pipe struct {
	fds     [2]int
	replace []replaced
	room    [Last]replaced
}

type replaced struct {
	signal unix.Signal
	old    sigaction
}

// writeEnd is where the handler writes to; before is what faults of the program
// itself are given to, which is the Go runtime's. The handlers read them.
var (
	//lint:ignore U1000 the handlers read it
	writeEnd int32 = -1
	//lint:ignore U1000 the handlers read it
	before uintptr
)

// record is as much of siginfo_t as the handler writes: the number, an errno and
// the code that says where it comes from.
const record = 12

// New makes a pipe, which catches nothing yet.
func New() (*Pipe, error) {
	p := &Pipe{}
	p.replace = p.room[:0]
	if err := unix.Pipe2(p.fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fault.Op(err, "make a pipe for signals")
	}
	writeEnd = int32(p.fds[1])
	return p, nil
}

// sigaction is struct kernel_sigaction of rt_sigaction(2). Where there is no
// restorer, on riscv64, the mask is in its place, and as empty.
type sigaction struct {
	handler, flags, restorer uintptr
	mask                     [2]uint64
}

const (
	saSiginfo  = 0x4
	saRestorer = 0x04000000
	saOnstack  = 0x08000000
	saRestart  = 0x10000000
	sigIgn     = 1
)

// Catch has signals come to the pipe from now on, all but those that the process
// was told to ignore (nohup, a shell's background job) if ignored says so.
func (p *Pipe) Catch(ignored bool, signals ...unix.Signal) error {
	for _, s := range signals {
		act := sigaction{handler: handlers[0], flags: saSiginfo | saOnstack | saRestart}
		var old sigaction
		if ignored {
			if err := rtSigaction(s, nil, &old); err != nil {
				return err
			}
			if old.handler == sigIgn {
				continue
			}
		}
		switch s {
		case unix.SIGILL, unix.SIGTRAP, unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV:
			if err := rtSigaction(s, nil, &old); err != nil {
				return err
			}
			// Those that the kernel sends are the Go runtime's.
			if old.handler <= sigIgn {
				continue
			}
			before = old.handler
			act.handler, act.mask = handlers[1], old.mask
		}
		if handlers[2] != 0 {
			act.flags |= saRestorer
			act.restorer = handlers[2]
		}
		if err := rtSigaction(s, &act, &old); err != nil {
			return err
		}
		p.replace = append(p.replace, replaced{s, old})
	}
	return nil
}

func rtSigaction(s unix.Signal, act, old *sigaction) error {
	const size = 8 // of sigset_t
	_, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(act)), uintptr(unsafe.Pointer(old)), size, 0, 0)
	if e != 0 {
		return fault.Op(e, "catch %s", unix.SignalName(s))
	}
	return nil
}

// FD can be polled: Next has a signal when it is readable.
func (p *Pipe) FD() int { return p.fds[0] }

// Next is the next signal that was caught; 0 if there is none.
func (p *Pipe) Next() unix.Signal {
	s, _ := p.Received()
	return s
}

// Received is Next, and whether the signal comes from the kernel itself, such as
// the terminal's driver, and not from a process (si_code, sigaction(2)).
func (p *Pipe) Received() (s unix.Signal, kernel bool) {
	var b [record]byte
	for {
		n, err := unix.Read(p.fds[0], b[:])
		if err == unix.EINTR {
			continue
		}
		if n < record || err != nil {
			return 0, false
		}
		const code = 8
		return unix.Signal(binary.NativeEndian.Uint32(b[:])), int32(binary.NativeEndian.Uint32(b[code:])) > 0
	}
}

// Wait waits until there is a signal, or fd is readable or at its end; other
// says the latter. fd may be -1.
func (p *Pipe) Wait(fd int) (signal, other bool, err error) { return p.WaitAtMost(-1, fd) }

// WaitAtMost is Wait for so many milliseconds, when neither need be; -1 is for ever.
func (p *Pipe) WaitAtMost(ms, fd int) (signal, other bool, err error) {
	list := []unix.PollFd{{Fd: int32(p.fds[0]), Events: unix.POLLIN}, {Fd: int32(fd), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(list, ms)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return false, false, fault.Op(err, "wait for a signal")
		}
		return list[0].Revents != 0, list[1].Revents != 0, nil
	}
}

// Stop lets the signals be what they were. What was caught can still be read.
func (p *Pipe) Stop() {
	for _, r := range p.replace {
		_ = rtSigaction(r.signal, &r.old, nil) // as it was before
	}
	p.replace = nil
}

// End lets the signals by which a process is ended be what they were: all that one needs
// that is about to exit.
func (p *Pipe) End() {
	for _, r := range p.replace {
		switch r.signal {
		case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM:
			_ = rtSigaction(r.signal, &r.old, nil) // as it was before
		}
	}
}

// Close is Stop, and the end of the pipe.
func (p *Pipe) Close() {
	p.Stop()
	writeEnd = -1
	unix.Close(p.fds[0])
	unix.Close(p.fds[1])
}
