package decode

import (
	"strconv"

	"golang.org/x/sys/unix"

	"ocibox/core/names"
)

// fcntl prints the third argument of fcntl(2), if the command takes one.
func (p *printer) fcntl(v uint64) {
	c := p.c
	switch cmd := int(int32(c.Args[1])); cmd {
	case unix.F_GETFD, unix.F_GETFL, unix.F_GETOWN, unix.F_GETPIPE_SZ, unix.F_GET_SEALS, unix.F_GETLEASE, unix.F_GETSIG:
	case unix.F_SETFD:
		p.named("fdflags", v)
	case unix.F_SETFL:
		p.s(names.Open.Format(uint64(uint32(v))))
	case unix.F_ADD_SEALS:
		p.named("seals", v)
	case unix.F_DUPFD, unix.F_DUPFD_CLOEXEC, unix.F_SETOWN, unix.F_SETPIPE_SZ:
		p.d(signed(v, 4))
	case unix.F_SETSIG:
		p.s(Signal(int(v)))
	case unix.F_SETLEASE:
		p.named("locktype", v)
	case unix.F_GETLK, unix.F_SETLK, unix.F_SETLKW, unix.F_OFD_GETLK, unix.F_OFD_SETLK, unix.F_OFD_SETLKW:
		b, ok := p.read(v, 32)
		if !ok || c.word != 8 {
			p.addr(v)
			return
		}
		spec := "l_type=locktype2@0 l_whence=whence2@2 l_start=d8@8 l_len=d8@16"
		if cmd == unix.F_GETLK || cmd == unix.F_OFD_GETLK {
			spec += " l_pid=d4@24"
		}
		p.braces(b, spec)
	default:
		p.hex(v)
	}
}

// fcntlResult prints what fcntl(2) returned.
func (p *printer) fcntlResult(v uint64) {
	flags := func(text string) {
		p.hex(v)
		p.s(" (flags ", text, ")")
	}
	switch cmd := int(int32(p.c.Args[1])); {
	case cmd == unix.F_GETFD && v != 0:
		flags(names.Find("fdflags").Format(v))
	case cmd == unix.F_GETFL:
		flags(names.Open.Format(v))
	case cmd == unix.F_GET_SEALS && v != 0:
		flags(names.Find("seals").Format(v))
	case cmd == unix.F_DUPFD || cmd == unix.F_DUPFD_CLOEXEC:
		p.fd(v)
	default:
		p.d(signed(v, 4))
	}
}

// ioctlName is the request's name, or its parts.
func (p *printer) ioctlName(v uint64) {
	v = uint64(uint32(v))
	if name := names.Ioctls.Of(v); name != "" {
		p.s(name)
		return
	}
	dir := "_IOC_NONE" // asm-generic/ioctl.h
	if d := v >> 30; d != 0 {
		dir = names.Find("iocdir").Format(d)
		if d == 3 {
			dir = "_IOC_READ|_IOC_WRITE"
		}
	}
	p.s("_IOC(", dir)
	for _, part := range [...]uint64{v >> 8 & 0xff, v & 0xff, v >> 16 & 0x3fff} {
		p.s(", ")
		p.hex(part)
	}
	p.s(")")
}

// ioctl is the third argument of ioctl(2), if the request takes one.
func (p *printer) ioctl(v uint64) {
	switch req := uint32(p.c.Args[1]); req {
	case unix.TIOCNOTTY, 0x5451, 0x5450, unix.NS_GET_USERNS, unix.NS_GET_PARENT, unix.NS_GET_NSTYPE: // and FIOCLEX, FIONCLEX
		return
	case unix.TIOCSCTTY, unix.TCSBRK, unix.LOOP_SET_FD:
		p.d(signed(v, 4))
		return
	case unix.TIOCGPTPEER:
		p.s(names.Open.Format(v))
		return
	case unix.FICLONE:
		p.fd(v)
		return
	}
	if v == 0 || p.c.Failed && p.ioctlReads() || !p.ioctlData(v) {
		p.addr(v)
	}
}

