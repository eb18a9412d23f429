package decode

import (
	"strconv"

	"golang.org/x/sys/unix"

	"ocibox/core/names"
)

// process prints what calls on processes point to; it is false for another
// kind, and where the memory cannot be read.
func (p *printer) process(kind string, i int, v, length uint64) bool {
	c := p.c
	switch kind {
	case "sigaction":
		return p.sigaction(v)
	case "siginfo":
		b, ok := p.read(v, siginfoSize)
		if ok {
			p.siginfo(b)
		}
		return ok
	case "stack":
		return p.structure(v, 24, "ss_sp=p8@0 ss_flags=ssflags4@8 ss_size=u8@16")
	case "rlimit", "rlimit64":
		return p.rlimit(v, kind)
	case "rusage":
		return p.rusage(v)
	case "utsname":
		return p.utsname(v)
	case "sysinfo":
		b, ok := p.read(v, 112)
		if !ok {
			return false
		}
		p.s("{")
		p.members(b, "uptime=u8@0")
		p.s(", loads=")
		p.list(v+8, 3, 8, func(b []byte) { p.u(number(b)) })
		p.s(", ")
		p.members(b, "totalram=u8@32 freeram=u8@40 sharedram=u8@48 bufferram=u8@56 totalswap=u8@64 freeswap=u8@72 procs=u2@80 totalhigh=u8@88 freehigh=u8@96 mem_unit=u4@104")
		p.s("}")
	case "capheader":
		return p.structure(v, 8, "version=capversion4@0 pid=d4@4")
	case "capdata":
		return p.capData(v)
	case "groups":
		n := c.Args[0]
		if p.exit {
			n = uint64(c.Ret)
		}
		const most = 65536 // NGROUPS_MAX
		if uint32(n) > most {
			return false
		}
		p.list(v, uint64(uint32(n)), 4, func(b []byte) { p.u(number(b)) })
	case "schedparam":
		p.boxed(v, func(b []byte) { p.d(signed(number(b), 4)) })
	case "schedattr": // the kernel takes any size from that of the first version on
		size, ok := p.read(v, 4)
		return ok && p.structure(v, min(max(number(size), 48), 56), "size=u4@0 sched_policy=schedpolicy4@4 sched_flags=schedflags8@8 sched_nice=d4@16 "+
			"sched_priority=u4@20 sched_runtime=u8@24 sched_deadline=u8@32 sched_period=u8@40 sched_util_min=u4@48 sched_util_max=u4@52")
	case "landlockruleset":
		return p.structure(v, min(max(length, 8), 16), "handled_access_fs=landlockfs8@0 handled_access_net=landlocknet8@8")
	case "landlockattr":
		switch c.Args[1] {
		case unix.LANDLOCK_RULE_PATH_BENEATH:
			return p.structure(v, 12, "allowed_access=landlockfs8@0 parent_fd=f4@8")
		case 2: // LANDLOCK_RULE_NET_PORT, Linux 6.7
			return p.structure(v, 16, "allowed_access=landlocknet8@0 port=u8@8")
		}
		return false
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
	for i, name := range [...]string{"{rlim_cur=", ", rlim_max="} {
		const unit = 1024
		p.s(name)
		switch v := number(b[8*i : 8*i+8]); {
		case v == ^uint64(0) && kind == "rlimit64":
			p.s("RLIM64_INFINITY")
		case v == ^uint64(0):
			p.s("RLIM_INFINITY")
		case v > unit && v%unit == 0:
			p.u(v / unit)
			p.s("*1024")
		default:
			p.u(v)
		}
	}
	p.s("}")
	return true
}

func (p *printer) rusage(addr uint64) bool {
	b, ok := p.read(addr, 144)
	if !ok {
		return false
	}
	p.s("{")
	p.members(b, "ru_utime=v16@0 ru_stime=v16@16")
	if p.Verbose {
		p.s(", ")
		p.members(b, "ru_maxrss=u8@32 ru_ixrss=u8@40 ru_idrss=u8@48 ru_isrss=u8@56 ru_minflt=u8@64 ru_majflt=u8@72 ru_nswap=u8@80 "+
			"ru_inblock=u8@88 ru_oublock=u8@96 ru_msgsnd=u8@104 ru_msgrcv=u8@112 ru_nsignals=u8@120 ru_nvcsw=u8@128 ru_nivcsw=u8@136")
	} else {
		p.s(", ...")
	}
	p.s("}")
	return true
}

// utsname has fields of 65 characters, linux/utsname.h.
func (p *printer) utsname(addr uint64) bool {
	if p.Verbose {
		return p.structure(addr, 390, "sysname=c65@0 nodename=c65@65 release=c65@130 version=c65@195 machine=c65@260 domainname=c65@325")
	}
	b, ok := p.read(addr, 390)
	if !ok {
		return false
	}
	p.s("{")
	p.members(b, "sysname=c65@0 nodename=c65@65")
	p.s(", ...}")
	return true
}

// capData are the sets of capset(2): two structures from version 2 on.
func (p *printer) capData(addr uint64) bool {
	version, ok := p.read(p.c.Args[0], 4)
	if !ok {
		return false
	}
	size := uint64(24)
	if number(version) == unix.LINUX_CAPABILITY_VERSION_1 {
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
		set := number(b[4*i : 4*i+4])
		if size > 12 {
			set |= number(b[12+4*i:16+4*i]) << 32
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

// waitStatus is what wait4(2) has written.
func (p *printer) waitStatus(b []byte) {
	s := unix.WaitStatus(number(b))
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
