package cgroup

import (
	"errors"
	"path/filepath"
	"strings"
	"time"

	"ocibox/core/early"
	"ocibox/core/fault"
	"ocibox/core/files"
)

// freezer is a file that freezes a cgroup and those below, with its words.
type freezer struct{ file, frozen, thawed string }

var (
	freezer2 = freezer{"cgroup.freeze", "1", "0"}           // of version 2
	freezer1 = freezer{"freezer.state", "FROZEN", "THAWED"} // of version 1
)

// freezer is the group's, and the directory that it is in.
func (g *Group) freezer() (f freezer, dir string, err error) {
	switch {
	case g.Unified != "":
		return freezer2, g.Unified, nil
	case g.Legacy["freezer"] != "":
		return freezer1, g.Legacy["freezer"], nil
	}
	return f, "", fault.Op(nil, "the container has no cgroup that can be frozen: neither version 2 nor the freezer of version 1")
}

// Freeze stops all processes of the group and of those below it, and returns
// when they have stopped. If they do not in 10 s, they are thawed again.
func (g *Group) Freeze() error {
	f, dir, err := g.freezer()
	if err != nil {
		return err
	}
	if f == freezer1 {
		err = freeze1(dir)
	} else if err = write(filepath.Join(dir, f.file), f.frozen); err == nil {
		err = awaitEvent(dir, "frozen 1")
	}
	if err != nil {
		return errors.Join(err, g.Thaw())
	}
	return nil
}

// freeze1 freezes a cgroup of version 1. Processes that are born meanwhile can
// hold that up for ever, where a thaw lets it begin anew.
func freeze1(dir string) error {
	file := filepath.Join(dir, freezer1.file)
	const thaw = 50 // tries
	for i, start := 1, time.Now(); time.Since(start) < patience; i++ {
		if i%thaw == 0 {
			if err := write(file, freezer1.thawed); err != nil {
				return err
			}
			early.Sleep(10 * time.Millisecond)
		}
		if err := write(file, freezer1.frozen); err != nil {
			return err
		}
		state, err := files.Read(file)
		if err != nil {
			return fault.Op(err, "look at the freezer")
		}
		if strings.TrimSpace(string(state)) == freezer1.frozen {
			return nil
		}
		early.Sleep(time.Duration(i%thaw) * 20 * time.Microsecond)
	}
	return fault.Op(nil, "%s does not freeze in %v", dir, patience)
}

// Thaw lets the processes go on, and returns when they do.
func (g *Group) Thaw() error {
	f, dir, err := g.freezer()
	if err != nil {
		return err
	}
	if err := write(filepath.Join(dir, f.file), f.thawed); err != nil {
		return err
	}
	own := "cgroup.freeze"
	if f == freezer1 {
		own = "freezer.self_freezing"
	}
	for at := filepath.Dir(dir); ; at = filepath.Dir(at) {
		state, err := files.Read(filepath.Join(at, own))
		if err != nil {
			break // the hierarchy's root has none
		}
		if strings.TrimSpace(string(state)) == "1" {
			return fault.Op(nil, "%s is still frozen: so is %s, which it is in", dir, at).WithHint("thaw it: echo %s > %s/%s", f.thawed, at, f.file)
		}
	}
	if f == freezer1 {
		return nil // that was all
	}
	return awaitEvent(dir, "frozen 0")
}

// Frozen says whether the processes have stopped, also because a cgroup above
// is frozen. A group that is gone, or cannot be frozen, is not.
func (g *Group) Frozen() (bool, error) {
	f, dir, err := g.freezer()
	if err != nil {
		return false, nil
	}
	return f.isFrozen(dir)
}

func (f freezer) isFrozen(dir string) (bool, error) {
	if f == freezer2 {
		return hasEvent(dir, "frozen 1")
	}
	state, err := files.Read(filepath.Join(dir, f.file))
	if gone(err) {
		return false, nil
	}
	if err != nil {
		return false, fault.Op(err, "look at the freezer")
	}
	return strings.TrimSpace(string(state)) == f.frozen, nil
}
