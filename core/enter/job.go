// Package enter runs a program in other namespaces: in those of a process
// (nsenter(1)), or in new ones (unshare(1)). Each is a short program for
// core/clone: the child enters, and becomes what is run; this process stays
// where it is, and waits for it.
package enter

import (
	"errors"
	"io"
	"os/signal"
	"runtime"

	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/plan"
	"ocibox/core/proc"
	"ocibox/core/signals"
)

// Command is what is run.
type Command struct {
	Args []string // the shell of the user if there are none
	Env  []string
}

// Job is a program that is ready to run.
type Job struct {
	Warnings []string

	plan    plan.Plan
	p       *clone.Program
	fds     []clone.FD
	close   []func()
	hint    func(f *clone.Failure) (text, hint string)
	flags   uint64
	signals behaviour
}

// behaviour is what becomes of signals that this process gets.
type behaviour int

const (
	// Whoever sent it means the program, which util-linux would have executed in
	// this very process.
	passOn behaviour = iota
	// It ends this process, and not the program, as it does the one that forked.
	endsUs
	// As endsUs, but SIGINT and SIGTERM do nothing.
	spareUs
	// As endsUs, but SIGINT and SIGTERM go to the program.
	forwardTwo
)

func newJob() *Job {
	p := clone.New()
	p.PreserveAll = true
	return &Job{plan: plan.Plan{Program: p}, p: p}
}

// Close lets go of all that was opened for it.
func (j *Job) Close() {
	for _, f := range j.close {
		f()
	}
	j.close = nil
}

// inherit gives the child a descriptor.
func (j *Job) inherit(name string, fd int) clone.Reg {
	r := j.p.Inherit(name)
	j.fds = append(j.fds, clone.FD{Reg: r, FD: fd})
	j.close = append(j.close, func() { unix.Close(fd) })
	return r
}

// stop has the child wait for what the parent does.
func (j *Job) stop(quiet bool, actions ...plan.Action) {
	j.p.Rendezvous(quiet)
	j.plan.Stops = append(j.plan.Stops, plan.Stop{Quiet: quiet, Actions: actions})
}

// Explain writes the steps, without running them.
func (j *Job) Explain(w io.Writer) error { return j.plan.Explain(w, false) }

// Failed is an error about the program itself: it was not there, or could not
// be executed.
type Failed struct {
	Absent bool
	Err    error
}

func (f *Failed) Error() string { return f.Err.Error() }
func (f *Failed) Unwrap() error { return f.Err }

// Run runs the job, and returns how the program ended.
func (j *Job) Run() (unix.WaitStatus, error) {
	// PR_SET_PDEATHSIG follows the thread that clones.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l, err := j.p.Link()
	if err != nil {
		return 0, err
	}
	defer l.Close()
	child, err := l.Start(j.fds...)
	if err != nil {
		return 0, j.explain(err)
	}
	defer child.Release()
	// The child has begun with the dispositions of the caller.
	pipe, err := j.dispose()
	if err != nil {
		return 0, errors.Join(err, child.Kill())
	}
	defer pipe.Close()
	var undo []func() error
	if err := j.launch(child, &undo); err != nil {
		err = j.explain(err)
		if e := child.Kill(); e != nil {
			err = errors.Join(err, e)
		}
		for i := len(undo) - 1; i >= 0; i-- {
			if e := undo[i](); e != nil {
				err = errors.Join(err, e)
			}
		}
		return 0, err
	}
	return j.attend(child.Pid, pipe)
}

// launch goes with the child through its stops, up to the execve.
func (j *Job) launch(child *clone.Process, undo *[]func() error) error {
	for _, stop := range j.plan.Stops {
		if !stop.Quiet {
			if err := child.Next(); err != nil {
				return err
			}
		}
		for _, a := range stop.Actions {
			if a.Do == nil {
				continue
			}
			if err := a.Do(child.Pid); err != nil {
				return fault.In(a.Field, err)
			}
			if a.Undo != nil {
				*undo = append(*undo, a.Undo)
			}
		}
		if err := child.Go(); err != nil {
			if why := child.Next(); why != nil {
				return why
			}
			return err
		}
	}
	if err := child.Next(); !errors.Is(err, clone.ErrExec) {
		return err
	}
	return nil
}

// attend waits for the end of the program, and passes signals on. When it stops, so
// does this process, for the shell to see; when this is continued, it continues
// the program, unless whoever did it has done so already: then that may have
// stopped once more.
func (j *Job) attend(pid int, pipe *signals.Pipe) (unix.WaitStatus, error) {
	resumed := false
	for {
		var s unix.WaitStatus
		changed, err := unix.Wait4(pid, &s, unix.WUNTRACED|unix.WCONTINUED|unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, fault.Op(err, "wait for process %d", pid)
		case changed == 0 && resumed:
			if err := unix.Kill(pid, unix.SIGCONT); err != nil {
				return 0, fault.Op(err, "continue process %d", pid)
			}
			resumed = false
		case changed == 0:
			if _, _, err := pipe.Wait(-1); err != nil {
				return 0, err
			}
			j.relay(pid, pipe)
		case s.Stopped():
			if err := proc.Stop(); err != nil {
				return 0, err
			}
			resumed = true
		case s.Continued():
			resumed = false
		default:
			return s, nil
		}
	}
}

// relay passes on what has come.
func (j *Job) relay(pid int, pipe *signals.Pipe) {
	for sig, kernel := pipe.Received(); sig != 0; sig, kernel = pipe.Received() {
		// What the terminal sends to all of its foreground the program has already.
		if sig != unix.SIGCHLD && !kernel {
			// It may have ended meanwhile; then there is nobody to tell.
			_ = unix.Kill(pid, sig)
		}
	}
}

// dispose decides what becomes of the signals that this process gets: what they do
// by default, which the Go runtime does not let all of them do, unless they are
// passed on, or were ignored when it was started. A stop by the terminal or the
// shell is for the program, which is of the same process group: attend sees
// whether that stops.
func (j *Job) dispose() (*signals.Pipe, error) {
	pipe, err := signals.New()
	if err != nil {
		return nil, err
	}
	if err := j.disposeTo(pipe); err != nil {
		pipe.Close()
		return nil, err
	}
	return pipe, nil
}

func (j *Job) disposeTo(pipe *signals.Pipe) error {
	if err := pipe.Catch(false, unix.SIGCHLD); err != nil {
		return err
	}
	for n := unix.Signal(1); n <= signals.Last; n++ {
		pair := n == unix.SIGINT || n == unix.SIGTERM
		act := proc.Default
		switch {
		case n == unix.SIGCHLD, n == unix.SIGURG, n == unix.SIGPROF, n == unix.SIGKILL, n == unix.SIGSTOP, signal.Ignored(n):
			continue
		case n == unix.SIGTSTP, n == unix.SIGTTIN, n == unix.SIGTTOU, pair && j.signals == spareUs:
			act = proc.Ignore
		case n == unix.SIGWINCH, n == unix.SIGCONT:
			continue
		case j.signals == passOn, pair && j.signals == forwardTwo:
			act = func(n unix.Signal) error { return pipe.Catch(true, n) }
		case n == unix.SIGSEGV, n == unix.SIGBUS, n == unix.SIGFPE:
			continue // the runtime's own
		}
		if err := act(n); err != nil {
			return err
		}
	}
	return nil
}
