package cgroup

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"ocibox/core/early"
	"ocibox/core/fault"
)

// Kill ends all processes of the group and of those below it, with all that
// they make meanwhile, and returns when none is left.
func (g *Group) Kill() error {
	if g.taken {
		return nil
	}
	dir := g.main()
	if dir == "" {
		return fault.Op(nil, "the container has no cgroup")
	}
	if dir == g.Unified {
		err := write(dir+"/cgroup.kill", "1")
		if err == nil {
			// What version 1 has frozen ends only once it is thawed.
			return errors.Join(thaw1(g.Legacy["freezer"]), awaitEmpty(dir))
		}
		if gone(err) {
			return nil
		}
		if !errors.Is(err, unix.EOPNOTSUPP) {
			return err
		}
		// A threaded cgroup has no cgroup.kill, cgroups(7).
	}
	return g.killEach(dir)
}

// killEach freezes the processes, so that they make no others, sends SIGKILL to
// each, and thaws them to end; until there are none. While no other joins them
// they are left to it: frozen again, thousands would get nowhere on a slow host.
func (g *Group) killEach(dir string) error {
	var sent []int
	fewest, pause := math.MaxInt, time.Millisecond
	var deadline time.Time
	for {
		pids, err := pidsBelow(dir)
		if err != nil || len(pids) == 0 {
			return err
		}
		if len(pids) < fewest {
			fewest, deadline = len(pids), time.Now().Add(patience)
		} else if time.Now().After(deadline) {
			return fault.Op(nil, "%s: process %d does not end in %v", dir, pids[0], patience)
		}
		pause = min(2*pause, patience/100)
		joined := func(pid int) bool { _, known := slices.BinarySearch(sent, pid); return !known }
		if slices.ContainsFunc(pids, joined) {
			pause = time.Millisecond
			// Frozen or not, it is tried: what does not freeze may end yet.
			if f, at, err := g.freezer(); err == nil {
				write(filepath.Join(at, f.file), f.frozen)
			}
			if sent, err = pidsBelow(dir); err == nil {
				err = signalEach(dir, sent)
			}
			if err = errors.Join(err, g.thawBelow()); err != nil {
				return err
			}
		} else if err := signalEach(dir, pids); err != nil {
			return err
		}
		early.Sleep(pause)
	}
}

// thawBelow thaws the group and those below it, which processes inside may
// have frozen.
func (g *Group) thawBelow() error {
	if g.Unified == "" {
		return thaw1(g.Legacy["freezer"])
	}
	return walk(g.Unified, func(at string) error { return ignoreGone(write(at+"/cgroup.freeze", "0")) })
}

// thaw1 thaws a cgroup of version 1 and those below.
func thaw1(dir string) error {
	if dir == "" {
		return nil
	}
	return walk(dir, func(at string) error { return ignoreGone(write(at+"/freezer.state", freezer1.thawed)) })
}

func ignoreGone(err error) error {
	if gone(err) {
		return nil
	}
	return err
}

// signalEach sends SIGKILL to those of the processes that are in the group.
func signalEach(dir string, pids []int) error {
	const atOnce = 256 // descriptors
	for chunk := range slices.Chunk(pids, atOnce) {
		if err := signalChunk(dir, chunk); err != nil {
			return err
		}
	}
	return nil
}

func signalChunk(dir string, pids []int) error {
	fds := make([]int, 0, len(pids))
	defer func() {
		for _, fd := range fds {
			if fd >= 0 {
				unix.Close(fd)
			}
		}
	}()
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		// EINVAL is a thread of a process that has ended meanwhile.
		if err != nil && !errors.Is(err, unix.ESRCH) && !errors.Is(err, unix.EINVAL) {
			return fault.Op(err, "open process %d", pid)
		}
		fds = append(fds, fd)
	}
	// A pid may have gone to a process of somebody else before it was opened.
	// Who is in the group now was so then, or the descriptor leads to nobody.
	still, err := pidsBelow(dir)
	if err != nil {
		return err
	}
	for i, fd := range fds {
		if _, in := slices.BinarySearch(still, pids[i]); fd < 0 || !in {
			continue
		}
		if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fault.Op(err, "send SIGKILL to process %d", pids[i])
		}
	}
	return nil
}

// awaitEmpty waits until no process is in a group of version 2.
func awaitEmpty(dir string) error {
	if err := awaitEvent(dir, "populated 0"); err != nil && !gone(err) {
		return err
	}
	return nil
}
