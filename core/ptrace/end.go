package ptrace

import (
	"sync"

	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
)

// wake is the pid of the child that Wake made.
type wake struct {
	mu   sync.Mutex
	pids map[int]bool
}

func (w *wake) is(pid int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := w.pids[pid]
	delete(w.pids, pid)
	return found
}

// Wake makes Next return a Woken event. Any goroutine may call it: Next waits
// for children, so that one which ends at once is what wakes it.
func (t *Tracer) Wake() error {
	p := clone.New()
	p.Call(unix.SYS_EXIT_GROUP, clone.Num(0))
	l, err := p.Link()
	if err != nil {
		return err
	}
	t.woken.mu.Lock()
	defer t.woken.mu.Unlock()
	child, err := l.Start()
	if err != nil {
		return err
	}
	child.Release()
	if t.woken.pids == nil {
		t.woken.pids = map[int]bool{}
	}
	t.woken.pids[child.Pid] = true
	return nil
}

// Detach lets every tracee go; those that run are stopped for that first. It
// calls released with each.
func (t *Tracer) Detach(released func(tid int)) error {
	if tr := t.current; tr != nil {
		t.current = nil
		t.release(tr, t.resume, released)
	}
	for _, tr := range t.tracees {
		if tr.stopped {
			t.release(tr, 0, released)
			continue
		}
		if err := ptrace(unix.PTRACE_INTERRUPT, tr.tid, 0, 0); err != nil && err != unix.ESRCH {
			return fault.Op(err, "interrupt %d", tr.tid)
		}
	}
	for len(t.tracees) > 0 {
		var status unix.WaitStatus
		tid, err := unix.Wait4(-1, &status, unix.WALL, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ECHILD:
			return nil
		case err != nil:
			return fault.Op(err, "wait for the tracees")
		}
		tr := t.tracees[tid]
		switch {
		case tr == nil && status.Stopped():
			// A child that was made meanwhile.
			t.release(&tracee{tid: tid}, 0, released)
		case tr == nil:
		case !status.Stopped():
			delete(t.tracees, tid)
		default:
			t.release(tr, pending(status), released)
		}
	}
	return nil
}

// pending is the signal that a stop has held back.
func pending(status unix.WaitStatus) uintptr {
	sig := status.StopSignal()
	if status>>16 != 0 || sig == unix.SIGTRAP|0x80 {
		return 0
	}
	return uintptr(sig)
}

func (t *Tracer) release(tr *tracee, signal uintptr, released func(tid int)) {
	delete(t.tracees, tr.tid)
	// ESRCH: it has been killed.
	if ptrace(unix.PTRACE_DETACH, tr.tid, 0, signal) == nil {
		released(tr.tid)
	}
}
