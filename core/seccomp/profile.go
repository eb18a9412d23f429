package seccomp

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// profile is a linux.seccomp that was read and found to be sound.
type profile struct {
	def     Action
	flags   uint
	notify  bool
	listed  []specs.Arch
	rules   []rule
	unknown []string
	ignored []string

	cols []*resolved // what was asked for so far
}

// rule is one entry of syscalls.
type rule struct {
	index int // in syscalls
	names []named
	act   Action
	alts  [][]cond // it holds where all conditions of one of these hold
}

func (r *rule) unconditional() bool { return len(r.alts[0]) == 0 }

func readProfile(s *specs.LinuxSeccomp) (*profile, error) {
	const top = "linux.seccomp"
	if s == nil {
		return nil, fault.Field(top, "is missing")
	}
	p := &profile{}
	var err error
	if p.def, err = readAction(func() string { return top }, "defaultAction", s.DefaultAction, "defaultErrnoRet", s.DefaultErrnoRet); err != nil {
		return nil, err
	}
	if p.def == unix.SECCOMP_RET_USER_NOTIF {
		return nil, fault.Field(top+".defaultAction", "%s cannot be the default: nobody would hear of the calls that lead to the listener", s.DefaultAction)
	}
	for i, a := range s.Architectures {
		if !slices.Contains(specArches[:], a) {
			return nil, fault.Field(fmt.Sprintf(top+".architectures[%d]", i), "%q is no architecture", a)
		}
		if !slices.Contains(p.listed, a) {
			p.listed = append(p.listed, a)
		}
	}
	if len(s.Syscalls) > maxRules {
		return nil, fault.Field(top+".syscalls", "has %d rules, more than %d", len(s.Syscalls), maxRules)
	}
	p.rules = make([]rule, len(s.Syscalls))
	count := 0
	for i := range s.Syscalls {
		count += len(s.Syscalls[i].Names)
	}
	room := make([]named, 0, count)
	for i := range s.Syscalls {
		r := &p.rules[i]
		r.index, r.names = i, room
		if err := p.readRule(func() string { return fault.At(top+".syscalls", i) }, &s.Syscalls[i], r); err != nil {
			return nil, err
		}
		room = r.names[len(r.names):]
	}
	if err := p.readListener(s); err != nil {
		return nil, err
	}
	return p, p.readFlags(s.Flags)
}

// readRule reads the rule that field names into r, with the names behind those of r.
func (p *profile) readRule(field func() string, s *specs.LinuxSyscall, r *rule) error {
	if len(s.Names) == 0 {
		return fault.Field(field()+".names", "is empty")
	}
	var err error
	if r.act, err = readAction(field, "action", s.Action, "errnoRet", s.ErrnoRet); err != nil {
		return err
	}
	before := 0
	for i, name := range s.Names {
		if name == "" {
			return fault.Field(fault.At(field()+".names", i), "is empty")
		}
		if r.act == unix.SECCOMP_RET_USER_NOTIF && name == "write" {
			return fault.Field(fault.At(field()+".names", i), "%s is refused for write: what hands over the listener may need it", s.Action)
		}
		if n, ok := find(name, &before); ok {
			r.names = append(r.names, n)
		} else if !slices.Contains(p.unknown, name) {
			p.unknown = append(p.unknown, name)
		}
	}
	p.notify = p.notify || r.act == unix.SECCOMP_RET_USER_NOTIF
	var conds []cond
	again := false
	for i, a := range s.Args {
		at := fault.At(field()+".args", i)
		c, err := readCond(at, a)
		if err != nil {
			return err
		}
		if a.ValueTwo != 0 && a.Op != specs.OpMaskedEqual {
			p.ignored = append(p.ignored, fmt.Sprintf("%s.valueTwo: %s takes one value", at, a.Op))
		}
		again = again || slices.ContainsFunc(conds, func(o cond) bool { return o.arg == c.arg })
		conds = append(conds, c)
	}
	// Two conditions on one argument are alternatives, and so is then each of
	// the rule's, as runc has it (libcontainer/seccomp, matchCall).
	if !again {
		if r.alts = unconditional; len(conds) > 0 {
			r.alts = [][]cond{conds}
		}
		return nil
	}
	for i := range conds {
		r.alts = append(r.alts, conds[i:i+1])
	}
	return nil
}

// unconditional is what holds always.
var unconditional = [][]cond{nil}

func (p *profile) readListener(s *specs.LinuxSeccomp) error {
	switch {
	case p.notify && s.ListenerPath == "":
		return fault.Field("linux.seccomp.listenerPath", "is missing: a rule has %s", specs.ActNotify)
	case s.ListenerMetadata != "" && s.ListenerPath == "":
		return fault.Field("linux.seccomp.listenerMetadata", "is set without listenerPath")
	case !p.notify && s.ListenerPath != "":
		p.ignored = append(p.ignored, fmt.Sprintf("linux.seccomp.listenerPath: no rule has %s", specs.ActNotify))
	}
	return nil
}

