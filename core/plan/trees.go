package plan

import (
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/mounts"
)

// Trees is a second program, the opener's: in the child's mount namespace, but
// with the power of the parent, it opens what the container's file system is
// made from, and sends the descriptors to the child. For, the ids of a user
// namespace do not reach everything that root does, and who maps the owners of
// a mount has to have CAP_SYS_ADMIN where its file system belongs. What is
// locked in that mount namespace (mount_namespaces(7)) stays locked.
type Trees struct {
	Program *clone.Program
	MountNS clone.Reg // the child's mount namespace
	Send    clone.Reg // the opener's end of a socket pair
	Receive clone.Reg // the child's, in its own program
	Users   []UserNS
}

// UserNS is a user namespace whose maps are those of a mount.
type UserNS struct {
	Field string
	Reg   clone.Reg
	Map   *mounts.IDMap // if it is Own, the container's user namespace
}

// open opens the sources, in the child or, with more power, in the opener.
func (c *compiler) open(src *mounts.Sources) {
	power := c.sysAdmin() && (c.new|c.joined)&unix.CLONE_NEWUSER != 0
	for _, m := range src.Mounts {
		power = power || m.Owners != nil
	}
	if !power {
		src.Open(c.p)
		return
	}
	p := clone.New()
	t := &Trees{Program: p, MountNS: p.Inherit("ns.mnt"), Send: p.Inherit("trees"), Receive: c.p.Inherit("trees")}
	c.plan.Trees = t
	if !c.newUser {
		c.p.Begin("", "")
		c.rendezvous(c.p.Flags&unix.CLONE_NEWNS != 0 && !c.lifts()) // clone3 makes it, or the child
	}
	c.plan.Stops[len(c.plan.Stops)-1].Trees = true
	for _, m := range src.Mounts {
		if m.Owners != nil {
			m.Owners.Userns = p.Inherit("ns.user")
			t.Users = append(t.Users, UserNS{m.Field, m.Owners.Userns, m.Owners})
		}
	}
	p.Begin("linux.namespaces", "")
	p.Call(unix.SYS_PRCTL, clone.Num(unix.PR_SET_DUMPABLE), clone.Num(0))
	p.Call(unix.SYS_SETNS, clone.In(t.MountNS), clone.Num(unix.CLONE_NEWNS))
	src.Open(p)
	src.Pass(p, c.p, t.Send, t.Receive)
	p.Begin("", "")
	p.Rendezvous(false)
}
