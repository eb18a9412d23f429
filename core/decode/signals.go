package decode

import (
	"math/bits"
	"strconv"
	"strings"

	"ocibox/core/names"
	"ocibox/core/seccomp"
)

// sigset prints a set of signals: [INT TERM], or ~[KILL] for all but one.
func (p *printer) sigset(mask uint64) {
	const most = 64 * 2 / 3
	if bits.OnesCount64(mask) >= most {
		p.s("~")
		mask = ^mask
	}
	p.s("[")
	sep := ""
	for n := range 64 {
		if mask>>n&1 != 0 {
			p.s(sep, strings.TrimPrefix(Signal(n+1), "SIG"))
			sep = " "
		}
	}
	p.s("]")
}

func (p *printer) sigsetAt(addr uint64) {
	b, ok := p.read(addr, 8)
	if !ok || p.c.word != 8 {
		p.addr(addr)
		return
	}
	p.sigset(u64(b))
}

// sigaction is the kernel's struct sigaction.
func (p *printer) sigaction(addr uint64) bool {
	b, ok := p.read(addr, 32)
	if !ok {
		return false
	}
	p.s("{sa_handler=")
	switch h := u64(b); h {
	case 0:
		p.s("SIG_DFL")
	case 1:
		p.s("SIG_IGN")
	default:
		p.hex(h)
	}
	const restorer = 0x04000000
	flags, mask := u64(b[8:]), u64(b[16:])
	if hasRestorer {
		mask = u64(b[24:])
	}
	p.s(", sa_mask=")
	p.sigset(mask)
	p.s(", sa_flags=", names.Find("saflags").Format(flags))
	if hasRestorer && flags&restorer != 0 {
		p.s(", sa_restorer=")
		p.addr(u64(b[16:]))
	}
	p.s("}")
	return true
}

// Siginfo is a siginfo_t in words: {si_signo=SIGTERM, si_code=SI_USER, …}.
func (o *Options) Siginfo(info []byte) string {
	p := printer{Options: o}
	p.siginfo(info)
	return string(p.b)
}

// Values of si_code, asm-generic/siginfo.h.
const (
	user   = 0
	kernel = 0x80
	queue  = -1
	timer  = -2
	tkill  = -6
	exited = 1 // of SIGCHLD
)

// siginfoSize is how much of a siginfo_t is looked at.
const siginfoSize = 48

// siginfo is as sigaction(2) has it: which members there are, its signal and
// its code tell.
func (p *printer) siginfo(b []byte) {
	signo, code := int(u32(b)), int32(u32(b[8:]))
	if signo == 0 {
		p.s("{}")
		return
	}
	p.s("{si_signo=", Signal(signo), ", si_code=")
	own := names.Find("si-" + Signal(signo))
	switch name := names.Find("sicode").Of(uint64(uint32(code))); {
	case name != "":
		p.s(name)
	case own != nil && own.Of(uint64(code)) != "":
		p.s(own.Of(uint64(code)))
	default:
		p.s(strconv.Itoa(int(code)))
	}
	if e := int32(u32(b[4:])); e != 0 {
		p.s(", si_errno=", strconv.Itoa(int(e)))
	}
	data := b[16:]
	sender := func() { p.s(", si_pid=", strconv.Itoa(int(u32(data))), ", si_uid=", num(u32(data[4:]))) }
	switch {
	case code == user || code == tkill:
		sender()
	case code == queue:
		sender()
		p.sigval(data[8:])
	case code == timer:
		p.s(", si_timerid=")
		p.hex(uint64(u32(data)))
		p.s(", si_overrun=", strconv.Itoa(int(int32(u32(data[4:])))))
		p.sigval(data[8:])
	case code < 0:
		sender()
	default:
		p.kernelInfo(Signal(signo), code, data, sender)
	}
	p.s("}")
}

func (p *printer) sigval(b []byte) {
	p.s(", si_int=", strconv.Itoa(int(int32(u32(b)))), ", si_ptr=")
	p.addr(u64(b))
}

// kernelInfo are the members of a signal that the kernel made.
func (p *printer) kernelInfo(signal string, code int32, data []byte, sender func()) {
	switch signal {
	case "SIGCHLD":
		sender()
		status := int(int32(u32(data[8:])))
		text := Signal(status)
		if code == exited {
			text = strconv.Itoa(status)
		}
		p.s(", si_status=", text, ", si_utime=", num(u64(data[16:])), ", si_stime=", num(u64(data[24:])))
	case "SIGILL", "SIGFPE", "SIGSEGV", "SIGBUS", "SIGTRAP":
		p.s(", si_addr=")
		p.addr(u64(data))
	case "SIGIO":
		p.s(", si_band=", strconv.FormatInt(int64(u64(data)), 10), ", si_fd=", strconv.Itoa(int(int32(u32(data[8:])))))
	case "SIGSYS":
		arch, nr := u32(data[12:]), u32(data[8:])
		p.s(", si_call_addr=")
		p.addr(u64(data))
		p.s(", si_syscall=")
		if name := seccomp.CallName(arch, nr); name != "" {
			p.s("__NR_", name)
		} else {
			p.s(num(nr))
		}
		p.s(", si_arch=", auditName(arch))
	default:
		if u64(data) != 0 && code != kernel {
			sender()
		}
	}
}

// auditName is the name of an audit value.
func auditName(arch uint32) string {
	switch name := seccomp.ABIName(arch, 0); name {
	case "":
		return "0x" + strconv.FormatUint(uint64(arch), 16)
	case "x86":
		return "AUDIT_ARCH_I386"
	default:
		return "AUDIT_ARCH_" + strings.ToUpper(name)
	}
}
