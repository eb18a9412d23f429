package container

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/plan"
)

// ExecOptions say how a process is executed in a container.
type ExecOptions struct {
	Options // all but Bundle
	// Cgroups are where the process belongs, as cgroup.Group.Sub takes them; none
	// for the container's own.
	Cgroups      []string
	IgnorePaused bool // wait in a container that is paused, until it is resumed
	// Process makes the process out of that of the container's config.json,
	// which it may change.
	Process func(own *specs.Process) (*specs.Process, error)
}

// Exec executes one more process in a container that is created or running,
// as runc does. In the foreground it stays until that process has ended, and
// returns its exit status as Run does. Else it returns when the execve has
// succeeded.
func (s Store) Exec(o ExecOptions) (int, error) {
	c, err := s.Load(o.ID)
	if err != nil {
		return 0, err
	}
	init, err := c.open()
	if err != nil {
		return 0, err
	}
	defer unix.Close(init)
	status, err := c.execute(o, init)
	if err != nil && c.ending() {
		return 0, c.notRunning() // whatever failed, this is why
	}
	return status, err
}

// execute does it with the init's pidfd.
func (c *Container) execute(o ExecOptions, init int) (int, error) {
	a, err := c.join(o, init)
	if err != nil {
		return 0, err
	}
	defer a.release()
	if o.Foreground {
		if err := o.Signals.Catch(false, forwarded(a.spec.Process.Terminal)...); err != nil {
			return 0, err
		}
	}
	fds, err := a.descriptors()
	if err != nil {
		return 0, err
	}
	if a.plan.Init != 0 {
		fds = append(fds, clone.FD{Reg: a.plan.Init, FD: init})
	}
	a.signal = func(sig unix.Signal) error { return unix.Kill(a.proc.Pid, sig) } // a child that is not reaped: the number is nobody else's
	err = a.spawn(fds, a.announce)
	// Who waits for its end anyway hears then whether it was executed: to be woken for
	// that alone is a turn more. A terminal is made ready for what is.
	if a.unheard = o.Foreground && a.console == nil; err == nil && !a.unheard {
		err = a.executed()
	}
	if err != nil {
		return 0, a.undone(err)
	}
	if !o.Foreground {
		return 0, nil
	}
	return a.attend(nil)
}

// join checks, with the init's pidfd, all that can be checked before there is a process.
func (c *Container) join(o ExecOptions, init int) (*attempt, error) {
	spec, err := c.Spec()
	if err != nil {
		return nil, err
	}
	t, err := c.target(spec)
	if err != nil {
		return nil, err
	}
	// Else what was looked at may have been another process.
	if runs, err := c.runs(init); err != nil || !runs {
		return nil, c.notRunning()
	}
	paused, err := c.paused()
	if err != nil {
		return nil, err
	}
	if paused && !o.IgnorePaused {
		return nil, fault.Op(nil, "cannot exec in a paused container").WithHint("resume it, or use --ignore-paused: the process waits then until somebody does")
	}
	group, err := c.groupFor(o.Cgroups)
	if err != nil {
		return nil, err
	}
	if spec.Linux != nil && spec.Linux.Seccomp != nil {
		status, err := c.Status()
		if err != nil {
			return nil, err
		}
		t.State = c.hookState(status, c.Pid)
	}
	// Before, as the process may be read from a pipe, once.
	if err := o.seal(spec); err != nil {
		return nil, err
	}
	if spec.Process, err = o.Process(spec.Process); err != nil {
		return nil, err
	}
	o.size(spec.Process)
	in := plan.Input{Spec: spec, ID: c.ID, Bundle: c.Bundle, PreserveFDs: o.PreserveFDs, NoKeyring: c.NoKeyring, Cgroup: group, Image: o.image}
	// What waits in a paused container is not to run when its caller is gone: it looks for
	// that where it stops.
	in.Unheard = o.Foreground && !paused && !spec.Process.Terminal && o.PidFile == "" && o.PidfdSocket == ""
	if in.Host, err = Host(); err != nil {
		return nil, err
	}
	if err := modules(&in.Host, spec); err != nil {
		return nil, err
	}
	if in.Home, err = homeIn(t.RootFS, passwd, spec.Process.User.UID); err != nil {
		return nil, err
	}
	p, err := plan.Exec(in, t)
	if err != nil {
		return nil, err
	}
	if err := checkConsole(spec.Process.Terminal, o.Options); err != nil {
		return nil, err
	}
	if err := checkInherited("--preserve-fds", 3, o.PreserveFDs); err != nil {
		return nil, err
	}
	if err := checkFilter(p.Seccomp); err != nil {
		return nil, err
	}
	if o.Steps != nil {
		if err := p.Explain(o.Steps, true); err != nil {
			return nil, err
		}
	}
	a := newAttempt(o.Options, spec, p)
	a.c = c
	return a, nil
}

// announce tells who asked for it which process it is, that stands ready.
func (a *attempt) announce() error {
	if a.PidfdSocket != "" {
		pidfd, err := unix.PidfdOpen(a.proc.Pid, 0)
		if err != nil {
			return fault.Op(err, "open process %d", a.proc.Pid)
		}
		defer unix.Close(pidfd)
		if err := sendPidfd(a.PidfdSocket, pidfd, "setns"); err != nil {
			return err
		}
	}
	return a.writePid()
}
