package cgroup

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"ocibox/core/early"
	"ocibox/core/fault"
)

// ending is how long what is left of processes that were killed, or of cgroups
// that were removed, may stand in the way of a directory's end.
const ending = 2 * time.Second

// Remove removes the group's directories and those below, and has systemd stop
// its unit. One that is gone, as all are after a reboot, is no error; one with
// processes is.
func (g *Group) Remove() error {
	if g.taken {
		return nil
	}
	var errs []error
	if g.Unit != "" {
		errs = append(errs, g.stop())
	}
	for _, dir := range g.Dirs() {
		errs = append(errs, remove(dir))
	}
	return errors.Join(errs...)
}

// RemoveEmpty removes a group that is one directory with nothing in it, and says
// whether it did.
func (g *Group) RemoveEmpty() bool {
	return !g.taken && g.Unit == "" && g.Unified != "" && len(g.Legacy) == 0 && unix.Rmdir(g.Unified) == nil
}

func remove(dir string) error {
	for start, pause := time.Now(), time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		err := removeTree(dir)
		if err == nil || !errors.Is(err, unix.EBUSY) {
			return err
		}
		if time.Since(start) > ending {
			if pids, listErr := pidsBelow(dir); listErr == nil && len(pids) > 0 {
				return fault.Op(err, "process %d is in it", pids[0])
			}
			return err
		}
		early.Sleep(pause)
	}
}

// removeTree removes a cgroup, those below first.
func removeTree(dir string) error {
	err := unix.Rmdir(dir) // it mostly has none below
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	if errors.Is(err, unix.EBUSY) {
		below, err := subdirs(dir)
		if err != nil {
			return err
		}
		for _, d := range below {
			if err := removeTree(d); err != nil {
				return err
			}
		}
		if len(below) > 0 {
			return removeTree(dir)
		}
	}
	return fault.Op(err, "remove the cgroup %s", dir)
}
