package container

import (
	"errors"
	"os"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/early"
	"ocibox/core/fault"
	"ocibox/core/plan"
	"ocibox/core/pty"
	"ocibox/core/signals"
)

// Run creates a container and starts it. In the foreground it stays until the
// container's process has ended, and returns its exit status as a shell gives
// it: 128 and the number for a signal. The container is deleted then, unless
// keep.
func (s Store) Run(o Options, keep bool) (status int, err error) {
	a, err := s.prepare(o, true)
	if err != nil {
		return 0, err
	}
	defer a.release()
	if o.Foreground {
		// From before the process begins, so that none is lost.
		if err := o.Signals.Catch(false, forwarded(a.spec.Process.Terminal)...); err != nil {
			return 0, err
		}
		// Processes that the container's init leaves behind become ours, not
		// the host's init's, while we are there to reap them.
		if !o.NoSubreaper {
			if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
				return 0, fault.Op(err, "become a subreaper")
			}
		}
	}
	err = a.launch()
	if err == nil {
		if err = a.executed(); err == nil {
			err = a.poststart()
		}
	}
	if err != nil {
		return 0, a.undone(err)
	}
	if !o.Foreground {
		return 0, a.undone(a.untilReady())
	}
	take, err := a.c.lend()
	if err != nil {
		return 0, a.undone(err)
	}
	relayed := a.relayNotify(false)
	if status, err = a.attend(take); err != nil {
		return 0, err
	}
	if err := <-relayed; err != nil {
		a.Warn(err.Error()) // the container was no worse for it
	}
	if keep {
		return status, nil
	}
	if err := take(); err == nil {
		return status, s.discard(a.c, a.spec)
	} else if !errors.Is(err, ErrUnknown) {
		return status, err
	}
	return status, nil // somebody else has deleted it
}

// executed waits for the execve to succeed.
func (a *attempt) executed() error {
	if err := a.next(); !errors.Is(err, clone.ErrExec) {
		return err
	}
	return nil
}

// passOn has the signal that would have ended the attempt be one for the process.
func (a *attempt) passOn() {
	if a.stopped != 0 {
		a.caught = append([]unix.Signal{a.stopped}, a.caught...)
		a.stopped = 0
	}
}

// poststart runs the hooks for a process that runs.
func (a *attempt) poststart() error {
	for _, h := range plan.Hooks(a.spec, plan.Poststart) {
		if err := a.hook(h, specs.StateRunning); err != nil {
			return err
		}
	}
	return nil
}

// attend relays the terminal and the signals until the process has ended.
// Before anything is taken back the container is taken again, if it was lent: it is
// somebody else's by now if that fails.
func (a *attempt) attend(take func() error) (int, error) {
	a.letGo()
	if err := a.Signals.Catch(false, unix.SIGCHLD); err != nil {
		return 0, err
	}
	status, err := a.relay()
	if err != nil && take != nil {
		if lost := take(); lost != nil {
			return 0, andThen(err, lost)
		}
	}
	return status, a.undone(err)
}

// relay is the process's terminal to the caller, until it has ended.
func (a *attempt) relay() (int, error) {
	relayed := make(chan error, 1)
	ended := make(chan struct{})
	if a.console != nil {
		master, _, err := pty.Receive(a.console)
		if err != nil {
			return 0, fault.In("process.terminal", err)
		}
		defer master.Close()
		go func() { relayed <- pty.Relay(master, os.Stdin, os.Stdout, pty.Options{Done: ended}) }()
	} else {
		relayed <- nil
	}
	status, err := a.forward()
	close(ended)
	if e := <-relayed; err == nil && e != nil {
		err = fault.In("process.terminal", e)
	}
	if err != nil {
		return 0, err
	}
	if status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// forwarded are the signals that are the container's, besides those of
// Options.Signals: all but those that cannot be caught or that concern the
// caller alone, which are about its children, its terminal's size, its pipes,
// and the Go runtime's own. With a terminal, the job control of the caller's
// shell is the relay's matter.
func forwarded(terminal bool) []unix.Signal {
	list := make([]unix.Signal, 0, signals.Last)
	for n := unix.Signal(1); n <= signals.Last; n++ {
		switch n {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGWINCH, unix.SIGURG, unix.SIGPIPE:
		case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM:
		case unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCONT:
			if !terminal {
				list = append(list, n)
			}
		default:
			list = append(list, n)
		}
	}
	return list
}

// brief is how long, in ms, a process may run for the caller to stay on its processor.
const brief = 100

// forward passes on the signals that the caller is sent, and those that came when
// the process had just begun, until it has ended. None is sent to what is not executed
// yet.
func (a *attempt) forward() (unix.WaitStatus, error) {
	for wait := brief; ; {
		if a.take(); !a.unheard {
			a.passOn()
		}
		if ended, status, err := a.proc.Reaped(); ended || err != nil {
			if a.unheard && err == nil {
				if err = a.outcome(); errors.Is(err, clone.ErrExec) {
					err = nil
				}
			}
			return status, err
		}
		if a.unheard && (a.stopped != 0 || slices.ContainsFunc(a.caught, func(s unix.Signal) bool { return s != unix.SIGCHLD })) {
			if err := a.executed(); err != nil {
				return 0, err
			}
			a.unheard = false
		}
		a.passOn()
		for _, sig := range a.caught {
			if sig != unix.SIGCHLD {
				// It may have ended meanwhile; then there is nobody to tell.
				_ = a.signal(sig)
			}
		}
		a.caught = nil
		signal, _, err := a.Signals.WaitAtMost(wait, -1)
		if err != nil {
			return 0, err
		}
		if !signal {
			if a.console == nil { // else the relay has done it
				early.Unpin()
			}
			wait = -1 // until there is one
		}
	}
}
