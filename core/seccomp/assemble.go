package seccomp

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data, seccomp(2).
const (
	offNr   = 0
	offArch = 4
	offArgs = 16
)

// maxInsns is the kernel's limit to a program (BPF_MAXINSNS, linux/bpf_common.h).
const maxInsns = 4096

// maxSkip is how far a conditional jump can reach.
const maxSkip = 255

// assembler builds a program from its end to its start, so that what is jumped
// to is always there already. A label is an index into the reversed program.
type assembler struct {
	prog []unix.SockFilter
	rets []returned // the latest of each action
}

// returned is a return of an action.
type returned struct {
	act Action
	at  int
}

// someProgram is room for most programs, in instructions.
const someProgram = 512

// assemble is the program for the machines, the likeliest first.
func assemble(machines []machine) []unix.SockFilter {
	a := &assembler{prog: make([]unix.SockFilter, 0, someProgram)}
	bodies := make([]int, len(machines))
	for i, m := range slices.Backward(machines) {
		big := m.audit == unix.AUDIT_ARCH_S390X
		bodies[i] = a.load(offNr, a.search(grouped(m.segments()), big))
	}
	next := a.ret(unix.SECCOMP_RET_KILL_PROCESS)
	for i, m := range slices.Backward(machines) {
		next = a.jump(unix.BPF_JEQ, m.audit, bodies[i], next)
	}
	a.load(offArch, next)
	slices.Reverse(a.prog)
	return a.prog
}

func (a *assembler) emit(code uint16, jt, jf uint8, k uint32) int {
	a.prog = append(a.prog, unix.SockFilter{Code: code, Jt: jt, Jf: jf, K: k})
	return len(a.prog) - 1
}

// skip is how many instructions lie between the next one emitted and label.
func (a *assembler) skip(label int) int { return len(a.prog) - 1 - label }

// ret returns act. One return serves many jumps.
func (a *assembler) ret(act Action) int {
	i := slices.IndexFunc(a.rets, func(r returned) bool { return r.act == act })
	if i >= 0 && a.skip(a.rets[i].at) < maxSkip/2 {
		return a.rets[i].at
	}
	at := a.emit(unix.BPF_RET|unix.BPF_K, 0, 0, uint32(act))
	if i < 0 {
		a.rets = append(a.rets, returned{act, at})
	} else {
		a.rets[i].at = at
	}
	return at
}

// near is label, or what stands in for it where it is out of a conditional
// jump's reach: the same return again, or a jump to it.
func (a *assembler) near(label int) int {
	// Another stand-in may come between.
	if a.skip(label)+1 <= maxSkip {
		return label
	}
	if i := a.prog[label]; i.Code == unix.BPF_RET|unix.BPF_K {
		return a.ret(Action(i.K))
	}
	return a.emit(unix.BPF_JMP|unix.BPF_JA, 0, 0, uint32(a.skip(label)))
}

// jump goes to yes or no as A compares to k: op is BPF_JEQ, BPF_JGT or BPF_JGE.
func (a *assembler) jump(op uint16, k uint32, yes, no int) int {
	if yes == no {
		return yes
	}
	yes, no = a.near(yes), a.near(no)
	return a.emit(unix.BPF_JMP|unix.BPF_K|op, uint8(a.skip(yes)), uint8(a.skip(no)), k)
}

// then runs an instruction that does not jump, and goes on at next.
func (a *assembler) then(code uint16, k uint32, next int) int {
	if skip := a.skip(next); skip > 0 {
		a.emit(unix.BPF_JMP|unix.BPF_JA, 0, 0, uint32(skip))
	}
	return a.emit(code, 0, 0, k)
}

func (a *assembler) load(off uint32, next int) int {
	return a.then(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, off, next)
}

// group is a segment, perhaps with one number in it about which something else is decided:
// to compare with that is half of what it takes to find it as a segment. With more of them in
// a group the program would be little shorter, and each is one more step for the other calls.
type group struct {
	segment
	but *segment
}

// grouped makes groups of segments.
func grouped(segs []segment) []group {
	groups := make([]group, 0, len(segs))
	for i := 0; i < len(segs); i++ {
		s := &segs[i]
		if i+1 == len(segs) || segs[i+1].first != s.first+1 {
			groups = append(groups, group{segment: *s})
			continue
		}
		// One number, in the group before it or in that of what comes after it.
		i++
		n := len(groups) - 1
		if n < 0 || groups[n].but != nil || !segs[i].same(&groups[n].verdict) {
			groups = append(groups, group{segment: segment{s.first, segs[i].verdict}})
			n++
		}
		groups[n].but = s
	}
	return groups
}

