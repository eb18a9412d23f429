package decode

import (
	"strconv"

	"golang.org/x/sys/unix"

	"ocibox/core/names"
)

// special prints an argument whose form depends on the call's others, or that
// is more than what an address points to; false for another kind.
func (p *printer) special(kind string, i int, v, length uint64) bool {
	c := p.c
	switch kind {
	case "argv":
		p.argv(v)
	case "envp":
		p.envp(v)
	case "modet":
		p.fileMode(v & 0xffff)
		if t := v & unix.S_IFMT; t == unix.S_IFCHR || t == unix.S_IFBLK {
			p.s(", ")
			p.dev(uint64(uint32(c.Args[i+1])))
		}
	case "dev":
		p.dev(uint64(uint32(v)))
	case "fstype", "mountdata":
		p.mountText(kind, v)
	case "fskey", "fsvalue", "fsaux":
		p.fsconfig(kind, v)
	case "sigset":
		p.sigsetAt(v)
	case "sigframe":
		p.s("{mask=")
		p.sigsetAt(c.SP + sigFrameMask)
		p.s("}")
	case "restart":
		before := c.Previous
		if before == "" {
			before = "system call"
		}
		p.s("<... resuming interrupted ", before, " ...>")
	case "tsrem":
		if v == 0 || !c.interrupted() || !p.time("ts", v) {
			p.addr(v)
		}
	case "clonehead":
		p.clone()
	case "clonetail":
		p.cloneTail()
	case "cloneout": // no argument: it stands behind the first one
		p.clone3Out()
		p.s(", ")
		p.u(v)
	case "none":
	case "wstatus":
		if v == 0 || c.Failed || c.Ret == 0 {
			p.addr(v)
		} else {
			p.boxed(v, p.waitStatus)
		}
	case "waitinfo":
		if b, ok := p.read(v, siginfoSize); ok && !c.Failed {
			p.siginfo(b)
		} else {
			p.addr(v)
		}
	case "rusage":
		return p.rusageUnlessNone(v)
	case "sockproto":
		p.protocol(length, v)
	case "optname":
		p.optionName(c.Args[1], v)
	case "fcntlarg":
		p.fcntl(v)
	case "ioctlcmd":
		p.ioctlName(v)
	case "ioctlarg":
		p.ioctl(v)
	case "ioprio":
		p.ioprio(v)
	case "prctlargs":
		p.prctl()
	case "keyarg":
		p.keyctl(i, v)
	case "seccompbits":
		if c.Args[0] == unix.SECCOMP_SET_MODE_FILTER {
			p.named("seccompflags", uint64(uint32(v)))
		} else {
			p.hex(uint64(uint32(v)))
		}
	case "seccomparg":
		p.seccomp(v)
	case "futexop":
		p.futexOp(v)
	case "futexval", "futextime", "futexaddr", "futexval3":
		p.futex(kind, v)
	case "pollfds":
		p.pollfds(v, length)
	case "fdset":
		p.fdset(v)
	default:
		return false
	}
	return true
}

// interrupted tells whether a signal ended the call early.
func (c *Call) interrupted() bool {
	const restartBlock = 516 // ERESTART_RESTARTBLOCK
	return c.Failed && (c.Ret == -int64(unix.EINTR) || c.Ret == -restartBlock)
}

func (p *printer) rusageUnlessNone(v uint64) bool {
	if v != 0 && !p.c.Failed && (p.c.Ret != 0 || p.c.name == "waitid") {
		return false
	}
	p.addr(v)
	return true
}

// argv is a list of strings that ends with NULL.
func (p *printer) argv(addr uint64) {
	if addr == 0 {
		p.s("NULL")
		return
	}
	sep := "["
	for n := 0; ; n++ {
		at, ok := p.pointer(addr + uint64(n*p.c.word))
		switch {
		case !ok && n == 0:
			p.addr(addr)
			return
		case !ok:
			p.s(", ...]")
			return
		case at == 0 && n == 0:
			p.s("[]")
			return
		case at == 0:
			p.s("]")
			return
		case n >= p.Limit && !p.Verbose || n >= mostElements:
			p.s(sep, "...]")
			return
		}
		p.s(sep)
		sep = ", "
		p.str(at, p.Limit)
	}
}

