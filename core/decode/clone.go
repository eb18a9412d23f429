package decode

import (
	"strconv"

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
					p.fd(uint64(u32(b)))
					return
				}
				p.s(strconv.Itoa(int(int32(u32(b)))))
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
	flags := u64(b)
	p.s("{flags=", names.Clone3.Format(flags))
	field := func(name string, at int) {
		p.s(", ", name, "=")
		p.addr(u64(b[at:]))
	}
	if flags&unix.CLONE_PIDFD != 0 {
		field("pidfd", 8)
	}
	if flags&(unix.CLONE_CHILD_SETTID|unix.CLONE_CHILD_CLEARTID) != 0 {
		field("child_tid", 16)
	}
	if flags&unix.CLONE_PARENT_SETTID != 0 {
		field("parent_tid", 24)
	}
	p.s(", exit_signal=")
	if sig := u64(b[32:]); sig == 0 || sig > 64 {
		p.s(num(sig))
	} else {
		p.s(Signal(int(sig)))
	}
	field("stack", 40)
	p.s(", stack_size=")
	p.hex(u64(b[48:]))
	if flags&unix.CLONE_SETTLS != 0 {
		field("tls", 56)
	}
	if len(b) >= second {
		if n := u64(b[72:]); n != 0 || u64(b[64:]) != 0 {
			p.s(", set_tid=")
			if n == 0 || n > 32 {
				p.addr(u64(b[64:]))
			} else {
				p.list(u64(b[64:]), n, 4, func(b []byte) { p.s(num(u32(b))) })
			}
			p.s(", set_tid_size=", num(n))
		}
	}
	if len(b) >= third && flags&unix.CLONE_INTO_CGROUP != 0 {
		p.s(", cgroup=")
		p.fd(u64(b[80:]))
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
	flags := u64(b)
	sep := " => {"
	out := func(name string, at int, print func([]byte)) {
		p.s(sep, name, "=")
		sep = ", "
		p.boxed(u64(b[at:]), print)
	}
	if flags&unix.CLONE_PIDFD != 0 {
		out("pidfd", 8, func(b []byte) { p.fd(uint64(u32(b))) })
	}
	if flags&unix.CLONE_PARENT_SETTID != 0 {
		out("parent_tid", 24, func(b []byte) { p.s(strconv.Itoa(int(int32(u32(b))))) })
	}
	if sep == ", " {
		p.s("}")
	}
}