// search finds the group of the number in A.
func (a *assembler) search(groups []group, big bool) int {
	if len(groups) == 1 {
		g := &groups[0]
		next := a.decide(&g.verdict, big)
		if g.but == nil {
			return next
		}
		return a.jump(unix.BPF_JEQ, g.but.first, a.decide(&g.but.verdict, big), next)
	}
	mid := len(groups) / 2
	high := a.search(groups[mid:], big)
	low := a.search(groups[:mid], big)
	return a.jump(unix.BPF_JGE, groups[mid].first, high, low)
}

func (a *assembler) decide(v *verdict, big bool) int {
	next := a.ret(v.act)
	for end := len(v.tries); end > 0; {
		begin := end - 1
		t := &v.tries[begin]
		yes := a.ret(t.act)
		for begin > 0 && v.tries[begin-1].alike(t) {
			begin--
		}
		if end-begin > 1 {
			next = a.among(v.tries[begin:end], yes, next, big)
		} else {
			for _, c := range slices.Backward(t.conds) {
				yes = a.cond(c, yes, next, big)
			}
			next = yes
		}
		end = begin
	}
	return next
}

// alike says that two tries ask for one value each of the same argument, of which the upper
// words are the same, for the same action: whether one holds is asked of all such at once.
func (t *try) alike(u *try) bool {
	if t.act != u.act || len(t.conds) != 1 || len(u.conds) != 1 {
		return false
	}
	c, d := &t.conds[0], &u.conds[0]
	return c.op == unix.BPF_JEQ && d.op == c.op && !c.not && !d.not && c.arg == d.arg && c.mask == d.mask && c.value>>32 == d.value>>32
}

// among goes to yes where one of tries that are alike holds, or else to no.
func (a *assembler) among(tries []try, yes, no int, big bool) int {
	values := make([]uint32, len(tries))
	for i := range tries {
		values[i] = uint32(tries[i].conds[0].value)
	}
	slices.Sort(values)
	c := tries[0].conds[0]
	low, high := c.words(big)
	l := a.masked(low, uint32(c.mask), a.find(stretches(slices.Compact(values)), false, yes, no))
	return a.equal(high, uint32(c.mask>>32), uint32(c.value>>32), l, no)
}

// stretch is of values from first to last.
type stretch struct{ first, last uint32 }

// stretches are those of sorted values.
func stretches(values []uint32) (list []stretch) {
	for _, v := range values {
		if n := len(list); n > 0 && list[n-1].last+1 == v {
			list[n-1].last = v
		} else {
			list = append(list, stretch{v, v})
		}
	}
	return list
}

// find goes to yes where A is in one of the stretches, or else to no. reached says that it is not below
// the first one.
func (a *assembler) find(list []stretch, reached bool, yes, no int) int {
	if n := len(list) / 2; n > 0 {
		above := a.find(list[n:], true, yes, no)
		return a.jump(unix.BPF_JGE, list[n].first, above, a.find(list[:n], reached, yes, no))
	}
	r := list[0]
	if r.first == r.last {
		return a.jump(unix.BPF_JEQ, r.first, yes, no)
	}
	within := a.jump(unix.BPF_JGT, r.last, no, yes)
	if reached {
		return within
	}
	return a.jump(unix.BPF_JGE, r.first, within, no)
}

// cond goes to yes where c holds, or else to no.
func (a *assembler) cond(c cond, yes, no int, big bool) int {
	if c.not {
		yes, no = no, yes
	}
	low, high := c.words(big)
	lowMask, highMask := uint32(c.mask), uint32(c.mask>>32)
	lowValue, highValue := uint32(c.value), uint32(c.value>>32)
	if c.op != unix.BPF_JEQ {
		l := a.load(low, a.jump(c.op, lowValue, yes, no))
		if highMask == 0 {
			return l
		}
		l = a.jump(unix.BPF_JEQ, highValue, l, no)
		return a.load(high, a.jump(unix.BPF_JGT, highValue, yes, l))
	}
	l := a.equal(low, lowMask, lowValue, yes, no)
	return a.equal(high, highMask, highValue, l, no)
}

// equal compares the word at off under mask.
func (a *assembler) equal(off, mask, value uint32, yes, no int) int {
	if mask == 0 {
		return yes
	}
	return a.masked(off, mask, a.jump(unix.BPF_JEQ, value, yes, no))
}

// masked loads the word at off under mask.
func (a *assembler) masked(off, mask uint32, next int) int {
	if mask != ^uint32(0) {
		next = a.then(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, mask, next)
	}
	return a.load(off, next)
}

// words are the offsets of the argument's lower and upper word.
func (c *cond) words(big bool) (low, high uint32) {
	low = offArgs + 8*uint32(c.arg)
	if big {
		return low + 4, low
	}
	return low, low + 4
}
