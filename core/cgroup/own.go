package cgroup

import (
	"errors"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/files"
)

// delegated tells which files of a cgroup belong to whom it is delegated
// (Linux 4.15).
const delegated = "/sys/kernel/cgroup/delegate"

// Own gives the group's directory of version 2 to a user, with the files that
// delegation takes, cgroups(7): who is root in the container's user namespace
// can then make cgroups of its own. uid and gid are the host's.
func (g *Group) Own(uid, gid int) error {
	list, err := files.Read(delegated)
	if err != nil {
		return fault.Op(err, "find out what a delegated cgroup consists of")
	}
	for _, name := range append([]string{"."}, strings.Fields(string(list))...) {
		path := filepath.Join(g.Unified, name)
		// The list has those of controllers that are not enabled here.
		if err := unix.Lchown(path, uid, gid); err != nil && !errors.Is(err, unix.ENOENT) {
			return fault.Op(err, "give %s to %d:%d", path, uid, gid)
		}
	}
	return nil
}
