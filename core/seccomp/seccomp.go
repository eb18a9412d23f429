// Package seccomp compiles the linux.seccomp of a config.json into a classic
// BPF program for seccomp(2), in pure Go: it needs no libseccomp.
//
//	f, err := seccomp.Compile(spec.Linux.Seccomp)
//	if err != nil {
//		return err // names the field: linux.seccomp.syscalls[3].args[0].op: …
//	}
//	prog := unix.SockFprog{Len: uint16(len(f.Program)), Filter: &f.Program[0]}
//	fd, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
//		uintptr(f.Flags), uintptr(unsafe.Pointer(&prog)))
//	// fd is the listener's descriptor if f.Notify.
//
// Semantics are those of runc with libseccomp, save where that lets a call
// walk around a rule:
//   - The rules hold for the machine's own architecture and for those listed.
//     A call of any other kills the process, and so does an x32 number where
//     x32 is not listed.
//   - Of the rules for a call, one without conditions wins, the first of them;
//     else the first whose conditions hold, in the profile's order; else the
//     default action. A rule that has the default action is none.
//   - Two conditions on one argument make each of the rule's an alternative.
//     32-bit ABIs, x32 among them, compare the low word only.
//   - A number above the newest that the profile names is ENOSYS, unless the
//     default action is to allow, to log or to trace.
//   - A rule for a call holds too for its way through socketcall(2) and ipc(2).
//     Conditions cannot be asked there, so the strictest action that the call
//     may meet takes their place.
package seccomp

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// Filter is a profile that was compiled.
type Filter struct {
	Program []unix.SockFilter // struct sock_filter[], at most 4096
	Flags   uint              // of seccomp(2), SECCOMP_FILTER_FLAG_NEW_LISTENER included where Notify
	Notify  bool              // a rule has SCMP_ACT_NOTIFY: the kernel gives a listener's descriptor
	Default Action
	Arches  []specs.Arch // that the rules hold for, the machine's own first
	Idle    []specs.Arch // listed, but this machine makes no such calls that could be let through
	Unknown []string     // names that no architecture is known to have: no rule is made for them
	Foreign []string     // names that only architectures outside of Arches have
	Ignored []string     // what has no effect: "FIELD: why"

	profile *profile
	goarch  string
}

// Compile reads and compiles a profile for the machine it runs on. An error
// names the field that is wrong.
func Compile(s *specs.LinuxSeccomp) (*Filter, error) { return compileFor(s, runtime.GOARCH) }

// compileFor compiles a profile for a kernel that runs programs of goarch.
func compileFor(s *specs.LinuxSeccomp, goarch string) (*Filter, error) {
	p, err := readProfile(s)
	if err != nil {
		return nil, err
	}
	cols, idle := p.columns(goarch)
	if len(cols) == 0 {
		return nil, fault.Field("linux.seccomp", "there is no table of system calls for %s", goarch)
	}
	f := &Filter{Flags: p.flags, Notify: p.notify, Default: p.def, Idle: idle, Unknown: p.unknown, Ignored: p.ignored, profile: p, goarch: goarch}
	for _, col := range cols {
		f.Arches = append(f.Arches, abis[col].arch)
	}
	f.Foreign = p.foreign(cols)
	f.Program = assemble(p.machines(cols))
	if n := len(f.Program); n > maxInsns {
		return nil, fault.Field("linux.seccomp.syscalls", "make a program of %d instructions, more than the kernel's %d", n, maxInsns)
	}
	return f, nil
}

// columns are those that the profile holds for on a machine of goarch, its own
// first, and the architectures that it lists to no effect there.
func (p *profile) columns(goarch string) (cols []int, idle []specs.Arch) {
	family := kin(goarch)
	if len(family) == 0 {
		return nil, p.listed
	}
	cols = family[:1:1]
	for _, arch := range p.listed {
		if col, ok := column(arch); !ok || !slices.Contains(family, col) {
			idle = append(idle, arch)
		} else if !slices.Contains(cols, col) {
			cols = append(cols, col)
		}
	}
	return cols, idle
}

// foreign are the known names that none of the columns has.
func (p *profile) foreign(cols []int) []string {
	var names []string
	var muxes [columns][len(muxes)]int32
	for _, col := range cols {
		muxes[col] = muxNumbers(col)
	}
	for i := range p.rules {
		for _, n := range p.rules[i].names {
			if !slices.ContainsFunc(cols, func(col int) bool { return n.in(col, &muxes[col]) }) && !slices.Contains(names, n.name) {
				names = append(names, n.name)
			}
		}
	}
	return names
}

// machines resolves the profile for columns, those of one audit value together.
func (p *profile) machines(cols []int) []machine {
	var machines []machine
	for _, col := range cols {
		i := slices.IndexFunc(machines, func(m machine) bool { return m.audit == abis[col].audit })
		if i < 0 {
			i = len(machines)
			machines = append(machines, machine{audit: abis[col].audit})
		}
		if col == colX32 {
			machines[i].high = p.resolve(col)
		} else {
			machines[i].low = p.resolve(col)
		}
	}
	return machines
}

// Summary says in one line what was made of the profile.
func (f *Filter) Summary() string {
	var arches []string
	for _, a := range f.Arches {
		arches = append(arches, short(a))
	}
	s := fmt.Sprintf("%d instructions for %s, default %s", len(f.Program), strings.Join(arches, " "), f.Default)
	if f.Notify {
		s += ", with a listener"
	}
	if len(f.Unknown) > 0 {
		s += ", unknown: " + strings.Join(f.Unknown, " ")
	}
	switch n := len(f.Foreign); n {
	case 0:
	case 1:
		s += ", 1 name of other architectures"
	default:
		s += fmt.Sprintf(", %d names of other architectures", n)
	}
	return s
}
