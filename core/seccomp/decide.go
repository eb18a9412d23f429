package seccomp

import (
	"fmt"
	"runtime"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/fault"
)

// Decision is what a profile does with a call, and why.
type Decision struct {
	Action Action
	Field  string // of config.json that decides: "linux.seccomp.syscalls[3]"
	Why    string // "its conditions hold", …
}

// Decide says what the profile does with the call name of arch, "" for the
// machine's own, when it is made with args. It asks the same tables as
// Compile, so that it says of a call what the program returns.
func Decide(s *specs.LinuxSeccomp, arch specs.Arch, name string, args [6]uint64) (Decision, error) {
	return decideFor(s, runtime.GOARCH, arch, name, args)
}

// Decide says what the filter does with the call name of the machine's own architecture.
func (f *Filter) Decide(name string, args [6]uint64) (Decision, error) {
	return f.profile.decide(f.goarch, "", name, args)
}

func decideFor(s *specs.LinuxSeccomp, goarch string, arch specs.Arch, name string, args [6]uint64) (Decision, error) {
	p, err := readProfile(s)
	if err != nil {
		return Decision{}, err
	}
	return p.decide(goarch, arch, name, args)
}

func (p *profile) decide(goarch string, arch specs.Arch, name string, args [6]uint64) (Decision, error) {
	cols, _ := p.columns(goarch)
	if len(cols) == 0 {
		return Decision{}, fault.Field("linux.seccomp", "there is no table of system calls for %s", goarch)
	}
	col := cols[0]
	if arch != "" {
		var ok bool
		if col, ok = column(arch); !ok {
			return Decision{}, fault.Op(nil, "there is no table of system calls for %q", arch)
		}
	}
	n, ok := find(name, new(int))
	if !ok {
		return Decision{}, fault.Op(nil, "there is no system call %q", name)
	}
	w := n.ways(col)
	if len(w) == 0 {
		return Decision{}, fault.Op(nil, "%s has no system call %q", short(abis[col].arch), name)
	}
	// A call that has only its mux's number is asked for as that number's.
	through := w[0].mux != 0
	if through {
		args = [6]uint64{uint64(w[0].call)}
	}
	if !slices.Contains(cols, col) {
		m := machine{}
		return Decision{m.at(w[0].nr, &[2]int{}).act, "linux.seccomp.architectures", short(abis[col].arch) + " is not listed"}, nil
	}
	r := p.resolve(col)
	v := r.at(w[0].nr, new(int))
	d := Decision{Action: v.act, Field: "linux.seccomp.defaultAction"}
	switch {
	case v.rule >= 0:
		d.Field, d.Why = ruleField(v.rule), "names it without conditions"
	case len(v.tries) > 0:
		d.Why = "no rule's conditions hold"
	case v.act != p.def:
		d.Why = fmt.Sprintf("number %d is newer than all that the rules name", w[0].nr&^abis[col].base)
	default:
		d.Why = "no rule with another action names it"
	}
	for _, t := range v.tries {
		if !slices.ContainsFunc(t.conds, func(c cond) bool { return !c.holds(&args) }) {
			d = Decision{t.act, ruleField(t.rule), "its conditions hold"}
			break
		}
	}
	if through {
		d.Why += ", of a call through another one that hides its arguments"
	}
	return d, nil
}

func ruleField(rule int) string { return fmt.Sprintf("linux.seccomp.syscalls[%d]", rule) }