// envp is its number of variables, or all of them.
func (p *printer) envp(addr uint64) {
	if p.Verbose {
		p.argv(addr)
		return
	}
	p.addr(addr)
	if addr == 0 {
		return
	}
	n := 0
	for {
		at, ok := p.pointer(addr + uint64(n*p.c.word))
		if !ok {
			p.s(" /* ", strconv.Itoa(n), " vars, unterminated */")
			return
		}
		if at == 0 || n >= mostElements {
			break
		}
		n++
	}
	p.s(" /* ", strconv.Itoa(n), " var")
	if n != 1 {
		p.s("s")
	}
	p.s(" */")
}

// mountText are the two arguments of mount(2) that its flags make it ignore.
func (p *printer) mountText(kind string, v uint64) {
	flags := p.c.Args[3]
	const moves = unix.MS_BIND | unix.MS_MOVE | unix.MS_SHARED | unix.MS_PRIVATE | unix.MS_SLAVE | unix.MS_UNBINDABLE
	switch {
	case flags&unix.MS_REMOUNT == 0 && flags&moves != 0, flags&unix.MS_REMOUNT != 0 && kind == "fstype":
		p.addr(v)
	default:
		p.str(v, p.Limit)
	}
}

// fsconfig are the last three arguments of fsconfig(2), by its second.
func (p *printer) fsconfig(kind string, v uint64) {
	cmd, aux := uint32(p.c.Args[1]), p.c.Args[4]
	const binary, path, pathEmpty = unix.FSCONFIG_SET_BINARY, unix.FSCONFIG_SET_PATH, unix.FSCONFIG_SET_PATH_EMPTY
	switch {
	case kind == "fskey" && cmd <= unix.FSCONFIG_SET_FD:
		p.str(v, p.Limit)
	case kind == "fsvalue" && cmd == unix.FSCONFIG_SET_STRING:
		p.str(v, p.Limit)
	case kind == "fsvalue" && (cmd == path || cmd == pathEmpty):
		p.str(v, unix.PathMax)
	case kind == "fsvalue" && cmd == binary:
		if b, ok := p.read(v, min(aux, uint64(p.Limit))); ok {
			p.b = quote(p.b, b, HexAll)
			if aux > uint64(p.Limit) {
				p.s("...")
			}
			return
		}
		p.addr(v)
	case kind != "fsaux":
		p.addr(v)
	case cmd == path || cmd == pathEmpty:
		p.dirfd(v)
	case cmd == unix.FSCONFIG_SET_FD:
		p.fd(v)
	default:
		p.d(signed(v, 4))
	}
}

// futexPrivate is FUTEX_PRIVATE_FLAG, linux/futex.h.
const futexPrivate = 128

// futexOp is the operation: FUTEX_WAIT_PRIVATE|FUTEX_CLOCK_REALTIME.
func (p *printer) futexOp(v uint64) {
	set := names.Find("futex")
	op, private := v&0x7f, v&futexPrivate != 0
	if name := set.Of(op); name != "" && private {
		p.s(name, "_PRIVATE")
		if rest := uint64(uint32(v)) &^ (op | futexPrivate); rest != 0 {
			p.s("|", set.Format(rest | 1)[len("FUTEX_WAKE|"):])
		}
		return
	}
	p.s(set.Format(uint64(uint32(v))))
}