// ioctlReads tells whether the request fills its argument.
func (p *printer) ioctlReads() bool {
	switch uint32(p.c.Args[1]) {
	case unix.TIOCNOTTY, 0x5451, 0x5450, unix.NS_GET_USERNS, unix.NS_GET_PARENT, unix.NS_GET_NSTYPE, // and FIOCLEX, FIONCLEX
		unix.TIOCSCTTY, unix.TCSBRK, unix.LOOP_SET_FD, unix.TIOCGPTPEER, unix.FICLONE:
		return false
	case unix.TIOCSWINSZ, unix.TIOCSPTLCK, unix.TIOCSPGRP, unix.SIOCSIFFLAGS, unix.TCSETS, unix.TCSETSW, unix.TCSETSF:
		return false
	}
	return true
}

func (p *printer) ioctlData(v uint64) bool {
	switch req := uint32(p.c.Args[1]); req {
	case unix.TIOCGWINSZ, unix.TIOCSWINSZ:
		return p.structure(v, 8, "ws_row=u2@0 ws_col=u2@2 ws_xpixel=u2@4 ws_ypixel=u2@6")
	case unix.TIOCSPTLCK, unix.TIOCGPTN, unix.TIOCGPGRP, unix.TIOCSPGRP, unix.TIOCGSID, unix.TIOCINQ, 0x5421, unix.NS_GET_OWNER_UID: // and FIONBIO
		p.boxed(v, func(b []byte) { p.d(signed(number(b), 4)) })
	case unix.SIOCGIFFLAGS, unix.SIOCSIFFLAGS, unix.SIOCGIFINDEX, unix.SIOCGIFADDR, unix.SIOCGIFHWADDR, unix.SIOCGIFMTU, unix.SIOCSIFADDR:
		b, ok := p.read(v, unix.IFNAMSIZ)
		if !ok {
			return false
		}
		p.s("{")
		p.members(b, "ifr_name=c16@0")
		p.s(", ...}")
	case unix.TCGETS, unix.TCSETS, unix.TCSETSW, unix.TCSETSF:
		return p.termios(v)
	default:
		return false
	}
	return true
}

// termios is the short form of struct termios: the speed, and the local flags
// that people look for.
func (p *printer) termios(addr uint64) bool {
	b, ok := p.read(addr, 16)
	if !ok {
		return false
	}
	oflag, cflag, lflag := number(b[4:8]), number(b[8:12]), number(b[12:16])
	speed := "B???"
	if cflag&unix.CBAUD == unix.B38400 {
		speed = "B38400"
	}
	p.s("{", speed)
	for _, f := range [...]struct {
		flags, bit uint64
		name       string
	}{{oflag, unix.OPOST, "opost"}, {lflag, unix.ISIG, "isig"}, {lflag, unix.ICANON, "icanon"}, {lflag, unix.ECHO, "echo"}} {
		p.s(" ")
		if f.flags&f.bit == 0 {
			p.s("-")
		}
		p.s(f.name)
	}
	p.s(" ...}")
	return true
}

// prctl prints the arguments behind the option of prctl(2).
func (p *printer) prctl() {
	c := p.c
	v := c.Args[1]
	rest := func(from int) {
		for _, a := range c.Args[from:5] {
			p.s(", ")
			p.hex(a)
		}
	}
	switch c.Args[0] {
	case unix.PR_GET_DUMPABLE, unix.PR_GET_KEEPCAPS, unix.PR_GET_SECCOMP, unix.PR_GET_TIMERSLACK, unix.PR_GET_SECUREBITS:
	case unix.PR_GET_PDEATHSIG, unix.PR_GET_CHILD_SUBREAPER:
		if c.Failed {
			p.addr(v)
			return
		}
		p.boxed(v, func(b []byte) {
			if c.Args[0] == unix.PR_GET_PDEATHSIG {
				p.s(Signal(int(number(b))))
				return
			}
			p.u(number(b))
		})
	case unix.PR_SET_PDEATHSIG:
		p.s(Signal(int(v)))
	case unix.PR_SET_DUMPABLE:
		p.s(names.Dumpables.Format(v))
	case unix.PR_SET_NAME:
		p.str(v, min(15, p.Limit)) // TASK_COMM_LEN
	case unix.PR_GET_NAME:
		p.str(v, min(15, p.Limit))
	case unix.PR_SET_KEEPCAPS, unix.PR_SET_CHILD_SUBREAPER, unix.PR_SET_TIMERSLACK:
		p.u(v)
	case unix.PR_SET_SECUREBITS:
		p.named("securebits", v)
	case unix.PR_CAPBSET_DROP, unix.PR_CAPBSET_READ:
		p.s(capName(v))
	case unix.PR_CAP_AMBIENT:
		p.s(names.Ambients.Format(v), ", ")
		if v == unix.PR_CAP_AMBIENT_CLEAR_ALL {
			p.hex(c.Args[2])
		} else {
			p.s(capName(c.Args[2]))
		}
		rest(3)
	case unix.PR_SET_NO_NEW_PRIVS:
		p.u(v)
		rest(2)
	case unix.PR_GET_NO_NEW_PRIVS:
		p.hex(v)
		rest(2)
	case unix.PR_SET_SECCOMP:
		p.named("seccompmode", v)
		if v == unix.SECCOMP_MODE_FILTER {
			p.s(", ")
			p.filter(c.Args[2])
		}
	case unix.PR_SET_VMA:
		p.s(names.Find("vma").Format(v), ", ")
		p.addr(c.Args[2])
		p.s(", ")
		p.u(c.Args[3])
		p.s(", ")
		p.str(c.Args[4], 80) // ANON_VMA_NAME_MAX_LEN
	default:
		p.hex(v)
		rest(2)
	}
}

