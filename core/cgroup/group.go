package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/files"
)

// legacy are the directories in version 1, each once, in order.
func (g *Group) legacy() []string {
	var dirs []string
	for _, dir := range g.Legacy {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// Dirs are all its directories, version 2 first.
func (g *Group) Dirs() []string {
	if g.Unified == "" {
		return g.legacy()
	}
	return append([]string{g.Unified}, g.legacy()...)
}

// in names the config.json's field that an error is about.
func (g *Group) in(err error) error {
	if g.path != "" {
		return fault.In(pathField, err)
	}
	return err
}

// Make makes the directories, and enables in version 2 every controller there
// is for them, as far as the kernel and the caller's rights allow: what is not
// there then is told by Set, for whoever needs it. A group that is there already
// has to be empty, and not frozen. Undo removes what was made.
func (g *Group) Make() (undo func() error, err error) {
	var made []string
	undo = func() error {
		var errs []error
		for _, dir := range slices.Backward(made) {
			// What others have put something into meanwhile is theirs too.
			if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EBUSY) {
				errs = append(errs, fault.Op(err, "remove the cgroup %s", dir))
			}
		}
		return errors.Join(errs...)
	}
	fail := func(err error) (func() error, error) { return nil, errors.Join(g.in(err), undo()) }
	for _, dir := range g.Dirs() {
		before := len(made)
		if made, err = mkdirs(dir, made); err != nil {
			return fail(err)
		}
		if len(made) == before {
			if err := g.vacant(dir); err != nil {
				return fail(err)
			}
		}
		if dir == g.Unified {
			g.fresh = len(made) > before
			err = g.enable(dir)
		} else if dir == g.Legacy["cpuset"] {
			err = inheritSets(dir)
		}
		if err != nil {
			return fail(err)
		}
	}
	return undo, nil
}

// mkdirs makes dir and those above, and appends those that were not there.
func mkdirs(dir string, made []string) ([]string, error) {
	err := unix.Mkdir(dir, 0o755)
	if errors.Is(err, unix.ENOENT) {
		if made, err = mkdirs(filepath.Dir(dir), made); err != nil {
			return made, err
		}
		err = unix.Mkdir(dir, 0o755)
	}
	switch {
	case err == nil:
		return append(made, dir), nil
	case errors.Is(err, unix.EEXIST):
		return made, nil
	}
	return made, fault.Op(err, "make the cgroup %s", dir)
}

// vacant refuses a group with processes, and one in which none would run. It is
// somebody else's then, and neither Kill nor Remove do anything to it.
func (g *Group) vacant(dir string) error {
	err := vacant(dir)
	g.taken = g.taken || err != nil
	return err
}

func vacant(dir string) error {
	pids, err := pidsBelow(dir)
	if err != nil {
		return err
	}
	if len(pids) > 0 {
		return fault.Op(nil, "the cgroup %s is there already, with process %d in it", dir, pids[0])
	}
	for _, f := range [...]freezer{freezer1, freezer2} {
		state, err := files.Read(filepath.Join(dir, f.file))
		if err == nil && strings.TrimSpace(string(state)) == f.frozen {
			return fault.Op(nil, "the cgroup %s is there already, and is frozen", dir).WithHint("thaw it: echo %s > %s/%s", f.thawed, dir, f.file)
		}
	}
	return nil
}

// enable enables the controllers for dir from the hierarchy's root down, each
// where the one above has it and it is not enabled yet.
func (g *Group) enable(dir string) error {
	root := ""
	if g.tree != nil {
		root = g.tree.Mount
	}
	var above []string // dir's ancestors in the hierarchy, the nearest first
	for at := filepath.Dir(dir); at == root || unix.Access(at+"/cgroup.controllers", unix.F_OK) == nil; at = filepath.Dir(at) {
		if above = append(above, at); at == root {
			break
		}
	}
	for _, at := range slices.Backward(above) {
		// Each has what the one above has got just now.
		have, err := g.controllers(at)
		if err != nil {
			return err
		}
		enabled, err := words(at + "/cgroup.subtree_control")
		if err != nil {
			return err
		}
		have = slices.DeleteFunc(have, func(c string) bool { return slices.Contains(enabled, c) })
		if len(have) == 0 {
			continue
		}
		file := at + "/cgroup.subtree_control"
		if write(file, "+"+strings.Join(have, " +")) == nil {
			continue
		}
		// One that is refused stands in the way of all.
		for _, c := range have {
			if err := write(file, "+"+c); errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EROFS) {
				break
			}
		}
	}
	if unix.Access(filepath.Dir(dir)+"/cgroup.type", unix.F_OK) != nil {
		return nil // the root is no threaded cgroup
	}
	kind, err := words(dir + "/cgroup.type")
	if err == nil && len(kind) == 2 && kind[1] == "invalid" {
		// Below a threaded cgroup it can hold processes only as one, cgroups(7).
		err = write(dir+"/cgroup.type", "threaded")
	}
	return err
}

// controllers are those that a cgroup of version 2 has.
func (g *Group) controllers(dir string) ([]string, error) {
	if g.tree != nil && dir == g.tree.Mount {
		return slices.Clone(g.tree.Controllers), nil // as they were a moment ago
	}
	return words(dir + "/cgroup.controllers")
}

// inheritSets gives a group of version 1's cpuset, and those above, the
// processors and memory nodes of the one above: it begins with none, and takes
// no process then, cpuset(7).
func inheritSets(dir string) error {
	above := filepath.Dir(dir)
	for _, name := range [...]string{"/cpuset.cpus", "/cpuset.mems"} {
		set, err := files.Read(dir + name)
		if err != nil {
			return fault.Op(err, "look at the cgroup's cpuset")
		}
		if strings.TrimSpace(string(set)) != "" {
			continue
		}
		if _, err := os.Lstat(above + name); err != nil {
			continue // the hierarchy's root, which has all
		}
		if err := inheritSets(above); err != nil {
			return err
		}
		if set, err = files.Read(above + name); err != nil {
			return fault.Op(err, "look at the cgroup's cpuset")
		}
		if err := write(dir+name, strings.TrimSpace(string(set))); err != nil {
			return err
		}
	}
	return nil
}

// Open opens the directory in version 2, as clone3(2) takes it for
// CLONE_INTO_CGROUP; -1 if there is none.
func (g *Group) Open() (int, error) {
	if g.Unified == "" {
		return -1, nil
	}
	fd, err := unix.Open(g.Unified, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, g.in(fault.Op(err, "open the cgroup %s", g.Unified))
	}
	return fd, nil
}

// Tasks are the files of version 1 to which a thread writes "0" to move itself
// into the group: alone, without the lock on all its threads that cgroup.procs
// takes, and so without a wait for RCU (13 ms).
func (g *Group) Tasks() []string {
	dirs := g.legacy()
	for i := range dirs {
		dirs[i] += "/tasks"
	}
	return dirs
}

func words(path string) ([]string, error) {
	data, err := files.Read(path)
	if err != nil {
		return nil, fault.Op(err, "look at the cgroup")
	}
	return strings.Fields(string(data)), nil
}

// write writes to a file of a cgroup, in one go as the kernel has it.
func write(path, value string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		_, err = unix.Write(fd, []byte(value))
		unix.Close(fd)
	}
	if err != nil {
		return fault.Op(err, "write %q to %s", value, path)
	}
	return nil
}
