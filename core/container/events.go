package container

import (
	"errors"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/cgroup"
	"ocibox/core/fault"
)

// Event is one thing told of a container, in runc's form.
type Event struct {
	Type string `json:"type"` // "stats" or "oom"
	ID   string `json:"id"`
	Data *Stats `json:"data,omitempty"`
}

// Stats are a container's figures.
type Stats struct {
	*cgroup.Stats
	IntelRdt struct{} `json:"intel_rdt"`
	// NetworkInterfaces is what runc has there since it made interfaces itself.
	NetworkInterfaces []struct{} `json:"network_interfaces"`
}

// Stats gives the figures of a container that is there.
func (s Store) Stats(id string) (Event, error) {
	c, err := s.counted(id)
	if err != nil {
		return Event{}, err
	}
	return c.stats()
}

// Events sends the container's figures at once and then every interval, and a
// notice whenever the kernel has killed one of its processes for want of memory.
// It ends when the container does, or send fails.
func (s Store) Events(id string, interval time.Duration, send func(Event) error) error {
	c, err := s.counted(id)
	if err != nil {
		return err
	}
	init, err := c.open()
	if err != nil {
		return err
	}
	defer unix.Close(init)
	fds := []unix.PollFd{{Fd: int32(init), Events: unix.POLLIN}, {Fd: -1, Events: unix.POLLIN}}
	oom, err := c.Cgroup.WatchOOM()
	if err != nil {
		return err
	}
	if oom != nil {
		defer oom.Close()
		fds[1].Fd = int32(oom.FD)
	}
	for next := time.Now(); ; {
		if wait := time.Until(next); wait > 0 {
			_, err := unix.Poll(fds, int(wait.Milliseconds())+1)
			if err != nil && !errors.Is(err, unix.EINTR) {
				return fault.Op(err, "wait for events of %s", id)
			}
		}
		if oom != nil {
			killed, err := oom.Happened()
			if err != nil {
				return err
			}
			if killed {
				if err := send(Event{Type: "oom", ID: id}); err != nil {
					return err
				}
			}
		}
		if fds[0].Revents != 0 {
			return nil
		}
		if time.Now().Before(next) {
			continue
		}
		next = next.Add(interval)
		e, err := c.stats()
		if err != nil {
			return err
		}
		if err := send(e); err != nil {
			return err
		}
	}
}

// counted is a container with a process and a cgroup.
func (s Store) counted(id string) (*Container, error) {
	c, err := s.Load(id)
	if err != nil {
		return nil, err
	}
	status, err := c.Status()
	if err != nil {
		return nil, err
	}
	switch {
	case status == specs.StateStopped || status == specs.StateCreating:
		return nil, fault.Op(nil, "container %s is %s: there is nothing to count", id, status)
	case c.Cgroup == nil:
		return nil, fault.Op(nil, "container %s has no cgroup that would count for it", id)
	}
	return c, nil
}

func (c *Container) stats() (Event, error) {
	s, err := c.Cgroup.Stats()
	return Event{"stats", c.ID, &Stats{Stats: s}}, err
}
