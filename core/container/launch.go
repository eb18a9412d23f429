package container

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/files"
	"ocibox/core/namespace"
	"ocibox/core/plan"
)

// launch makes the container up to where its init waits, or runs.
func (a *attempt) launch() error {
	c, err := a.store.make(a.ID)
	if err != nil {
		return err
	}
	a.c, a.signal = c, c.signal
	a.undo = append(a.undo, func() error { return a.store.discard(c, a.spec) })
	a.close = append(a.close, c.Unlock)
	if err := a.prepareNotify(); err != nil {
		return err
	}
	if err := a.begin(); err != nil {
		return err
	}
	if g := a.plan.Cgroup; g != nil && !a.Foreground {
		// One that does not stay has nothing to share.
		g.FilterFile = filepath.Join(a.store.Root, filterFile)
	}
	for _, action := range a.plan.Before {
		if err := a.do(action); err != nil {
			return err
		}
	}
	fds, err := a.descriptors()
	if err != nil {
		return err
	}
	return a.spawn(fds, a.record)
}

// spawn starts the child with fds and goes with it through the plan's stops, at
// the last of which ready is called; not if there is none.
func (a *attempt) spawn(fds []clone.FD, ready func() error) error {
	var err error
	if a.linked, err = a.plan.Program.Link(); err != nil {
		return err
	}
	a.close = append(a.close, func() { a.linked.Close() })
	if len(a.plan.Stops) == 0 {
		a.warn()
	}
	if a.proc, err = a.linked.Start(fds...); err != nil {
		return explainClone(err, a.plan.Program.Flags)
	}
	a.leaveAgent()
	a.close = append(a.close, a.proc.Release)
	a.undo = append(a.undo, a.proc.Kill)
	for i, stop := range a.plan.Stops {
		if !stop.Quiet {
			if err := a.next(); err != nil {
				return err
			}
		}
		for _, action := range stop.Actions {
			if err := a.do(action); err != nil {
				return err
			}
			if action.Undo != nil {
				a.undo = append(a.undo, action.Undo)
			}
			if action.Close != nil {
				a.held = append(a.held, action.Close)
			}
		}
		if i == len(a.plan.Stops)-1 {
			if err := ready(); err != nil {
				return err
			}
			a.warn()
		}
		if stop.Trees {
			if err := a.openTrees(); err != nil {
				return err
			}
		}
		if err := a.proc.Go(); err != nil {
			if why := a.next(); why != nil {
				return why
			}
			return err
		}
		if stop.Trees {
			if err := a.treesOpened(); err != nil {
				return err
			}
		}
	}
	return nil
}

// warn tells what of the config.json could not be had.
func (a *attempt) warn() {
	for _, w := range a.plan.Warnings {
		a.Warn(w)
	}
}

// do carries out what the parent has to do while the child waits, or before it
// is there.
func (a *attempt) do(action plan.Action) error {
	switch {
	case action.Listener:
		return fault.In(action.Field, a.plan.Listener.Fill(a.linked, a.proc.Pid))
	case action.Hook != nil:
		return a.hook(*action.Hook, specs.StateCreating)
	case action.Do != nil:
		pid := 0
		if a.proc != nil {
			pid = a.proc.Pid
		}
		return fault.In(action.Field, action.Do(pid))
	}
	return nil
}

// hook runs a hook, as long as no signal comes.
func (a *attempt) hook(h plan.Hook, status specs.ContainerState) error {
	if a.hooks == nil {
		a.hooks, a.cancel = context.WithCancel(context.Background())
		a.close = append(a.close, a.cancel)
	}
	stop, err := a.onInterrupt(a.cancel)
	if err != nil {
		return err
	}
	err = runHook(a.hooks, h, a.c.hookState(status, a.proc.Pid))
	stop()
	if errors.Is(err, context.Canceled) {
		return a.interrupted()
	}
	return err
}

// next waits for the child, as long as no signal comes, and turns its failure
// into an error. For one that has been executed, the signal is too late.
func (a *attempt) next() error {
	for {
		wait := -1
		if a.stopped != 0 {
			wait = 0
		}
		signal, word, err := a.Signals.WaitAtMost(wait, a.proc.FD())
		if err != nil {
			return err
		}
		if signal {
			a.take()
		}
		if word {
			err = a.outcome()
		} else if wait < 0 {
			continue
		}
		if err == nil && a.stopped != 0 {
			a.proc.Interrupt()
			return a.interrupted()
		}
		return err
	}
}

