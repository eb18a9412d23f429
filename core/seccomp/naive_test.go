package seccomp

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// naive decides by reading the profile over and over: it shares nothing with
// the compiler but the table of numbers.
type naive struct {
	s      *specs.LinuxSeccomp
	def    uint32
	cols   []int // that rules hold for
	byNr   [columns]map[uint32][]string
	rules  map[string][]int // by name
	newest [columns]uint32
	known  [columns]bool
}

var naiveActions = map[specs.LinuxSeccompAction]uint32{
	"SCMP_ACT_KILL": 0, "SCMP_ACT_KILL_THREAD": 0, "SCMP_ACT_KILL_PROCESS": 0x80000000, "SCMP_ACT_TRAP": 0x30000,
	"SCMP_ACT_ERRNO": 0x50000, "SCMP_ACT_NOTIFY": 0x7fc00000, "SCMP_ACT_TRACE": 0x7ff00000, "SCMP_ACT_LOG": 0x7ffc0000, "SCMP_ACT_ALLOW": 0x7fff0000,
}

func naiveAction(a specs.LinuxSeccompAction, errno *uint) uint32 {
	ret := naiveActions[a]
	if a == "SCMP_ACT_ERRNO" || a == "SCMP_ACT_TRACE" {
		if errno == nil {
			return ret | 1
		}
		return ret | uint32(*errno)
	}
	return ret
}

var naiveSubcalls = map[string]map[uint64]string{
	"socketcall": {1: "socket", 2: "bind", 3: "connect", 4: "listen", 5: "accept", 6: "getsockname", 7: "getpeername", 8: "socketpair",
		9: "send", 10: "recv", 11: "sendto", 12: "recvfrom", 13: "shutdown", 14: "setsockopt", 15: "getsockopt", 16: "sendmsg",
		17: "recvmsg", 18: "accept4", 19: "recvmmsg", 20: "sendmmsg"},
	"ipc": {1: "semop", 2: "semget", 3: "semctl", 4: "semtimedop", 11: "msgsnd", 12: "msgrcv", 13: "msgget", 14: "msgctl",
		21: "shmat", 22: "shmdt", 23: "shmget", 24: "shmctl"},
}

// naiveSub is the name that socketcall or ipc has for its first argument, or "".
func naiveSub(name string, arg uint64) string {
	if name == "ipc" {
		return naiveSubcalls[name][arg&0xffff]
	}
	return naiveSubcalls[name][arg&0xffffffff]
}

func newNaive(s *specs.LinuxSeccomp, m testMachine) *naive {
	n := &naive{s: s, def: naiveAction(s.DefaultAction, s.DefaultErrnoRet), rules: map[string][]int{}}
	for col, b := range abis {
		if b.arch == m.native || slices.Contains(m.others, b.arch) && slices.Contains(s.Architectures, b.arch) {
			n.cols = append(n.cols, col)
		}
	}
	for i, r := range s.Syscalls {
		for _, name := range r.Names {
			n.rules[name] = append(n.rules[name], i)
		}
	}
	for col := range columns {
		n.byNr[col] = map[uint32][]string{}
		for _, row := range table {
			if row.nr[col] < 0 {
				continue
			}
			nr := uint32(row.nr[col])
			n.byNr[col][nr] = append(n.byNr[col][nr], row.name)
			named := n.rules[row.name] != nil
			for _, sub := range naiveSubcalls[row.name] {
				named = named || n.rules[sub] != nil
			}
			if named && nr < 0xf0000 {
				n.known[col], n.newest[col] = true, max(n.newest[col], nr)
			}
		}
	}
	return n
}

func naiveCond(a specs.LinuxSeccompArg, v uint64, word32 bool) bool {
	value, two := a.Value, a.ValueTwo
	if word32 {
		v, value, two = uint64(uint32(v)), uint64(uint32(value)), uint64(uint32(two))
	}
	switch a.Op {
	case "SCMP_CMP_NE":
		return v != value
	case "SCMP_CMP_LT":
		return v < value
	case "SCMP_CMP_LE":
		return v <= value
	case "SCMP_CMP_EQ":
		return v == value
	case "SCMP_CMP_GE":
		return v >= value
	case "SCMP_CMP_GT":
		return v > value
	}
	return v&value == two&value
}

