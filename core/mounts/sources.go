package mounts

import "ocibox/core/clone"

// Sources are what a container's file system is made from that lies outside
// it. They are opened before the child takes the container's ids, which may
// have no access to their paths, or by another program that has more power.
type Sources struct {
	Path    string // of the root
	Prop    *Prop  // of the root, or nil
	Mounts  []*Mount
	Devices []*Device
	Masks   bool      // there are paths to be masked
	Root    clone.Reg // once opened: the root's mount, on top of its path
	Null    clone.Reg // /dev/null, if Masks
}

// Open opens them, in the mount namespace of the container.
func (s *Sources) Open(p *clone.Program) {
	p.Begin("", "mount propagation")
	Isolate(p, s.Prop)
	p.Begin("root.path", s.Path)
	s.Root = makeRoot(p, s.Path, s.Prop.Shared())
	for _, m := range s.Mounts {
		if m.copies() {
			m.begin(p)
			m.open(p)
		}
	}
	for _, d := range s.Devices {
		if d.Bind {
			d.begin(p)
			d.open(p)
		}
	}
	if s.Masks {
		p.Begin(maskedPaths, "")
		s.Null = null(p)
	}
}

// Pass makes the program from send them over the socket send, and the program
// to, which is the child's, receive them.
func (s *Sources) Pass(from, to *clone.Program, send, receive clone.Reg) {
	pass := func(name string, r *clone.Reg) {
		from.SendFD(send, *r, name)
		*r = to.Reg(name)
		to.Receive(receive, *r)
	}
	begin := func(step func(*clone.Program)) { step(from); step(to) }
	begin(func(p *clone.Program) { p.Begin("root.path", s.Path) })
	pass("root", &s.Root)
	for _, m := range s.Mounts {
		if m.copies() {
			begin(m.begin)
			pass(m.Field, &m.from)
		}
	}
	for _, d := range s.Devices {
		if d.Bind {
			begin(d.begin)
			pass("dev."+d.name(), &d.from)
		}
	}
	if s.Masks {
		begin(func(p *clone.Program) { p.Begin(maskedPaths, "") })
		pass("null", &s.Null)
	}
}