func (p *profile) readFlags(named []specs.LinuxSeccompFlag) error {
	if named == nil {
		// As runc: only a profile that names its flags gets the mitigation of
		// speculative store bypass, which slows every program down.
		p.flags = unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	}
	for i, f := range named {
		at := slices.IndexFunc(flags[:], func(k flag) bool { return k.name == f })
		switch {
		case at < 0:
			return fault.Field(fmt.Sprintf("linux.seccomp.flags[%d]", i), "%q is no flag", f)
		case flags[at].with == unix.SECCOMP_FILTER_FLAG_NEW_LISTENER && !p.notify:
			p.ignored = append(p.ignored, fmt.Sprintf("linux.seccomp.flags[%d]: %s: no rule has %s", i, f, specs.ActNotify))
		default:
			p.flags |= flags[at].bits
		}
	}
	if p.notify {
		p.flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	}
	return nil
}

// specArches are the architectures of the specification, config-linux.md.
var specArches = [...]specs.Arch{
	specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64,
	specs.ArchMIPS, specs.ArchMIPS64, specs.ArchMIPS64N32, specs.ArchMIPSEL, specs.ArchMIPSEL64, specs.ArchMIPSEL64N32,
	specs.ArchPPC, specs.ArchPPC64, specs.ArchPPC64LE, specs.ArchS390, specs.ArchS390X, specs.ArchPARISC, specs.ArchPARISC64,
	specs.ArchRISCV64, specs.ArchLOONGARCH64, specs.ArchM68K, specs.ArchSH, specs.ArchSHEB,
}

// Action is what a filter returns: an action and its 16 bits of data, as
// seccomp(2) has them (SECCOMP_RET_…).
type Action uint32

// maxErrno is the largest errno that seccomp returns; more is cut down to it
// (kernel/seccomp.c).
const maxErrno = 4095

// actions are the names of the specification with their values. KILL is
// another word for KILL_THREAD, which stands first so that it is what is printed.
var actions = [...]struct {
	name specs.LinuxSeccompAction
	ret  Action
}{
	{specs.ActKillThread, unix.SECCOMP_RET_KILL_THREAD},
	{specs.ActKill, unix.SECCOMP_RET_KILL_THREAD},
	{specs.ActKillProcess, unix.SECCOMP_RET_KILL_PROCESS},
	{specs.ActTrap, unix.SECCOMP_RET_TRAP},
	{specs.ActErrno, unix.SECCOMP_RET_ERRNO},
	{specs.ActTrace, unix.SECCOMP_RET_TRACE},
	{specs.ActAllow, unix.SECCOMP_RET_ALLOW},
	{specs.ActLog, unix.SECCOMP_RET_LOG},
	{specs.ActNotify, unix.SECCOMP_RET_USER_NOTIF},
}

// String is the specification's name, with the data in brackets where the
// action has any: "SCMP_ACT_ERRNO(EPERM)", "SCMP_ACT_TRACE(1)".
func (a Action) String() string {
	data := a & unix.SECCOMP_RET_DATA
	for _, k := range actions {
		switch {
		case k.ret != a&^unix.SECCOMP_RET_DATA:
		case k.ret == unix.SECCOMP_RET_ERRNO:
			if name := unix.ErrnoName(unix.Errno(data)); name != "" {
				return fmt.Sprintf("%s(%s)", k.name, name)
			}
			return fmt.Sprintf("%s(%d)", k.name, data)
		case k.ret == unix.SECCOMP_RET_TRACE:
			return fmt.Sprintf("%s(%d)", k.name, data)
		default:
			return string(k.name)
		}
	}
	return fmt.Sprintf("%#x", uint32(a))
}

// lets tells whether the call takes place, or may: a tracer decides by itself.
func (a Action) lets() bool {
	switch a &^ unix.SECCOMP_RET_DATA {
	case unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_LOG, unix.SECCOMP_RET_TRACE:
		return true
	}
	return false
}

// stricter is the kernel's order of precedence among filters, seccomp(2): it
// takes the value that is least as a signed number.
func (a Action) stricter(b Action) bool { return int32(a) < int32(b) }

// readAction reads an action and its errno, which are in those two fields of that field.
func readAction(in func() string, field string, name specs.LinuxSeccompAction, errnoField string, errno *uint) (Action, error) {
	for _, k := range actions {
		if k.name != name {
			continue
		}
		most := uint(0)
		switch k.ret {
		case unix.SECCOMP_RET_ERRNO:
			most = maxErrno
		case unix.SECCOMP_RET_TRACE:
			most = unix.SECCOMP_RET_DATA
		default:
			if errno != nil {
				return 0, fault.Field(in()+"."+errnoField, "%s takes none", name)
			}
			return k.ret, nil
		}
		if errno == nil {
			return k.ret | Action(unix.EPERM), nil
		}
		if *errno > most {
			return 0, fault.Field(in()+"."+errnoField, "%d is more than %d", *errno, most)
		}
		return k.ret | Action(*errno), nil
	}
	if name == "" {
		return 0, fault.Field(in()+"."+field, "is missing")
	}
	return 0, fault.Field(in()+"."+field, "%q is no action", name)
}

// short is an architecture's name as people write it: "x86_64".
func short(a specs.Arch) string {
	return strings.ToLower(strings.TrimPrefix(string(a), "SCMP_ARCH_"))
}
