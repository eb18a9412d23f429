// Package enter runs a program in other namespaces: in those of a process
// (nsenter(1)), or in new ones (unshare(1)). Each is a short program for
// core/clone: the child enters, and becomes what is run; this process stays
// where it is, and waits for it.
package enter

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/plan"
	"ocibox/core/proc"
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
	rename  func(err error) error
	target  int // pidfd of the process that is to be there when all is opened, or -1
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
	return &Job{plan: plan.Plan{Program: p}, p: p, target: -1, rename: func(err error) error { return err }}
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
	if err := j.dispose(); err != nil {
		return 0, errors.Join(err, child.Kill())
	}
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
	if list := j.relayed(); len(list) > 0 {
		// It takes its time, as long as the program needs to begin.
		go relay(list, child.Pid)
	}
	return attend(child.Pid)
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

// attend waits for the end of the program. When that stops, so does this
// process, for the shell to see; when it is continued, it continues the program,
// unless whoever did it has done so already: then it may have stopped once more.
func attend(pid int) (unix.WaitStatus, error) {
	options := unix.WUNTRACED
	for {
		var s unix.WaitStatus
		changed, err := unix.Wait4(pid, &s, options, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, fault.Op(err, "wait for process %d", pid)
		case changed == 0:
			if err := unix.Kill(pid, unix.SIGCONT); err != nil {
				return 0, fault.Op(err, "continue process %d", pid)
			}
		case s.Stopped():
			if err := proc.Stop(); err != nil {
				return 0, err
			}
			options = unix.WUNTRACED | unix.WCONTINUED | unix.WNOHANG
			continue
		case !s.Continued():
			return s, nil
		}
		options = unix.WUNTRACED
	}
}

// lastSignal is the kernel's _NSIG on every architecture that we build for.
const lastSignal = 64

// relayed are the signals that are passed on to the program, if they were not
// ignored when this process was started.
func (j *Job) relayed() []os.Signal {
	var list []os.Signal
	switch j.signals {
	case passOn:
		list = []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGPIPE}
	case forwardTwo:
		list = []os.Signal{unix.SIGINT, unix.SIGTERM}
	}
	return slices.DeleteFunc(list, signal.Ignored)
}

// dispose decides what becomes of the other signals: they do to this process what
// they do by default, which the Go runtime does not let all of them do. Without a
// fork the program dies with it then. A stop by the terminal or the shell is for
// the program, which is of the same process group: attend sees whether that stops.
func (j *Job) dispose() error {
	relayed := j.relayed()
	for n := unix.Signal(1); n <= lastSignal; n++ {
		act := proc.Default
		switch n {
		case unix.SIGCHLD, unix.SIGURG, unix.SIGPROF, unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE:
			continue // the runtime's own
		case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
			act = proc.Ignore
		case unix.SIGINT, unix.SIGTERM:
			if j.signals == spareUs {
				act = proc.Ignore
			}
		}
		if signal.Ignored(n) || slices.Contains(relayed, os.Signal(n)) {
			continue
		}
		if err := act(n); err != nil {
			return err
		}
	}
	return nil
}

// relay passes signals on, for as long as this process lives.
func relay(list []os.Signal, pid int) {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, list...)
	for s := range signals {
		// Where the terminal sends it to all, the program has it already.
		if sig := s.(unix.Signal); !terminals(sig) || !foreground() {
			// It may have ended meanwhile; then there is nobody to tell.
			_ = unix.Kill(pid, sig)
		}
	}
}

// terminals says whether a terminal sends the signal to all of its foreground
// processes, the program among them.
func terminals(sig unix.Signal) bool {
	switch sig {
	case unix.SIGINT, unix.SIGQUIT, unix.SIGHUP:
		return true
	}
	return false
}

// foreground says whether this process is in the foreground of its terminal.
func foreground() bool {
	tty, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(tty)
	front, err := unix.IoctlGetUint32(tty, unix.TIOCGPGRP)
	return err == nil && int(front) == unix.Getpgrp()
}
