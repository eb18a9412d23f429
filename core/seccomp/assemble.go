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
		bodies[i] = a.load(offNr, a.search(m.segments(), big))
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

// search finds the segment of the number in A.
func (a *assembler) search(segs []segment, big bool) int {
	if len(segs) == 1 {
		return a.decide(&segs[0].verdict, big)
	}
	mid := len(segs) / 2
	high := a.search(segs[mid:], big)
	low := a.search(segs[:mid], big)
	return a.jump(unix.BPF_JGE, segs[mid].first, high, low)
}

func (a *assembler) decide(v *verdict, big bool) int {
	next := a.ret(v.act)
	for _, t := range slices.Backward(v.tries) {
		yes := a.ret(t.act)
		for _, c := range slices.Backward(t.conds) {
			yes = a.cond(c, yes, next, big)
		}
		next = yes
	}
	return next
}

// cond goes to yes where c holds, or else to no.
func (a *assembler) cond(c cond, yes, no int, big bool) int {
	if c.not {
		yes, no = no, yes
	}
	low := offArgs + 8*uint32(c.arg)
	high := low + 4
	if big {
		low, high = high, low
	}
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
	next := a.jump(unix.BPF_JEQ, value, yes, no)
	if mask != ^uint32(0) {
		next = a.then(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, mask, next)
	}
	return a.load(off, next)
}
