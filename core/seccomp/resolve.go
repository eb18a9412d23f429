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

// A way to make a call and a rule that names it are put in order as one number.
const (
	ruleBits = 22
	callBits = 8
	muxBits  = 2
	maxRules = 1<<ruleBits - 1
)

// resolve finds the numbers of every rule in column col.
func (p *profile) resolve(col int) *resolved {
	for _, r := range p.cols {
		if r.col == col {
			return r
		}
	}
	r := &resolved{profile: p, col: col}
	p.cols = append(p.cols, r)
	muxes, base := muxNumbers(col), abis[col].base
	count := 0
	for i := range p.rules {
		count += 2 * len(p.rules[i].names)
	}
	refs := make([]uint64, 0, count)
	known := false
	for i := range p.rules {
		for _, n := range p.rules[i].names {
			direct := n.nr[col] >= 0
			if direct {
				refs = append(refs, uint64(base+uint32(n.nr[col]))<<32|uint64(i))
			}
			for _, nr := range [...]int32{n.nr[col], muxes[n.mux]} {
				if nr >= 0 && (nr < armPrivate || base != 0) {
					r.newest, known = max(r.newest, base+uint32(nr)), true
				}
			}
			if nr := muxes[n.mux]; nr >= 0 {
				refs = append(refs, uint64(nr)<<32|uint64(n.mux)<<(ruleBits+callBits)|uint64(n.call)<<ruleBits|uint64(i))
			}
		}
	}
	if !known {
		r.newest = ^uint32(0)
	}
	slices.Sort(refs)
	refs = slices.Compact(refs)
	r.calls = make([]numbered, 0, len(refs))
	var rules []int
	for len(refs) > 0 {
		n := numbered{uint32(refs[0] >> 32), verdict{act: p.def, rule: -1}}
		for len(refs) > 0 && uint32(refs[0]>>32) == n.nr {
			w := refs[0] >> ruleBits
			rules = rules[:0]
			for len(refs) > 0 && refs[0]>>ruleBits == w {
				rules = append(rules, int(refs[0]&maxRules))
				refs = refs[1:]
			}
			mux, call := w>>callBits&(1<<muxBits-1), w&(1<<callBits-1)
			if v := p.verdict(rules, abis[col].word32); mux == 0 {
				n.verdict = v
			} else if n.rule < 0 {
				n.tries = append(n.tries, p.through(uint8(mux), call, v)...)
			}
		}
		if len(n.tries) > 1 {
			slices.SortStableFunc(n.tries, func(a, b try) int { return cmp.Compare(a.rule, b.rule) })
		}
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
func (p *profile) through(mux uint8, call uint64, v verdict) []try {
	worst := try{act: v.act, rule: v.rule}
	for _, t := range v.tries {
		if t.act.stricter(worst.act) {
			worst = t
		}
	}
	if worst.rule < 0 {
		return nil
	}
	worst.conds = []cond{{op: unix.BPF_JEQ, mask: muxes[mux].mask, value: call}}
	return []try{worst}
}

// at is what the profile decides about nr. from is how many of the calls are behind: numbers
// are asked for in their order.
func (r *resolved) at(nr uint32, from *int) verdict {
	for ; *from < len(r.calls) && r.calls[*from].nr <= nr; *from++ {
		if r.calls[*from].nr == nr {
			return r.calls[*from].verdict
		}
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

// at is what is decided about nr on the machine. from is resolved.at's for both halves.
func (m *machine) at(nr uint32, from *[2]int) verdict {
	half, behind := m.low, &from[0]
	// -1 is no x32 number but the kernel's own for "no call".
	if m.audit == unix.AUDIT_ARCH_X86_64 && nr >= x32Bit && nr != ^uint32(0) {
		half, behind = m.high, &from[1]
	}
	if half == nil {
		return verdict{act: unix.SECCOMP_RET_KILL_PROCESS, rule: -1}
	}
	return half.at(nr, behind)
}

// segment is a run of numbers, from first to before the next one's, about
// which the same is decided.
type segment struct {
	first uint32
	verdict
}

// segments lists all of the machine's, by number.
func (m *machine) segments() []segment {
	count := 0
	for _, half := range []*resolved{m.low, m.high} {
		if half != nil {
			count += len(half.calls)
		}
	}
	firsts := append(make([]uint32, 0, 2*count+6), 0, 1)
	for _, half := range []*resolved{m.low, m.high} {
		if half == nil {
			continue
		}
		for _, c := range half.calls {
			firsts = append(firsts, c.nr, c.nr+1)
		}
		if half.newest != ^uint32(0) {
			firsts = append(firsts, half.newest+1)
		}
	}
	firsts = append(firsts, x32Bit, ^uint32(0))
	slices.Sort(firsts)
	segs := make([]segment, 0, count)
	var from [2]int
	for _, first := range slices.Compact(firsts) {
		s := segment{first, m.at(first, &from)}
		if n := len(segs); n == 0 || !segs[n-1].same(&s.verdict) {
			segs = append(segs, s)
		}
	}
	return segs
}
