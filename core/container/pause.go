package container

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/fault"
)

// StatePaused is the status of a container whose processes are frozen, in the
// word of runc and crun.
const StatePaused specs.ContainerState = "paused"

// Pause freezes all processes of a container that is created or running.
func (s Store) Pause(id string) error {
	return s.freeze(id, func(c *Container, status specs.ContainerState) error {
		if status != specs.StateRunning && status != specs.StateCreated {
			return fault.Op(nil, "container %s is %s: container not running or created", id, status)
		}
		return c.Cgroup.Freeze()
	})
}

// Resume lets them go on.
func (s Store) Resume(id string) error {
	return s.freeze(id, func(c *Container, status specs.ContainerState) error {
		if status != StatePaused {
			return fault.Op(nil, "container %s is %s: container not paused", id, status)
		}
		return c.Cgroup.Thaw()
	})
}

func (s Store) freeze(id string, do func(*Container, specs.ContainerState) error) error {
	c, err := s.Lock(id)
	if err != nil {
		return err
	}
	defer c.Unlock()
	status, err := c.Status()
	if err != nil {
		return err
	}
	if c.Cgroup == nil && (status == specs.StateRunning || status == specs.StateCreated) {
		return fault.Op(nil, "container %s has no cgroup that could be frozen", id).
			WithHint("it was created with --cgroup-manager disabled, on a host without cgroups, or by a user to whom none is delegated")
	}
	return do(c, status)
}

// paused says whether the container's processes are frozen.
func (c *Container) paused() (bool, error) {
	if c.Cgroup == nil {
		return false, nil
	}
	return c.Cgroup.Frozen()
}

// thawKilled lets processes that were sent SIGKILL end: those that version 1
// has frozen do not before.
func (c *Container) thawKilled() error {
	if c.Cgroup == nil || c.Cgroup.Unified != "" {
		return nil
	}
	frozen, err := c.Cgroup.Frozen()
	if err != nil || !frozen {
		return err
	}
	return c.Cgroup.Thaw()
}
