package seccomp

import (
	"cmp"
	"slices"

	"golang.org/x/sys/unix"
)

// try is one attempt to decide a call: act, where all conds hold.
type try struct {
	conds []cond
	act   Action
	rule  int // in syscalls
}

// verdict is what is decided about a number: the first of tries that holds,
// or else act. rule is the one that act comes from, -1 for none.
type verdict struct {
	tries []try
	act   Action
	rule  int
}

func (v *verdict) same(w *verdict) bool { return len(v.tries)+len(w.tries) == 0 && v.act == w.act }

// resolved is a profile in the numbers of one ABI.
type resolved struct {
	*profile
	col    int
	newest uint32 // number that the profile has a name for, ^0 where it has none
	calls  []numbered
}

// numbered is what the rules say of a number that they name.
type numbered struct {
	nr uint32
	verdict
}

// armPrivate is where arm's own calls start, far above all others.
const armPrivate = 0xf0000

// enosys is for numbers that the profile's author cannot have known. Programs
// that find a new call missing take an older one; EPERM confuses them.
const enosys = Action(unix.SECCOMP_RET_ERRNO | unix.ENOSYS)

// resolve finds the numbers of every rule in column col.
func (p *profile) resolve(col int) *resolved {
	type ref struct {
		way
		rule int // in p.rules
	}
	var refs []ref
	r := &resolved{profile: p, col: col}
	known := false
	for i := range p.rules {
		for _, n := range p.rules[i].names {
			for w := range n.ways(col) {
				refs = append(refs, ref{w, i})
				if w.nr < armPrivate || abis[col].base != 0 {
					r.newest, known = max(r.newest, w.nr), true
				}
			}
		}
	}
	if !known {
		r.newest = ^uint32(0)
	}
	slices.SortFunc(refs, func(a, b ref) int {
		return cmp.Or(cmp.Compare(a.nr, b.nr), cmp.Compare(a.mask, b.mask), cmp.Compare(a.call, b.call), cmp.Compare(a.rule, b.rule))
	})
	refs = slices.Compact(refs)
	var rules []int
	for len(refs) > 0 {
		n := numbered{refs[0].nr, verdict{act: p.def, rule: -1}}
		for len(refs) > 0 && refs[0].nr == n.nr {
			w := refs[0].way
			rules = rules[:0]
			for len(refs) > 0 && refs[0].way == w {
				rules = append(rules, refs[0].rule)
				refs = refs[1:]
			}
			if v := p.verdict(rules, abis[col].word32); w.mask == 0 {
				n.verdict = v
			} else if n.rule < 0 {
				n.tries = append(n.tries, p.through(w, v)...)
			}
		}
		slices.SortStableFunc(n.tries, func(a, b try) int { return cmp.Compare(a.rule, b.rule) })
		r.calls = append(r.calls, n)
	}
	return r
}

// verdict is that of some rules: the first without conditions, where there is
// one, or else all, in the profile's order. A rule whose action is the default
// one is none.
func (p *profile) verdict(rules []int, word32 bool) verdict {
	v := verdict{act: p.def, rule: -1}
	for _, i := range rules {
		r := &p.rules[i]
		if r.act == p.def {
			continue
		}
		if r.unconditional() {
			return verdict{act: r.act, rule: r.index}
		}
		for _, alt := range r.alts {
			if word32 {
				alt = slices.Clone(alt)
				for i := range alt {
					alt[i] = alt[i].narrow()
				}
			}
			v.tries = append(v.tries, try{alt, r.act, r.index})
		}
	}
	return v
}

// through makes the verdict on a call a try of its mux. The arguments of that
// call lie in memory, or are others, so that conditions on them cannot be
// asked: the strictest action that the call may meet holds for all of it. Else
// a 32-bit program would walk around the condition.
func (p *profile) through(w way, v verdict) []try {
	worst := try{act: v.act, rule: v.rule}
	for _, t := range v.tries {
		if t.act.stricter(worst.act) {
			worst = t
		}
	}
	if worst.rule < 0 {
		return nil
	}
	worst.conds = []cond{{op: unix.BPF_JEQ, mask: w.mask, value: w.call}}
	return []try{worst}
}

// at is what the profile decides about nr.
func (r *resolved) at(nr uint32) verdict {
	i, ok := slices.BinarySearchFunc(r.calls, nr, func(n numbered, nr uint32) int { return cmp.Compare(n.nr, nr) })
	if ok {
		return r.calls[i].verdict
	}
	if !r.def.lets() && r.beyond(nr) {
		return verdict{act: enosys, rule: -1}
	}
	return verdict{act: r.def, rule: -1}
}

// beyond tells whether nr is newer than the profile. On s390x 0 is what the
// kernel makes of a number that it does not know (arch/s390/kernel/syscall.c).
func (r *resolved) beyond(nr uint32) bool { return nr > r.newest || nr == 0 && r.col == colS390X }

// machine is what decides the calls that come with one value of
// seccomp_data.arch. Where the profile leaves an ABI out, its half is nil.
type machine struct {
	audit     uint32
	low, high *resolved // high for numbers from x32Bit on, where these are another ABI
}

// at is what is decided about nr on the machine.
func (m *machine) at(nr uint32) verdict {
	half := m.low
	// -1 is no x32 number but the kernel's own for "no call".
	if m.audit == unix.AUDIT_ARCH_X86_64 && nr >= x32Bit && nr != ^uint32(0) {
		half = m.high
	}
	if half == nil {
		return verdict{act: unix.SECCOMP_RET_KILL_PROCESS, rule: -1}
	}
	return half.at(nr)
}

// segment is a run of numbers, from first to before the next one's, about
// which the same is decided.
type segment struct {
	first uint32
	verdict
}

// segments lists all of the machine's, by number.
func (m *machine) segments() []segment {
	firsts := []uint32{0, 1, x32Bit, ^uint32(0)}
	for _, half := range []*resolved{m.low, m.high} {
		if half == nil {
			continue
		}
		if half.newest != ^uint32(0) {
			firsts = append(firsts, half.newest+1)
		}
		for _, c := range half.calls {
			firsts = append(firsts, c.nr, c.nr+1)
		}
	}
	slices.Sort(firsts)
	var segs []segment
	for _, first := range slices.Compact(firsts) {
		s := segment{first, m.at(first)}
		if n := len(segs); n == 0 || !segs[n-1].same(&s.verdict) {
			segs = append(segs, s)
		}
	}
	return segs
}
