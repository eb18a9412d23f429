package cgroup

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

const pathField = "linux.cgroupsPath"

// New settles where the container's cgroup is to be. It makes nothing. Without
// one that could be had, or for Disabled, the result is nil; that is an error,
// with the field of config.json, where there is something to be done by one. The
// second result is what has no effect.
func New(h Host, r Request) (*Group, []string, error) {
	if r.Manager == Systemd {
		return newUnit(h, r)
	}
	if r.Manager == Disabled {
		return without(r, fault.Op(nil, "takes a cgroup, and none is to be made: the cgroup manager is disabled"))
	}
	if strings.ContainsRune(r.Path, 0) {
		return nil, nil, fault.Field(pathField, "%q holds a NUL byte", r.Path)
	}
	name := r.Path
	if name == "" {
		name = r.ID
	}
	// ".." ends at the root, as for a path of the root directory.
	name = path.Clean("/" + name)
	if name == "/" {
		return nil, nil, fault.Field(pathField, "%q is the root of the hierarchies, which is nobody's own", r.Path)
	}
	absolute := path.IsAbs(r.Path)
	g := &Group{Manager: r.Manager, path: r.Path}
	why := fault.Op(nil, "takes a cgroup, and this host has none mounted").WithHint("mount -t cgroup2 cgroup2 " + mountPoint)
	take := func(t *Tree) string {
		at := t.Mount
		switch {
		case absolute:
		case t.Version == 1:
			at = t.Own
		case t.Own != t.Mount:
			// The caller's own holds processes: no controller can be enabled for
			// what is below it, cgroups(7), "no internal processes".
			at = path.Dir(t.Own)
		}
		dir := path.Join(at, name)
		if len(dir)+len("/cgroup.subtree_control") >= unix.PathMax {
			why = fault.Op(nil, "is longer than PATH_MAX (%d)", unix.PathMax)
			return ""
		}
		if err := t.writable(dir, r.Privileged); err != nil {
			why = err
			return ""
		}
		return dir
	}
	for i := range h.Legacy {
		t := &h.Legacy[i]
		if dir := take(t); dir != "" {
			if g.Legacy == nil {
				g.Legacy = map[string]string{}
			}
			for _, c := range t.Controllers {
				g.Legacy[c] = dir
			}
		}
	}
	if h.Unified != nil {
		g.Unified, g.tree = take(h.Unified), h.Unified
	}
	if g.Unified == "" && g.Legacy == nil {
		return without(r, why)
	}
	return g, nil, nil
}

// writable says why no group can be made at dir, or nil.
func (t *Tree) writable(dir string, privileged bool) *fault.Error {
	if t.ReadOnly {
		return fault.Op(nil, "takes a cgroup, and %s is mounted read-only", t.Mount)
	}
	if privileged {
		return nil
	}
	// What is there, or the nearest above, has to be the caller's, and to move a
	// process takes the right to write to the cgroup above both, cgroups(7).
	at := dir
	for at != t.Mount {
		if _, err := os.Lstat(at); err == nil {
			break
		}
		at = filepath.Dir(at)
	}
	common := t.Own
	for common != t.Mount && common != at && !strings.HasPrefix(at, common+"/") {
		common = filepath.Dir(common)
	}
	files := []string{at, at + "/cgroup.procs"}
	if t.Version == 2 {
		files = append(files, common+"/cgroup.procs")
	}
	for _, f := range files {
		if err := unix.Access(f, unix.W_OK); err != nil {
			e := fault.Op(err, "takes a cgroup, and this user may not make one: write to %s", f)
			if _, err := os.Lstat("/run/systemd/system"); err == nil {
				e = e.WithHint("ask systemd for a cgroup: systemd-run --user --scope -p Delegate=yes COMMAND")
			}
			return e
		}
	}
	return nil
}
