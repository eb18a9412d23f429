package container

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// KillAll sends a signal to every process of the container, also to those of
// one without a pid namespace whose init has ended: see Members. What is born
// meanwhile gets SIGKILL too, but no other signal. That there are none is no
// error, as with runc: engines ask for it after the init's end.
func (s Store) KillAll(id string, sig unix.Signal) error {
	c, err := s.Load(id)
	if err != nil {
		return err
	}
	if c.Cgroup != nil && sig == unix.SIGKILL {
		return c.killCgroup()
	}
	told := map[process]bool{}
	ended := false // the init, by SIGKILL
	for deadline := time.Now().Add(killPatience); time.Now().Before(deadline); {
		fresh, err := c.signalMembers(sig, told)
		var u unlisted
		switch {
		case errors.As(err, &u) && ended:
			// So has the container perhaps, and before Linux 6.11 what tells its
			// processes from others.
			return nil
		case errors.As(err, &u):
			return u.error
		case err != nil:
			return err
		}
		if fresh == 0 || sig != unix.SIGKILL {
			return nil
		}
		// What looks for the others is in the way of an init that is about to end.
		if err := c.end(); err != nil {
			return err
		}
		ended = true
	}
	return fault.Op(nil, "the processes of %s make others faster than they are killed", id)
}

// killCgroup ends all processes in the container's cgroup.
func (c *Container) killCgroup() error {
	pids, err := c.Cgroup.Pids()
	if err != nil || len(pids) == 0 {
		return err
	}
	return c.Cgroup.Kill()
}

// unlisted is why a container's processes cannot be told.
type unlisted struct{ error }

// process is one process for good, as a pid alone is not.
type process struct {
	pid   int
	start uint64
}

// signalMembers sends sig to the processes of the container that are not in
// told yet, which gets them, and counts them.
func (c *Container) signalMembers(sig unix.Signal, told map[process]bool) (int, error) {
	pids, err := c.Members()
	if err != nil {
		return 0, unlisted{err}
	}
	fds := map[int]int{}
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return 0, fault.Op(err, "open process %d", pid)
		}
		fds[pid] = fd
	}
	// A pid may have gone to a process of somebody else before it was opened.
	// Who is a member now was one then, or the descriptor leads to nobody.
	if pids, err = c.Members(); err != nil {
		return 0, unlisted{err}
	}
	fresh := 0
	for pid, fd := range fds {
		start, err := startTime(pid)
		if err != nil {
			return 0, err
		}
		p := process{pid, start}
		if start == 0 || told[p] || !slices.Contains(pids, pid) {
			continue
		}
		err = unix.PidfdSendSignal(fd, sig, nil, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return 0, fault.Op(err, "send %s to process %d", unix.SignalName(sig), pid)
		}
		told[p] = true
		fresh++
	}
	return fresh, nil
}
