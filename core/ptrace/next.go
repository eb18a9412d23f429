package ptrace

import (
	"errors"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// ErrNone says that nothing is traced any more.
var ErrNone = errors.New("no tracee is left")

// Next lets the tracee of the last event go on and waits for the next one.
func (t *Tracer) Next() (Event, error) {
	if err := t.goOn(); err != nil {
		return Event{}, err
	}
	for {
		if len(t.tracees) == 0 {
			return Event{}, ErrNone
		}
		var status unix.WaitStatus
		var usage unix.Rusage
		tid, err := unix.Wait4(-1, &status, unix.WALL, &usage)
		if err == unix.EINTR {
			continue
		}
		if err == unix.ECHILD {
			return Event{}, ErrNone
		}
		if err != nil {
			return Event{}, fault.Op(err, "wait for the tracees")
		}
		if t.woken.is(tid) {
			return Event{Kind: Woken}, nil
		}
		e, tell, err := t.event(tid, status)
		if err != nil {
			return Event{}, err
		}
		if tell {
			e.System = usage.Stime.Nano()
			return e, nil
		}
		if err := t.goOn(); err != nil {
			return Event{}, err
		}
	}
}

// goOn resumes the tracee that stopped last.
func (t *Tracer) goOn() error {
	tr := t.current
	t.current = nil
	if tr == nil {
		return nil
	}
	tr.stopped = false
	err := ptrace(t.request, tr.tid, 0, t.resume)
	if err != nil && err != unix.ESRCH {
		return fault.Op(err, "resume %d", tr.tid)
	}
	return nil
}

// stop notes how the tracee is to be resumed.
func (t *Tracer) stop(tr *tracee, request, signal uintptr) {
	tr.stopped = true
	t.current, t.request, t.resume = tr, request, signal
}

// event makes an event of what waitpid(2) said of tid; tell is false for one
// that only the tracer has to know of.
func (t *Tracer) event(tid int, status unix.WaitStatus) (e Event, tell bool, err error) {
	tr := t.tracees[tid]
	e.Tid = tid
	if !status.Stopped() {
		if tr == nil {
			return e, false, nil
		}
		delete(t.tracees, tid)
		e.Kind, e.Status = Exited, status
		return e, true, nil
	}
	born := tr == nil
	if born {
		// A child may stop before its parent tells of it, and a thread that
		// takes its leader's number before the leader was traced.
		tr = &tracee{tid: tid}
		t.tracees[tid] = tr
	}
	t.stop(tr, unix.PTRACE_SYSCALL, 0)
	switch event, sig := int(status>>16), status.StopSignal(); event {
	case unix.PTRACE_EVENT_STOP:
		e.Kind = Attached
		if sig != unix.SIGTRAP {
			// The group is stopped; the tracee has to stay so until SIGCONT.
			t.request = unix.PTRACE_LISTEN
			e.Kind, e.Sig = Stopped, sig
			return e, true, nil
		}
		return e, born, nil
	case unix.PTRACE_EVENT_FORK, unix.PTRACE_EVENT_VFORK, unix.PTRACE_EVENT_CLONE:
		return t.born(tr)
	case unix.PTRACE_EVENT_EXEC:
		return t.executed(tr)
	case unix.PTRACE_EVENT_EXIT:
		e.Kind = Ending
		return e, true, nil
	case 0:
		if sig == unix.SIGTRAP|0x80 {
			return t.call(tr)
		}
		e.Kind, e.Sig = Signal, sig
		t.resume = uintptr(sig)
		if e.Info, err = siginfo(tid); err != nil {
			return e, false, gone(err, "ask %d for its signal", tid)
		}
		return e, true, nil
	}
	return e, false, nil
}

// gone is nil for ESRCH: the tracee was killed, which Next will tell.
func gone(err error, format string, args ...any) error {
	if err == unix.ESRCH {
		return nil
	}
	return fault.Op(err, format, args...)
}

// call is the entry or the exit of a system call.
func (t *Tracer) call(tr *tracee) (Event, bool, error) {
	e := Event{Tid: tr.tid}
	info, err := callInfo(tr.tid)
	if err != nil {
		return e, false, gone(err, "ask %d for its system call", tr.tid)
	}
	switch info[0] {
	case infoEntry:
		tr.inCall = true
		e.Kind, e.Call = Enter, readCall(info[:])
	case infoExit:
		// One that was attached to in a call has not told of its entry.
		known := tr.inCall
		tr.inCall = false
		e.Kind, e.Ret, e.Failed = Exit, int64(word64(info[24:])), info[32] != 0
		return e, known, nil
	default:
		return e, false, nil
	}
	return e, true, nil
}

// born takes in the process or thread that tr has made.
func (t *Tracer) born(tr *tracee) (Event, bool, error) {
	e := Event{Kind: Attached}
	tid, err := message(tr.tid)
	if err != nil {
		return e, false, gone(err, "ask %d for its child", tr.tid)
	}
	e.Tid = int(tid) // in the tracer's PID namespace
	if t.tracees[e.Tid] != nil {
		return e, false, nil
	}
	t.tracees[e.Tid] = &tracee{tid: e.Tid}
	return e, true, nil
}

// executed is told after an execve. The thread that called it has the leader's
// number now, and the process's other threads are gone.
func (t *Tracer) executed(tr *tracee) (Event, bool, error) {
	e := Event{Kind: Superseded, Tid: tr.tid}
	old, err := message(tr.tid)
	if err != nil {
		return e, false, gone(err, "ask %d who it was", tr.tid)
	}
	if int(old) == tr.tid {
		return e, false, nil
	}
	if was := t.tracees[int(old)]; was != nil {
		tr.inCall = was.inCall
		delete(t.tracees, int(old))
	}
	e.Parent = int(old)
	return e, true, nil
}
