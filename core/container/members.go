package container

import (
	"errors"
	"os"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/namespace"
	"ocibox/core/proc"
)

// Members lists the container's processes by their pids as the caller sees
// them, in ascending order; those that have ended are not among them.
//
// They are those in its cgroup. Of a container that has none to itself, they are
// told by a namespace that the container has to itself: all that is in
// its pid namespace, or in one below that. Without a pid namespace of its own it
// is the mount namespace, or else another: a process that leaves it is a member
// no more. Without any namespace they are the init's descendants, but for those
// whose parent has ended. That too is all that is seen of a container whose init
// the caller may not look into: one that was not started, to a plain user.
//
// Once the init has ended a pid namespace is empty, and a mount namespace still
// has its number (Linux 6.11); what is left of another container cannot be told
// from the host's processes, which is an error.
func (c *Container) Members() ([]int, error) {
	s, err := c.Spec()
	if err != nil && c.Pid == 0 && !errors.Is(err, ErrUnknown) {
		return []int{}, nil // never finished
	}
	if err != nil {
		return nil, err
	}
	if c.Cgroup != nil {
		pids, err := c.Cgroup.Pids()
		return append([]int{}, pids...), err
	}
	kind := own(s)
	alive, err := c.alive()
	if err != nil {
		return nil, err
	}
	if !alive {
		return c.leftBehind(kind)
	}
	pids, err := c.living(kind)
	if err != nil {
		return nil, err
	}
	// Had the init ended meanwhile, a namespace's number may be another's.
	if alive, err := c.alive(); err != nil || !alive {
		if err == nil {
			pids, err = c.leftBehind(kind)
		}
		return pids, err
	}
	return pids, nil
}

// own is the namespace that tells the container's processes from others, or nil.
func own(s *specs.Spec) *namespace.Kind {
	if s.Linux == nil {
		return nil
	}
	for _, t := range []specs.LinuxNamespaceType{specs.PIDNamespace, specs.MountNamespace, specs.IPCNamespace, specs.UTSNamespace,
		specs.NetworkNamespace, specs.CgroupNamespace, specs.TimeNamespace, specs.UserNamespace} {
		if slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == t && n.Path == "" }) {
			return namespace.ByType(t)
		}
	}
	return nil
}

// living lists the members while the init is there.
func (c *Container) living(kind *namespace.Kind) ([]int, error) {
	if kind == nil {
		return descendants(c.Pid)
	}
	id, err := namespace.Of(c.Pid, kind)
	if errors.Is(err, unix.EACCES) {
		return descendants(c.Pid)
	}
	if err != nil {
		return nil, err
	}
	self, err := namespace.Of(os.Getpid(), kind)
	if err != nil {
		return nil, err
	}
	within := map[namespace.ID]bool{id: true, self: false}
	return processes(func(pid int) bool {
		at, err := namespace.Of(pid, kind)
		if err != nil {
			return false // it has ended, or is not ours to look into
		}
		is, known := within[at]
		if !known && kind.Flag == unix.CLONE_NEWPID {
			is = namespace.Below(pid, id)
			within[at] = is
		}
		return is
	})
}

// leftBehind lists the members when the init has ended.
func (c *Container) leftBehind(kind *namespace.Kind) ([]int, error) {
	switch {
	case kind != nil && kind.Flag == unix.CLONE_NEWPID:
		return []int{}, nil
	case kind != nil && kind.Flag == unix.CLONE_NEWNS && c.MountID != 0:
		return processes(func(pid int) bool { return namespace.MountID(pid) == c.MountID })
	}
	return nil, fault.Op(nil, "the init of %s has ended: without a pid namespace of its own, what it left behind cannot be told from other processes", c.ID)
}

// processes lists those of the host for which is says so.
func processes(is func(pid int) bool) ([]int, error) {
	pids, err := proc.Pids()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(pids, func(pid int) bool { return !is(pid) }), nil
}

// descendants lists pid and what descends from it.
func descendants(top int) ([]int, error) {
	parents := map[int]int{}
	all, err := processes(func(pid int) bool {
		st, err := proc.ReadStat(pid)
		if err != nil || st == nil || st.Ended() {
			return false
		}
		parents[pid] = st.Number(proc.Parent)
		return true
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(pid int) bool {
		// Pids that are read at different times may make a ring.
		for range parents {
			if pid == top || pid == 0 {
				break
			}
			pid = parents[pid]
		}
		return pid != top
	}), nil
}
