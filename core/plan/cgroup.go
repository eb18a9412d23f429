package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/cgroup"
	"ocibox/core/clone"
	"ocibox/core/idmap"
	"ocibox/core/mounts"
)

// cgroupsPath is the field that a container's cgroup comes from.
const cgroupsPath = "linux.cgroupsPath"

// findCgroup settles which cgroup the container gets, if any, and its limits.
func (c *compiler) findCgroup() error {
	l := c.spec.Linux
	g, warnings, err := cgroup.New(c.host.Cgroups, cgroup.Request{
		ID: c.in.ID, Path: l.CgroupsPath, Resources: l.Resources, Manager: c.in.CgroupManager,
		Annotations: c.spec.Annotations, Systemd: c.host.Systemd, Privileged: !c.host.Userns && c.host.Self.EUID == 0,
	})
	c.warn(warnings...)
	if err != nil || g == nil {
		return err
	}
	c.plan.Cgroup = g
	c.limits, warnings, err = cgroup.Limits(l.Resources, g)
	c.warn(warnings...)
	if err != nil {
		return err
	}
	c.devices, err = cgroup.DeviceRules(l.Resources)
	return err
}

// restrictDevices has the parent restrict which devices the container's
// processes can use, once the child has made all that it has to. In a user
// namespace nobody makes device nodes, and no plain user may restrict anything.
func (c *compiler) restrictDevices() []Action {
	const deviceRules = "linux.resources.devices"
	g := c.plan.Cgroup
	if g == nil || !g.RestrictsDevices() || c.host.Userns || c.host.Self.EUID != 0 {
		return nil
	}
	actions := []Action{{Field: deviceRules, Lines: func(yield func(field, text string) bool) {
		for _, r := range c.devices {
			if !yield(cmp.Or(r.Field, deviceRules), "device rule: "+r.String()) {
				return
			}
		}
	}}}
	if c.adopts() {
		actions = append(actions, Action{Field: cgroupsPath, Text: fmt.Sprintf("SetUnitProperties(%q)", g.Unit)})
		actions = append(actions, properties(g.DeviceProperties(c.devices))...)
	}
	actions[len(actions)-1].Do = func(int) error { return g.Restrict(c.devices) }
	return actions
}

// makeCgroup has the parent make the cgroup with its limits: before the child
// is there, so that it never is without them. Only systemd wants a process to
// make one for.
func (c *compiler) makeCgroup() []Action {
	g := c.plan.Cgroup
	switch {
	case g == nil:
		return nil
	case c.adopts():
		return append(c.startUnit(), c.delegate()...)
	}
	actions := makeGroup(g)
	for _, l := range c.limits {
		actions = append(actions, Action{Field: l.Field, Text: l.String()})
	}
	if len(c.limits) > 0 {
		// The writes are one thing to do, which tells by itself which failed.
		actions[len(actions)-1].Do = func(int) error { return g.Set(c.limits) }
	}
	return append(actions, c.delegate()...)
}

// delegate gives the cgroup of version 2 to the root of the container's own user
// namespace, where it can reach no other: it has a cgroup namespace of its own,
// in which a cgroup mount can be written to. What a plain user makes is its own.
func (c *compiler) delegate() []Action {
	g := c.plan.Cgroup
	if g.Unified == "" || !c.newUser || c.new&unix.CLONE_NEWCGROUP == 0 || !c.writesCgroups || c.host.Userns || c.host.Self.EUID != 0 {
		return nil
	}
	uid, ok := idmap.HostID(c.spec.Linux.UIDMappings, 0)
	gid, both := idmap.HostID(c.spec.Linux.GIDMappings, 0)
	if !ok || !both {
		return nil // nobody is root there
	}
	return []Action{{
		Field: cgroupsPath,
		Text:  fmt.Sprintf("chown(%q, %d, %d), and the files there that /sys/kernel/cgroup/delegate lists", g.Unified, uid, gid),
		Do:    func(int) error { return g.Own(int(uid), int(gid)) },
	}}
}

