package decode

import (
	"golang.org/x/sys/unix"

	"ocibox/core/names"
)

// clone prints the arguments of clone(2) that are known at its entry, in
// strace's order: where the stack is, and the flags with the exit signal.
func (p *printer) clone() {
	flags, stack := p.c.Args[0], p.c.Args[1]
	p.s("child_stack=")
	p.addr(stack)
	p.s(", flags=")
	const signal = 0xff // CSIGNAL
	sig, rest := int(flags&signal), flags&^signal&0xffffffff
	if rest != 0 || sig == 0 {
		p.s(names.Clone.Format(rest))
	}
	if sig != 0 {
		if rest != 0 {
			p.s("|")
		}
		p.s(Signal(sig))
	}
}

// cloneTail prints the arguments of clone(2) that its flags make count.
func (p *printer) cloneTail() {
	c := p.c
	flags := c.Args[0]
	sep := ""
	arg := func(name string, i int) {
		p.s(sep, name, "=")
		sep = ", "
		if v := c.Args[i]; i == 2 && !c.Failed && v != 0 {
			p.boxed(v, func(b []byte) {
				if flags&unix.CLONE_PIDFD != 0 {
					p.fd(number(b))
					return
				}
				p.d(signed(number(b), 4))
			})
		} else {
			p.addr(v)
		}
	}
	if flags&(unix.CLONE_PARENT_SETTID|unix.CLONE_PIDFD) != 0 {
		arg("parent_tid", 2)
	}
	if flags&unix.CLONE_SETTLS != 0 {
		arg("tls", cloneOrder[0])
	}
	if flags&(unix.CLONE_CHILD_SETTID|unix.CLONE_CHILD_CLEARTID) != 0 {
		arg("child_tidptr", cloneOrder[1])
	}
}

// clone3 is struct clone_args, clone(2), as long as its caller has it.
func (p *printer) clone3(addr, size uint64) bool {
	const first, second, third = 64, 80, 88 // sizes of its versions
	if size < first {
		return false
	}
	b, ok := p.read(addr, min(size, third))
	if !ok {
		return false
	}
	flags := number(b[:8])
	spec := "flags=clonenew8@0"
	for _, m := range [...]struct {
		flags uint64
		spec  string
	}{
		{unix.CLONE_PIDFD, " pidfd=p8@8"},
		{unix.CLONE_CHILD_SETTID | unix.CLONE_CHILD_CLEARTID, " child_tid=p8@16"},
		{unix.CLONE_PARENT_SETTID, " parent_tid=p8@24"},
	} {
		if flags&m.flags != 0 {
			spec += m.spec
		}
	}
	p.s("{")
	p.members(b, spec)
	p.s(", exit_signal=")
	if sig := number(b[32:40]); sig == 0 || sig > 64 {
		p.u(sig)
	} else {
		p.s(Signal(int(sig)))
	}
	spec = "stack=p8@40 stack_size=x8@48"
	if flags&unix.CLONE_SETTLS != 0 {
		spec += " tls=p8@56"
	}
	p.s(", ")
	p.members(b, spec)
	if len(b) >= second && (number(b[64:72]) != 0 || number(b[72:80]) != 0) {
		n := number(b[72:80])
		p.s(", set_tid=")
		const most = 32 // MAX_PID_NS_LEVEL
		if n == 0 || n > most {
			p.addr(number(b[64:72]))
		} else {
			p.list(number(b[64:72]), n, 4, func(b []byte) { p.u(number(b)) })
		}
		p.s(", set_tid_size=")
		p.u(n)
	}
	if len(b) >= third && flags&unix.CLONE_INTO_CGROUP != 0 {
		p.s(", ")
		p.members(b, "cgroup=f8@80")
	}
	p.s("}")
	return true
}

// clone3Out is what clone3(2) has written to where its structure points.
func (p *printer) clone3Out() {
	b, ok := p.read(p.c.Args[0], 64)
	if !ok || p.c.Failed {
		return
	}
	flags := number(b[:8])
	sep := " => {"
	out := func(name string, at int, print func([]byte)) {
		p.s(sep, name, "=")
		sep = ", "
		p.boxed(number(b[at:at+8]), print)
	}
	if flags&unix.CLONE_PIDFD != 0 {
		out("pidfd", 8, func(b []byte) { p.fd(number(b)) })
	}
	if flags&unix.CLONE_PARENT_SETTID != 0 {
		out("parent_tid", 24, func(b []byte) { p.d(signed(number(b), 4)) })
	}
	if sep == ", " {
		p.s("}")
	}
}