// prctlResult prints what prctl(2) returned.
func (p *printer) prctlResult(v uint64) {
	kind := ""
	switch p.c.Args[0] {
	case unix.PR_GET_DUMPABLE:
		kind = "dumpable"
		p.u(v)
	case unix.PR_GET_SECUREBITS:
		kind = "securebits"
		p.hex(v)
	default:
		p.d(int64(v))
	}
	if kind != "" && (v != 0 || kind == "dumpable") {
		p.s(" (", names.Find(kind).Format(v), ")")
	}
}

// ioprio is a priority of ioprio_set(2).
func (p *printer) ioprio(v uint64) {
	const classShift = 13
	p.s("IOPRIO_PRIO_VALUE(", names.IOClasses.Format(v>>classShift), ", ")
	p.u(v & (1<<classShift - 1))
	p.s(")")
}

func capName(v uint64) string {
	if v < 64 {
		if name := names.Capability(int(v)); name != "" {
			return name
		}
	}
	return "0x" + strconv.FormatUint(v, 16) + " /* CAP_??? */"
}

// keyctl prints argument i of keyctl(2), if the operation takes it.
func (p *printer) keyctl(i int, v uint64) {
	keyring := names.Find("keyring")
	switch op := p.c.Args[0]; {
	case op == unix.KEYCTL_DESCRIBE || op == unix.KEYCTL_READ:
		switch {
		case i == 1:
			p.set(keyring, v)
		case i == 2 && p.c.Failed:
			p.addr(v)
		case i == 2:
			p.bytes(v, min(uint64(p.c.Ret), p.c.Args[3]))
		case i == 3:
			p.u(v)
		}
	case op == unix.KEYCTL_JOIN_SESSION_KEYRING && i == 1:
		p.str(v, p.Limit)
	case op == unix.KEYCTL_SETPERM && i == 2:
		p.named("keyperm", uint64(uint32(v)))
	case op == unix.KEYCTL_GET_KEYRING_ID && i == 2, op == unix.KEYCTL_SETPERM && i == 1, op == unix.KEYCTL_GET_KEYRING_ID && i == 1,
		op == unix.KEYCTL_REVOKE && i == 1, op == unix.KEYCTL_CLEAR && i == 1, op == unix.KEYCTL_LINK && i <= 2, op == unix.KEYCTL_UNLINK && i <= 2:
		if op == unix.KEYCTL_GET_KEYRING_ID && i == 2 {
			p.d(signed(v, 4))
			return
		}
		p.set(keyring, v)
	case op == unix.KEYCTL_JOIN_SESSION_KEYRING, op == unix.KEYCTL_SETPERM, op == unix.KEYCTL_GET_KEYRING_ID, op == unix.KEYCTL_REVOKE,
		op == unix.KEYCTL_CLEAR, op == unix.KEYCTL_LINK, op == unix.KEYCTL_UNLINK:
	default:
		p.hex(v)
	}
}
