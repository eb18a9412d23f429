package decode

import (
	"strconv"

	"golang.org/x/sys/unix"

	"ocibox/core/names"
)

// process prints what calls on processes point to; it is false for another
// kind, and where the memory cannot be read.
func (p *printer) process(kind string, i int, v, length uint64) bool {
	switch kind {
	case "sigaction":
		return p.sigaction(v)
	case "siginfo":
		b, ok := p.read(v, siginfoSize)
		if !ok {
			return false
		}
		p.siginfo(b)
	case "stack":
		b, ok := p.read(v, 24)
		if !ok {
			return false
		}
		p.s("{ss_sp=")
		p.addr(u64(b))
		p.s(", ss_flags=", names.Find("ssflags").Format(uint64(u32(b[8:]))), ", ss_size=", num(u64(b[16:])), "}")
	case "rlimit", "rlimit64":
		return p.rlimit(v, kind)
	case "rusage":
		return p.rusage(v)
	case "utsname":
		return p.utsname(v)
	case "sysinfo":
		return p.sysinfo(v)
	case "capheader":
		b, ok := p.read(v, 8)
		if !ok {
			return false
		}
		p.s("{version=", capVersion(u32(b)), ", pid=", strconv.Itoa(int(int32(u32(b[4:])))), "}")
	case "capdata":
		return p.capData(v)
	case "groups":
		n := p.c.Args[0]
		if p.exit {
			n = uint64(p.c.Ret)
		}
		p.list(v, uint64(uint32(n)), 4, func(b []byte) { p.s(num(u32(b))) })
	case "schedparam":
		p.boxed(v, func(b []byte) { p.s(strconv.Itoa(int(int32(u32(b))))) })
	case "schedattr":
		return p.schedAttr(v)
	case "landlockruleset":
		b, ok := p.read(v, min(max(length, 8), 16))
		if !ok {
			return false
		}
		p.s("{handled_access_fs=", names.Find("landlockfs").Format(u64(b)))
		if len(b) >= 16 {
			p.s(", handled_access_net=", names.Find("landlocknet").Format(u64(b[8:])))
		}
		p.s("}")
	case "landlockattr":
		return p.landlockRule(v)
	case "cloneargs":
		return p.clone3(v, length)
	case "bpfattr":
		return p.bpf(v, length)
	default:
		return false
	}
	return true
}

// rlimit is struct rlimit, and struct rlimit64 of prlimit(2).
func (p *printer) rlimit(addr uint64, kind string) bool {
	b, ok := p.read(addr, 16)
	if !ok {
		return false
	}
	value := func(v uint64) string {
		const unit = 1024
		switch {
		case v == ^uint64(0) && kind == "rlimit64":
			return "RLIM64_INFINITY"
		case v == ^uint64(0):
			return "RLIM_INFINITY"
		case v > unit && v%unit == 0:
			return num(v/unit) + "*1024"
		}
		return num(v)
	}
	p.s("{rlim_cur=", value(u64(b)), ", rlim_max=", value(u64(b[8:])), "}")
	return true
}

func (p *printer) rusage(addr uint64) bool {
	b, ok := p.read(addr, 144)
	if !ok {
		return false
	}
	p.s("{ru_utime=")
	p.timespec(b, "usec")
	p.s(", ru_stime=")
	p.timespec(b[16:], "usec")
	if p.Verbose {
		for i, name := range [...]string{"maxrss", "ixrss", "idrss", "isrss", "minflt", "majflt", "nswap", "inblock", "oublock", "msgsnd", "msgrcv", "nsignals", "nvcsw", "nivcsw"} {
			p.s(", ru_", name, "=", num(u64(b[32+8*i:])))
		}
	} else {
		p.s(", ...")
	}
	p.s("}")
	return true
}

func (p *printer) utsname(addr uint64) bool {
	const field = 65 // __NEW_UTS_LEN and a NUL
	b, ok := p.read(addr, 6*field)
	if !ok {
		return false
	}
	most := 6
	if !p.Verbose {
		most = 2
	}
	p.s("{")
	for i, name := range []string{"sysname", "nodename", "release", "version", "machine", "domainname"}[:most] {
		if i > 0 {
			p.s(", ")
		}
		p.s(name, "=")
		p.b = p.quote(p.b, []byte(unix.ByteSliceToString(b[i*field:(i+1)*field])))
	}
	if !p.Verbose {
		p.s(", ...")
	}
	p.s("}")
	return true
}

func (p *printer) sysinfo(addr uint64) bool {
	b, ok := p.read(addr, 112)
	if !ok {
		return false
	}
	p.s("{uptime=", num(u64(b)), ", loads=[", num(u64(b[8:])), ", ", num(u64(b[16:])), ", ", num(u64(b[24:])), "]")
	for i, name := range [...]string{"totalram", "freeram", "sharedram", "bufferram", "totalswap", "freeswap"} {
		p.s(", ", name, "=", num(u64(b[32+8*i:])))
	}
	p.s(", procs=", num(u16(b[80:])), ", totalhigh=", num(u64(b[88:])), ", freehigh=", num(u64(b[96:])), ", mem_unit=", num(u32(b[104:])), "}")
	return true
}

