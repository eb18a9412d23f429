package plan

import (
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/mounts"
	"ocibox/core/namespace"
)

// shelter has the child execute from the file that it is given for that, before
// anything else.
func (c *compiler) shelter() {
	if c.in.Image != nil {
		c.plan.Exe = c.p.Sheltered(c.in.Image, "exe")
	}
}

// userns says whether the container is in a user namespace that is not the
// initial one.
func (c *compiler) userns() bool {
	return c.host.Userns || (c.new|c.joined)&unix.CLONE_NEWUSER != 0
}

// hide makes what is in the container's namespaces unable to look into the
// process until it is one of them. It stands before any is joined; but the
// files of a map that has yet to be written belong to root then, so that a
// plain user can only do it after. No plain user can join a pid namespace
// without its user namespace, for which no map is written.
func (c *compiler) hide() {
	if c.hidden || c.newUser && !c.mapped && !(c.host.Self.CapSetuid && c.host.Self.CapSetgid) {
		return
	}
	c.hidden = true
	c.p.Begin("", "")
	c.undumpable()
}

func (c *compiler) undumpable() {
	c.p.Call(unix.SYS_PRCTL, clone.Num(unix.PR_SET_DUMPABLE), clone.Num(0))
}

// rendezvous is a wait of the child for what the parent does meanwhile.
func (c *compiler) rendezvous(quiet bool, actions ...Action) {
	c.p.Rendezvous(quiet)
	c.plan.Stops = append(c.plan.Stops, Stop{Quiet: quiet, Actions: actions})
}

// enter brings the child into its namespaces, with its ids mapped.
func (c *compiler) enter(prop *mounts.Prop) {
	p := c.p
	c.joinCgroup()
	after := c.namespaceAfter()
	made := c.new &^ after
	// What clone3 makes is there before the child runs.
	atOnce := len(c.plan.Joins) == 0 && !c.shifts() && !c.locks()
	if atOnce {
		p.Flags = made
	} else {
		if c.locks() {
			c.liftOutside(prop)
		}
		c.oomScoreAdj()
		var offsets clone.Reg
		if c.shifts() {
			offsets = c.openOffsets()
		}
		c.hide()
		c.join()
		left := made
		if c.shifts() {
			left &^= c.setOffsets(offsets)
		}
		p.Begin("linux.namespaces", "")
		switch {
		case c.forks:
			p.Fork(left | unix.CLONE_PARENT)
		case left != 0:
			p.Call(unix.SYS_UNSHARE, clone.Num(uintptr(left)))
		}
	}
	var actions []Action
	if c.newUser {
		p.Begin(idMaps, "")
		actions = append(c.parentOOMScoreAdj(), c.writeMaps()...)
	}
	if c.adopts() {
		actions = append(actions, c.makeCgroup()...)
	} else {
		c.plan.Before = c.makeCgroup()
	}
	if actions = append(actions, c.moveNetDevices()...); len(actions) > 0 {
		c.rendezvous(atOnce, actions...)
	}
	c.mapped = true
	if after != 0 {
		p.Begin("linux.namespaces", "")
		p.Call(unix.SYS_UNSHARE, clone.Num(uintptr(after)))
	}
	if c.lifts() && !c.locks() {
		c.lift(prop)
		if c.host.Bottom {
			c.reachable("the root of this host, which pivot_root(2) cannot take from its place, stays below the container's")
		}
	}
	c.hide()
	p.Call(unix.SYS_UMASK, clone.Num(0))
	p.Call(unix.SYS_SETSID)
}

// join enters the namespaces that exist. Those of the host's user namespace
// are to be joined before the container's user namespace is, those that belong
// to it after: what fails the first time is tried again.
func (c *compiler) join() {
	var user *Join
	var again []func()
	for i := range namespace.Kinds {
		for n := range c.plan.Joins {
			j := &c.plan.Joins[n]
			switch {
			case j.Kind != &namespace.Kinds[i]:
			case j.Kind.Flag == unix.CLONE_NEWUSER:
				user = j
			default:
				c.p.Begin(j.Field, j.Path)
				first := c.setns(j)
				if c.joined&unix.CLONE_NEWUSER != 0 {
					done := c.p.Reg(j.Kind.Proc + ".joined")
					first.Ignore(unix.EPERM).Save(done)
					again = append(again, func() {
						c.p.Begin(j.Field, j.Path)
						c.setns(j).Unless(done, 0)
					})
				}
			}
		}
	}
	if user != nil {
		c.p.Begin(user.Field, user.Path)
		c.setns(user)
	}
	for _, f := range again {
		f()
	}
}

func (c *compiler) setns(j *Join) *clone.Insn {
	return c.p.Call(unix.SYS_SETNS, clone.In(j.Reg), clone.Num(uintptr(j.Kind.Flag)))
}
