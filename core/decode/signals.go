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
	p.sigset(number(b))
}

// sigaction is the kernel's struct sigaction.
func (p *printer) sigaction(addr uint64) bool {
	b, ok := p.read(addr, 32)
	if !ok {
		return false
	}
	p.s("{sa_handler=")
	switch h := number(b[:8]); h {
	case 0:
		p.s("SIG_DFL")
	case 1:
		p.s("SIG_IGN")
	default:
		p.hex(h)
	}
	const restorer = 0x04000000
	flags, mask := number(b[8:16]), number(b[16:24])
	if hasRestorer {
		mask = number(b[24:32])
	}
	p.s(", sa_mask=")
	p.sigset(mask)
	p.s(", sa_flags=", names.Find("saflags").Format(flags))
	if hasRestorer && flags&restorer != 0 {
		p.s(", sa_restorer=")
		p.addr(number(b[16:24]))
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
	signo, code := int(number(b[:4])), int32(number(b[8:12]))
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
	if number(b[4:8]) != 0 {
		p.s(", ")
		p.members(b, "si_errno=d4@4")
	}
	const sender, value = "si_pid=d4@16 si_uid=u4@20", " si_int=d4@24 si_ptr=p8@24"
	spec := sender
	switch {
	case code == queue:
		spec += value
	case code == timer:
		spec = "si_timerid=x4@16 si_overrun=d4@20" + value
	case code > user:
		spec = p.kernelInfo(Signal(signo), code, b)
	}
	if spec != "" {
		p.s(", ")
		p.members(b, spec)
	}
	p.s("}")
}

// kernelInfo are the members of a signal that the kernel made; some of them it
// prints itself.
func (p *printer) kernelInfo(signal string, code int32, b []byte) (members string) {
	switch signal {
	case "SIGCHLD":
		if code == exited {
			p.s(", ")
			p.members(b, "si_pid=d4@16 si_uid=u4@20 si_status=d4@24")
		} else {
			p.s(", ")
			p.members(b, "si_pid=d4@16 si_uid=u4@20")
			p.s(", si_status=", Signal(int(number(b[24:28]))))
		}
		p.ticks(", si_utime=", number(b[32:40]))
		p.ticks(", si_stime=", number(b[40:48]))
		return ""
	case "SIGILL", "SIGFPE", "SIGSEGV", "SIGBUS", "SIGTRAP":
		return "si_addr=p8@16"
	case "SIGIO":
		return "si_band=d8@16 si_fd=d4@24"
	case "SIGSYS":
		nr, arch := number(b[24:28]), uint32(number(b[28:32]))
		p.s(", ")
		p.members(b, "si_call_addr=p8@16")
		p.s(", si_syscall=")
		if name := seccomp.CallName(arch, uint32(nr)); name != "" {
			p.s("__NR_", name)
		} else {
			p.u(nr)
		}
		p.s(", si_arch=", auditName(arch))
		return ""
	}
	if number(b[16:24]) != 0 && code != kernel {
		return "si_pid=d4@16 si_uid=u4@20"
	}
	return ""
}

// ticks prints a time in clock ticks, of which Linux shows programs 100 a
// second.
func (p *printer) ticks(name string, v uint64) {
	p.s(name)
	p.u(v)
	if v != 0 {
		const second = 100
		p.s(" /* ", strconv.FormatFloat(float64(v)/second, 'f', -1, 64), " s */")
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
