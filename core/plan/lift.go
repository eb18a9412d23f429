package plan

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/idmap"
	"ocibox/core/mounts"
)

// Where pivot_root(2) cannot take the host's root from its place, because there is
// no mount below, a copy of it is put on top of it first, mounts.Lift. What is
// below is still there then: who has CAP_SYS_ADMIN over the mount namespace can
// take everything off it, by umount2("/", MNT_DETACH), and enter the namespace
// anew. Unless it is locked, mount_namespaces(7), as all is that a mount namespace
// gets from that of another user namespace. So the copy is made in a mount
// namespace of its own, if it can be, and the container's user and mount namespaces
// are made after it.
//
// Where the root is no mount, after a chroot(2), it is made one, mounts.Unchroot.
// That is done before as well: in a chroot no user namespace can be made.

// lifts says whether one or the other is done.
func (c *compiler) lifts() bool {
	return (c.host.Bottom || c.host.Chrooted) && c.new&unix.CLONE_NEWNS != 0 && !c.in.NoPivot
}

// locks says whether that is done outside of the container's user namespace.
func (c *compiler) locks() bool {
	return c.lifts() && (c.newUser || c.joined&unix.CLONE_NEWUSER != 0 && c.sysAdmin())
}

// nests says whether that takes a user namespace around the container's, which
// the caller, with power over its own, can do without.
func (c *compiler) nests() bool { return c.locks() && c.newUser && !c.sysAdmin() }

// lift does it in the mount namespace that the child is in.
func (c *compiler) lift(prop *mounts.Prop) {
	c.p.Begin("root.path", "the host's root")
	if c.host.Chrooted {
		mounts.Unchroot(c.p, prop)
	} else {
		mounts.Lift(c.p, prop, c.host.KernelMounts)
	}
}

// liftOutside makes the child lift it before it has the container's namespaces.
func (c *compiler) liftOutside(prop *mounts.Prop) {
	p := c.p
	p.Flags = unix.CLONE_NEWNS
	if c.nests() {
		p.Flags |= unix.CLONE_NEWUSER
		p.Begin(idMaps, "")
		c.rendezvous(true, mapActions(c.maps, c.maps.Write)...)
		// Who makes a user namespace has to have its ids in the one around it.
		id := func(of []specs.LinuxIDMapping) clone.Arg {
			if _, ok := idmap.HostID(of, 0); ok {
				return clone.Num(0)
			}
			return clone.Num(of[0].ContainerID)
		}
		uid, gid := id(c.maps.UID.Ranges), id(c.maps.GID.Ranges)
		p.Call(clone.SysSetresgid, gid, gid, gid)
		p.Call(clone.SysSetresuid, uid, uid, uid)
		// That took it away, and with it the files of the maps to come.
		p.Call(unix.SYS_PRCTL, clone.Num(unix.PR_SET_DUMPABLE), clone.Num(1))
	}
	c.lift(prop)
}

const idMaps = "linux.uidMappings, linux.gidMappings"

// writeMaps has the parent write the maps of the container's user namespace.
func (c *compiler) writeMaps() []Action {
	if c.nests() {
		inner := c.maps.Inner()
		return mapActions(inner, inner.WriteInner)
	}
	return mapActions(c.maps, c.maps.Write)
}

// mapActions are the steps of a plan as one thing to do, which tells by itself
// which failed.
func mapActions(m idmap.Plan, write func(pid int) error) []Action {
	var actions []Action
	for _, s := range m.Steps() {
		actions = append(actions, Action{Field: s.Field, Text: s.Text})
	}
	actions[len(actions)-1].Do = write
	return actions
}

// reachable warns of a container that can get at the host's root.
func (c *compiler) reachable(why string) {
	if c.caps.Bounding&(1<<unix.CAP_SYS_ADMIN) != 0 {
		c.warn(fmt.Sprintf("%s, and process.capabilities.bounding has CAP_SYS_ADMIN, by which the container can get there", why))
	}
}
