package cgroup

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/files"
)

// main is the directory whose processes are taken for the group's: all the
// others hold the same ones. Of version 1 it is one that can freeze them, or
// count them.
func (g *Group) main() string {
	dir := cmp.Or(g.Unified, g.Legacy["freezer"], g.Legacy["pids"])
	if dirs := g.legacy(); dir == "" && len(dirs) > 0 {
		dir = dirs[0]
	}
	return dir
}

// Pids are the processes of the group and of all those below it, ascending, by
// their ids in the caller's pid namespace; those that have none there are left
// out. A group that is gone has none.
func (g *Group) Pids() ([]int, error) {
	if dir := g.main(); dir != "" {
		return pidsBelow(dir)
	}
	return nil, nil
}

func pidsBelow(dir string) ([]int, error) {
	var pids []int
	err := walk(dir, func(at string) error {
		more, err := pidsIn(at, at == dir)
		pids = append(pids, more...)
		return err
	})
	slices.Sort(pids)
	return slices.Compact(pids), err
}

// pidsIn are the processes of one directory; top says that nobody asks those
// above.
func pidsIn(dir string, top bool) ([]int, error) {
	data, err := files.Read(dir + "/cgroup.procs")
	threads := errors.Is(err, unix.EOPNOTSUPP)
	if threads {
		// A threaded cgroup. Its processes are listed where its tree begins.
		if !top {
			return nil, nil
		}
		data, err = files.Read(dir + "/cgroup.threads")
	}
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Op(err, "look for the processes of the cgroup")
	}
	var pids []int
	for line := range bytes.Lines(data) {
		pid, err := strconv.Atoi(string(bytes.TrimSpace(line)))
		if err != nil {
			return nil, fault.Op(nil, "%s/cgroup.procs: %q is no pid", dir, line)
		}
		if threads {
			pid = leader(pid)
		}
		if pid != 0 {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// leader is the process of a thread, or 0 if that has ended.
func leader(thread int) (pid int) {
	data, err := files.Read(fmt.Sprintf("/proc/%d/status", thread))
	if err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(data, []byte("\nTgid:\t"))
	line, _, _ := bytes.Cut(after, []byte("\n"))
	if pid, err = strconv.Atoi(string(line)); err != nil {
		return 0
	}
	return pid
}

// walk calls f for a directory and all below, those above first. One that goes
// meanwhile is passed over.
func walk(dir string, f func(dir string) error) error {
	if err := f(dir); err != nil {
		return err
	}
	below, err := subdirs(dir)
	for _, d := range below {
		if err := walk(d, f); err != nil {
			return err
		}
	}
	return err
}

func subdirs(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !gone(err) {
		return nil, fault.Op(err, "look at the cgroup")
	}
	var dirs []string
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, filepath.Join(dir, e.Name()))
		}
	}
	return dirs, nil
}

// gone says whether a cgroup is not there any more. A file of it that was
// opened before gives ENODEV.
func gone(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) }