// joinCgroup brings the child into the cgroup: into that of version 2 by its
// birth, into those of version 1 by its own hand, before anything else. A thread
// that moves itself takes no lock that waits for an RCU grace period (Linux 5.5).
func (c *compiler) joinCgroup() {
	g, p := c.plan.Cgroup, c.p
	if g == nil || c.adopts() {
		return
	}
	if g.Unified != "" {
		c.plan.Into = p.BornIn("cgroup")
	}
	for _, tasks := range g.Tasks() {
		p.Begin(cgroupsPath, "")
		fd := p.Reg("tasks")
		p.Call(unix.SYS_OPENAT, clone.Cwd, p.Str(tasks), clone.Num(unix.O_WRONLY|unix.O_CLOEXEC), clone.Num(0)).Save(fd)
		p.Call(unix.SYS_WRITE, clone.In(fd), p.Str("0"), clone.Num(1))
		p.Call(unix.SYS_CLOSE, clone.In(fd))
	}
}

// adopts says whether systemd makes the cgroup for the child, which is there
// already.
func (c *compiler) adopts() bool {
	return c.host.Systemd != nil && c.plan.Cgroup != nil
}

// startUnit has systemd make the cgroup for the child.
func (c *compiler) startUnit() []Action {
	g := c.plan.Cgroup
	actions := []Action{{Field: cgroupsPath, Text: fmt.Sprintf("StartTransientUnit(%q, \"replace\"), PIDs = [CHILD], on %s", g.Unit, g.Bus)}}
	actions = append(actions, properties(g.UnitProperties())...)
	actions = append(actions, properties(g.Properties(c.limits))...)
	for _, dir := range g.Dirs() {
		actions = append(actions, Action{Field: cgroupsPath, Text: fmt.Sprintf("mkdir(%q), and write CHILD to cgroup.procs there, unless systemd has", dir)})
	}
	for _, l := range c.limits {
		actions = append(actions, Action{Field: l.Field, Text: l.String()})
	}
	actions[len(actions)-1].Do = func(pid int) error { return g.Start(pid, c.limits) }
	return actions
}

func properties(list []cgroup.Property) (actions []Action) {
	for _, p := range list {
		actions = append(actions, Action{Field: p.Field, Text: "property " + p.String()})
	}
	return actions
}

// namespaceAfter is CLONE_NEWCGROUP if that namespace has to be made only when
// the child is in its cgroup, which is to be the root there. To that of version
// 2 it is born in, and clone3(2) sees to it.
func (c *compiler) namespaceAfter() uint64 {
	if g := c.plan.Cgroup; g == nil || len(g.Legacy) == 0 && !c.adopts() {
		return 0
	}
	return c.new & unix.CLONE_NEWCGROUP
}

// makeGroup is the making of the cgroup's directories.
func makeGroup(g *cgroup.Group) []Action {
	var actions []Action
	for _, dir := range g.Dirs() {
		actions = append(actions, Action{Field: cgroupsPath, Text: fmt.Sprintf("mkdir(%q)", dir)})
	}
	actions[len(actions)-1].Do = func(int) error {
		_, err := g.Make()
		return err
	}
	return actions
}

// viewCgroups settles what is mounted for a mount of type cgroup.
func (c *compiler) viewCgroups(list []*mounts.Mount) []*mounts.Mount {
	h, g := c.host.Cgroups, c.plan.Cgroup
	c.writesCgroups = slices.ContainsFunc(list, func(m *mounts.Mount) bool {
		return m.Type == "cgroup" && !m.Bind && m.Attr.Set&unix.MOUNT_ATTR_RDONLY == 0
	})
	var hierarchies []mounts.Hierarchy
	for i := range h.Legacy {
		t := &h.Legacy[i]
		one := mounts.Hierarchy{Name: strings.TrimPrefix(strings.Join(t.Controllers, ","), "name="), Type: "cgroup", Data: t.Controllers, Dir: t.Own, Locked: true}
		if g != nil && g.Legacy[t.Controllers[0]] != "" {
			one.Dir, one.Locked = g.Legacy[t.Controllers[0]], false
		}
		if len(t.Controllers) > 1 {
			one.Links = t.Controllers
		}
		hierarchies = append(hierarchies, one)
	}
	if t := h.Unified; t != nil {
		one := mounts.Hierarchy{Type: "cgroup2", Dir: t.Own, Locked: true}
		if len(h.Legacy) > 0 {
			one.Name = "unified"
		}
		if g != nil && g.Unified != "" {
			one.Dir, one.Locked = g.Unified, false
		}
		hierarchies = append(hierarchies, one)
	}
	view, warnings := mounts.ViewCgroups(list, hierarchies, (c.new|c.joined)&unix.CLONE_NEWCGROUP != 0)
	c.warn(warnings...)
	return view
}
