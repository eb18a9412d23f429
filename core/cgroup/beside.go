package cgroup

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/files"
)

// Beside is the group for one more process of a container whose init is pid. A
// cgroup of version 2 that has enabled controllers for those below holds no
// process itself (cgroups(7), "no internal processes"): an init such as systemd
// has moved to one below then, and there the process goes too.
func (g *Group) Beside(pid int) (*Group, error) {
	if g.Unified == "" {
		return g, nil
	}
	enabled, err := words(g.Unified + "/cgroup.subtree_control")
	if err != nil || len(enabled) == 0 {
		return g, err
	}
	data, err := files.Read(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return nil, fault.Op(err, "look for the cgroup of process %d", pid)
	}
	mount := g.Unified
	for dir := mount; ; dir = filepath.Dir(dir) {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
			break
		}
		mount = dir
	}
	at := filepath.Join(mount, parseOwn(string(data)).unified)
	if !strings.HasPrefix(at, g.Unified+"/") {
		return g, nil // it is not there either
	}
	beside := *g
	beside.Unified = at
	return &beside, nil
}