func naiveMatch(args []specs.LinuxSeccompArg, v *[6]uint64, word32 bool) bool {
	alternatives := false
	seen := map[uint]bool{}
	for _, a := range args {
		alternatives = alternatives || seen[a.Index]
		seen[a.Index] = true
	}
	for _, a := range args {
		if holds := naiveCond(a, v[a.Index], word32); holds == alternatives {
			return alternatives
		}
	}
	return !alternatives
}

// strictest is what one of the calls of socketcall or ipc meets at worst, and
// the rule that says so, -1 for none.
func (n *naive) strictest(name string) (uint32, int) {
	worst, by := n.def, -1
	for _, i := range n.rules[name] {
		r := n.s.Syscalls[i]
		act := naiveAction(r.Action, r.ErrnoRet)
		if act != n.def && len(r.Args) == 0 {
			return act, i
		}
		if act != n.def && int32(act) < int32(worst) {
			worst, by = act, i
		}
	}
	return worst, by
}

// decide is what a filter shall return for d.
func (n *naive) decide(d *data) Action {
	col, nr := -1, d.nr
	x32 := d.audit == unix.AUDIT_ARCH_X86_64 && nr >= 1<<30 && nr != 0xffffffff
	for _, c := range n.cols {
		if abis[c].audit == d.audit && (c == colX32) == x32 {
			col = c
		}
	}
	if col < 0 {
		return 0x80000000
	}
	if x32 {
		nr -= 1 << 30
	}
	names := n.byNr[col][nr]
	word32 := col == colX86 || col == colX32 || col == colARM
	var rules []int // in the profile's order
	for i := range n.s.Syscalls {
		for _, name := range names {
			if slices.Contains(n.rules[name], i) && !slices.Contains(rules, i) {
				rules = append(rules, i)
			}
		}
	}
	for _, i := range rules {
		r := n.s.Syscalls[i]
		if act := naiveAction(r.Action, r.ErrnoRet); act != n.def && len(r.Args) == 0 {
			return Action(act)
		}
	}
	act, by := n.def, len(n.s.Syscalls)
	for _, i := range rules {
		r := n.s.Syscalls[i]
		if a := naiveAction(r.Action, r.ErrnoRet); a != n.def && naiveMatch(r.Args, &d.args, word32) {
			act, by = a, i
			break
		}
	}
	named := len(rules) > 0
	for _, name := range names {
		for _, sub := range naiveSubcalls[name] {
			named = named || n.rules[sub] != nil
		}
		if sub := naiveSub(name, d.args[0]); sub != "" {
			if a, i := n.strictest(sub); i >= 0 && i < by {
				act, by = a, i
			}
		}
	}
	if named || by < len(n.s.Syscalls) {
		return Action(act)
	}
	permissive := n.def == 0x7fff0000 || n.def == 0x7ffc0000 || n.def&0xffff0000 == 0x7ff00000
	if !permissive && (n.known[col] && nr > n.newest[col] || col == colS390X && nr == 0) {
		return 0x50000 | 38
	}
	return Action(n.def)
}

// grid is what the six arguments of number d.nr are tried with: values at and
// around those of the conditions that apply, crossed over the arguments.
func (n *naive) grid(col int, nr uint32) [][6]uint64 {
	values := map[uint][]uint64{}
	add := func(arg uint, vs ...uint64) { values[arg] = append(values[arg], vs...) }
	for _, name := range n.byNr[col][nr] {
		for sub := range naiveSubcalls[name] {
			add(0, sub, sub|1<<16, sub|1<<32)
		}
		for _, i := range n.rules[name] {
			for _, a := range n.s.Syscalls[i].Args {
				for _, v := range []uint64{a.Value, a.ValueTwo} {
					add(a.Index, v-1, v, v+1, v^1<<32, v-1<<32, v+1<<32, ^v, uint64(uint32(v)))
				}
			}
		}
	}
	out := [][6]uint64{{}, {^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}}
	for arg, vs := range values {
		slices.Sort(vs)
		vs = slices.Compact(vs)
		if len(out)*len(vs) > 1024 {
			vs = vs[:1+1024/len(out)]
		}
		var more [][6]uint64
		for _, o := range out {
			for _, v := range vs {
				o[arg] = v
				more = append(more, o)
			}
		}
		out = append(out, more...)
	}
	return out
}