// outcome is next without the wait, for when there is something to hear.
func (a *attempt) outcome() error {
	err := a.proc.Next()
	if f, ok := err.(*clone.Failure); ok {
		return explain(f, a.spec, a.plan)
	}
	return err
}

func (a *attempt) interrupted() error {
	return fault.Op(nil, "interrupted by %s", unix.SignalName(a.stopped))
}

// take reads what signals have come.
func (a *attempt) take() {
	for s := a.Signals.Next(); s != 0; s = a.Signals.Next() {
		switch s {
		case unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM:
			if a.stopped == 0 {
				a.stopped = s
				continue
			}
		}
		a.caught = append(a.caught, s)
	}
}

// onInterrupt calls f when a signal comes that ends the attempt, until stop is
// called. The signals are nobody else's meanwhile.
func (a *attempt) onInterrupt(f func()) (stop func(), err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fault.Op(err, "make a pipe")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for over := false; !over && a.stopped == 0; {
			signal, end, err := a.Signals.Wait(int(r.Fd()))
			if over = end || err != nil; signal {
				a.take()
			}
		}
		if a.stopped != 0 {
			f()
		}
	}()
	return func() { w.Close(); <-done; r.Close() }, nil
}

// begin writes down what is known of the container before it is there: what
// its poststop hooks will have to know, whatever happens meanwhile.
func (a *attempt) begin() error {
	a.c.State = State{
		Version: a.spec.Version, ID: a.ID, Bundle: a.plan.Bundle, Rootfs: a.plan.RootFS,
		Created: time.Now().UTC(), Owner: uint32(os.Geteuid()), Annotations: a.spec.Annotations,
		Paths: a.plan.Paths, NoKeyring: a.NoKeyring, NoHooks: a.spec.Hooks == nil, Cgroup: a.plan.Cgroup,
	}
	if a.plan.Rdt != nil {
		// Before they are made, for delete --force after a kill -9.
		a.c.Rdt = a.plan.Rdt.Missing()
	}
	if err := a.c.keep(a.plan.Config); err != nil {
		return err
	}
	return a.c.saveFirst()
}

// record makes the container known: its init stands ready.
func (a *attempt) record() error {
	a.c.Pid = a.proc.Pid
	if err := a.c.identify(); err != nil {
		return err
	}
	if kind := own(a.spec); a.c.Cgroup == nil && kind != nil && kind.Flag == unix.CLONE_NEWNS {
		a.c.MountID = namespace.MountID(a.proc.Pid)
	}
	if err := a.writePid(); err != nil {
		return err
	}
	if err := a.sendPidfds(); err != nil {
		return err
	}
	return a.c.save()
}

func (a *attempt) writePid() error {
	if a.PidFile == "" {
		return nil
	}
	if err := files.Replace(a.PidFile, []byte(strconv.Itoa(a.proc.Pid)), 0o644); err != nil {
		return err
	}
	a.undo = append(a.undo, func() error { return os.Remove(a.PidFile) })
	return nil
}

// letGo gives up what only the undoing of an action needs, once it is settled
// that the container stays.
func (a *attempt) letGo() {
	for _, f := range a.held {
		f()
	}
	a.held = nil
}

// undone takes everything back if err is not nil.
func (a *attempt) undone(err error) error {
	if err == nil {
		return nil
	}
	for i := len(a.undo) - 1; i >= 0; i-- {
		err = andThen(err, a.undo[i]())
	}
	return err
}

// andThen is err, and what went wrong in undoing what led to it.
func andThen(err, undo error) error {
	if undo == nil {
		return err
	}
	return &fault.Error{Text: err.Error() + "; and then", Err: undo, Hint: fault.Hint(err)}
}

// release closes what the caller need not keep. The child is not waited for.
func (a *attempt) release() {
	a.letGo()
	for i := len(a.close) - 1; i >= 0; i-- {
		a.close[i]()
	}
}
