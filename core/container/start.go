package container

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/plan"
	"ocibox/core/rdt"
)

// Start lets a created container execute its program, and tells why it could
// not. With notifySocket, which is Manager.Notify, it returns when the program
// has said that it is ready, or has ended; if the container was created without
// one, there is nothing to wait for.
func (s Store) Start(id, notifySocket string) error {
	c, err := s.Lock(id)
	if err != nil {
		return err
	}
	defer c.Unlock()
	status, err := c.Status()
	if err != nil {
		return err
	}
	if status != specs.StateCreated {
		return fault.Op(nil, "container %s is %s, not created", id, status)
	}
	spec, err := c.hooked()
	if err != nil {
		return err
	}
	relay, err := c.listenNotify(notifySocket)
	if err != nil {
		return err
	}
	init := -1
	if relay != nil {
		defer relay.Close()
		if init, err = c.open(); err != nil {
			return err
		}
		defer unix.Close(init)
	}
	sock, err := c.connect(0)
	if errors.Is(err, unix.ECONNREFUSED) {
		// Killed since its status was asked for.
		return fault.Op(nil, "container %s is %s, not created", id, specs.StateStopped)
	}
	if err != nil {
		return fault.Op(err, "reach the init of %s", id)
	}
	defer unix.Close(sock)
	if err := clone.Go(sock); err != nil {
		return err
	}
	err = clone.Outcome(sock)
	var f *clone.Failure
	if errors.As(err, &f) {
		e := f.Fault()
		if plan.IsHook(f.Step.Field) {
			return andThen(e, s.destroy(c, spec))
		}
		// It is about to exit: a status that is asked for next shall say so.
		_ = c.end()
		if strings.HasPrefix(f.Call, "execve(") {
			e.Hint = execHint(c.Rootfs, c.Paths, f.Errno)
		}
		if spec, err := c.Spec(); err == nil { // it is for hints alone
			if f.Filtered = filteredAtStart(f, spec); e.Hint == "" {
				e.Hint = filterHint(f, spec)
			}
		}
		return e
	}
	if err != nil {
		return err
	}
	// Nobody listens there any more, which is the quicker told where it is not.
	_ = unix.Unlink(filepath.Join(c.dir, startSock))
	for _, h := range plan.Hooks(spec, plan.Poststart) {
		if err := runHook(context.Background(), h, c.hookState(specs.StateRunning, c.Pid)); err != nil {
			return andThen(err, s.destroy(c, spec))
		}
	}
	if relay == nil {
		return nil
	}
	c.Unlock()
	return relay.Forward(c.Pid, init, true)
}

// destroy ends the container's process and removes the container.
func (s Store) destroy(c *Container, spec *specs.Spec) error {
	if err := c.end(); err != nil {
		return err
	}
	return s.discard(c, spec)
}

// discard removes a container that has no process any more, and runs its
// poststop hooks, which see that it is gone.
func (s Store) discard(c *Container, spec *specs.Spec) error {
	if err := rdt.Remove(c.Rdt...); err != nil {
		return fault.In("linux.intelRdt", err)
	}
	if err := c.endCgroup(); err != nil {
		return err
	}
	if err := c.remove(); err != nil {
		return err
	}
	poststop(spec, c.hookState(specs.StateStopped, 0), s.warn)
	return nil
}

// Kill sends a signal to the container's init, which has to be created or
// running (runtime.md, "Kill").
func (s Store) Kill(id string, sig unix.Signal) error {
	c, err := s.Load(id)
	if err != nil {
		return err
	}
	return c.signal(sig)
}

// Delete removes a container that is stopped or, with its process, one that
// was only created. With force a running one is killed first, one that was
// never finished is cleaned up, and one that is not there is no error.
func (s Store) Delete(id string, force bool) error { return s.delete(id, force, nil) }

// delete is Delete; spec is the container's config.json, if it is known.
func (s Store) delete(id string, force bool, spec *specs.Spec) error {
	c, err := s.Lock(id)
	if force && errors.Is(err, ErrUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Unlock()
	status, err := c.Status()
	if err != nil {
		return err
	}
	switch status {
	case specs.StateStopped, specs.StateCreated:
	case specs.StateCreating:
		// The lock says that nobody is at it any more.
		if !force {
			return fault.Op(nil, "container %s was never finished", id).WithHint("delete --force removes what is left of it")
		}
	default:
		if !force {
			return fault.Op(nil, "container %s is %s", id, status).WithHint("kill it first, or use delete --force")
		}
	}
	if spec == nil {
		spec, err = c.hooked()
	}
	if err != nil {
		// One that was left early had no hooks run for it yet.
		if !errors.Is(err, fs.ErrNotExist) {
			s.warn("no poststop hooks are run: " + err.Error())
		}
		spec = &specs.Spec{}
	}
	return s.destroy(c, spec)
}