// futex prints what an operation of futex(2) takes; it prints nothing for what
// it does not.
func (p *printer) futex(kind string, v uint64) {
	const (
		wait, wake, fd, requeue, cmpRequeue, wakeOp = 0, 1, 2, 3, 4, 5
		lockPI, unlockPI, tryLockPI, waitBitset     = 6, 7, 8, 9
		wakeBitset, waitRequeuePI, cmpRequeuePI     = 10, 11, 12
		any                                         = 0xffffffff // FUTEX_BITSET_MATCH_ANY
	)
	op := p.c.Args[1] & 0x7f
	switch kind {
	case "futexval":
		if op == unlockPI || op == tryLockPI || op == lockPI {
			return
		}
		p.u(uint64(uint32(v)))
	case "futextime":
		switch op {
		case wait, waitBitset, lockPI, waitRequeuePI:
			if v == 0 || !p.time("ts", v) {
				p.addr(v)
			}
		case requeue, cmpRequeue, wakeOp, cmpRequeuePI:
			p.u(uint64(uint32(v)))
		default:
			if op > cmpRequeuePI {
				p.addr(v)
			}
		}
	case "futexaddr":
		switch op {
		case wait, wake, fd, lockPI, unlockPI, tryLockPI, waitBitset, wakeBitset:
		default:
			p.addr(v)
		}
	case "futexval3":
		switch {
		case (op == waitBitset || op == wakeBitset) && uint32(v) == any:
			p.s("FUTEX_BITSET_MATCH_ANY")
		case op == waitBitset, op == wakeBitset, op == wakeOp:
			p.hex(uint64(uint32(v)))
		case op == cmpRequeue, op == cmpRequeuePI, op > cmpRequeuePI:
			p.u(uint64(uint32(v)))
		}
	}
}

// pollfds are what poll(2) waits for.
func (p *printer) pollfds(addr, n uint64) {
	p.list(addr, uint64(uint32(n)), 8, func(b []byte) {
		if signed(number(b[:4]), 4) < 0 {
			p.braces(b, "fd=f4@0")
			return
		}
		p.braces(b, "fd=f4@0 events=pollevents2@4")
	})
}

// pollResult is what poll(2) saw.
func (p *printer) pollResult() {
	c := p.c
	if c.Ret == 0 {
		p.s(" (Timeout)")
		return
	}
	sep := " (["
	for i := range uint64(uint32(c.Args[1])) {
		b, ok := p.read(c.Args[0]+8*i, 8)
		if !ok {
			break
		}
		if number(b[6:8]) != 0 {
			p.s(sep)
			p.braces(b, "fd=d4@0 revents=pollevents2@6")
			sep = ", "
		}
	}
	if sep == ", " {
		p.s("]")
		if c.form == "ppoll" && c.Args[2] != 0 {
			p.s(", left ")
			p.arg("ts", 2, false)
		}
		p.s(")")
	}
}

// fdset is one of select(2)'s sets.
func (p *printer) fdset(addr uint64) {
	n := min(uint64(uint32(p.c.Args[0])), 1024)
	b, ok := p.read(addr, (n+63)/64*8)
	if !ok {
		p.addr(addr)
		return
	}
	p.s("[")
	sep := ""
	for fd := range n {
		if b[fd/8]>>(fd%8)&1 != 0 {
			p.s(sep)
			p.fd(fd)
			sep = " "
		}
	}
	p.s("]")
}

// selectResult is what select(2) saw: it has left only those in the sets.
func (p *printer) selectResult() {
	c := p.c
	if c.Ret == 0 {
		p.s(" (Timeout)")
		return
	}
	sep := " ("
	for i, name := range [...]string{"in ", "out ", "except "} {
		mark := len(p.b)
		p.s(sep, name)
		empty := len(p.b) + len("[]")
		if c.Args[i+1] != 0 {
			p.fdset(c.Args[i+1])
		}
		if len(p.b) <= empty {
			p.b = p.b[:mark]
			continue
		}
		sep = ", "
	}
	if left := c.kinds[4]; c.Args[4] != 0 {
		p.s(sep, "left ")
		p.arg(left, 4, false)
	}
	p.s(")")
}