func capVersion(v uint32) string {
	switch v {
	case unix.LINUX_CAPABILITY_VERSION_1:
		return "_LINUX_CAPABILITY_VERSION_1"
	case unix.LINUX_CAPABILITY_VERSION_2:
		return "_LINUX_CAPABILITY_VERSION_2"
	case unix.LINUX_CAPABILITY_VERSION_3:
		return "_LINUX_CAPABILITY_VERSION_3"
	}
	return "0x" + strconv.FormatUint(uint64(v), 16) + " /* _LINUX_CAPABILITY_VERSION_??? */"
}

// capData are the sets of capset(2): two structures from version 2 on.
func (p *printer) capData(addr uint64) bool {
	version, ok := p.read(p.c.Args[0], 4)
	if !ok {
		return false
	}
	size := uint64(24)
	if u32(version) == unix.LINUX_CAPABILITY_VERSION_1 {
		size = 12
	}
	b, ok := p.read(addr, size)
	if !ok {
		return false
	}
	p.s("{")
	for i, name := range [...]string{"effective", "permitted", "inheritable"} {
		if i > 0 {
			p.s(", ")
		}
		set := uint64(u32(b[4*i:]))
		if size > 12 {
			set |= uint64(u32(b[12+4*i:])) << 32
		}
		p.s(name, "=", capabilities(set))
	}
	p.s("}")
	return true
}

// capabilities is a set in strace's form: 1<<CAP_CHOWN|1<<CAP_KILL.
func capabilities(set uint64) string {
	var b []byte
	for n := range 64 {
		if set>>n&1 == 0 {
			continue
		}
		if len(b) > 0 {
			b = append(b, '|')
		}
		name := names.Capability(n)
		if name == "" {
			b = append(append(b, "0x"...), strconv.FormatUint(1<<n, 16)...)
			continue
		}
		b = append(append(b, "1<<"...), name...)
	}
	if len(b) == 0 {
		return "0"
	}
	return string(b)
}

// schedAttr is struct sched_attr of sched_setattr(2).
func (p *printer) schedAttr(addr uint64) bool {
	size, ok := p.read(addr, 4)
	if !ok {
		return false
	}
	b, ok := p.read(addr, uint64(min(max(u32(size), 48), 56)))
	if !ok {
		return false
	}
	p.s("{size=", num(u32(b)), ", sched_policy=", names.SchedPolicies.Format(uint64(u32(b[4:]))), ", sched_flags=", names.SchedFlags.Format(u64(b[8:])),
		", sched_nice=", strconv.Itoa(int(int32(u32(b[16:])))), ", sched_priority=", num(u32(b[20:])), ", sched_runtime=", num(u64(b[24:])),
		", sched_deadline=", num(u64(b[32:])), ", sched_period=", num(u64(b[40:])))
	if len(b) >= 56 {
		p.s(", sched_util_min=", num(u32(b[48:])), ", sched_util_max=", num(u32(b[52:])))
	}
	p.s("}")
	return true
}

func (p *printer) landlockRule(addr uint64) bool {
	switch p.c.Args[1] {
	case unix.LANDLOCK_RULE_PATH_BENEATH:
		b, ok := p.read(addr, 12)
		if !ok {
			return false
		}
		p.s("{allowed_access=", names.Find("landlockfs").Format(u64(b)), ", parent_fd=")
		p.fd(uint64(u32(b[8:])))
	case 2: // LANDLOCK_RULE_NET_PORT, Linux 6.7
		b, ok := p.read(addr, 16)
		if !ok {
			return false
		}
		p.s("{allowed_access=", names.Find("landlocknet").Format(u64(b)), ", port=", num(u64(b[8:])))
	default:
		return false
	}
	p.s("}")
	return true
}

// waitStatus is what wait4(2) has written.
func (p *printer) waitStatus(b []byte) {
	s := unix.WaitStatus(u32(b))
	switch {
	case s.Exited():
		p.s("{WIFEXITED(s) && WEXITSTATUS(s) == ", strconv.Itoa(s.ExitStatus()), "}")
	case s.Stopped():
		p.s("{WIFSTOPPED(s) && WSTOPSIG(s) == ", Signal(int(s.StopSignal())), "}")
	case s.Continued():
		p.s("{WIFCONTINUED(s)}")
	case s.CoreDump():
		p.s("{WIFSIGNALED(s) && WTERMSIG(s) == ", Signal(int(s.Signal())), " && WCOREDUMP(s)}")
	default:
		p.s("{WIFSIGNALED(s) && WTERMSIG(s) == ", Signal(int(s.Signal())), "}")
	}
}
