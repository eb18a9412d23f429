package container

import (
	"errors"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/rdt"
)

// Start lets a created container execute its program, and tells why it could
// not.
func (s Store) Start(id string) error {
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
	sock, err := c.connect(0)
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
		// It is about to exit: a status that is asked for next shall say so.
		_ = c.end()
		e := f.Fault()
		if strings.HasPrefix(f.Call, "execve(") {
			e.Hint = execHint(c.Rootfs, c.Paths, f.Errno)
		}
		return e
	}
	return err
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
func (s Store) Delete(id string, force bool) error {
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
	if err := c.end(); err != nil {
		return err
	}
	if err := rdt.Remove(c.Rdt...); err != nil {
		return fault.In("linux.intelRdt", err)
	}
	return c.remove()
}
