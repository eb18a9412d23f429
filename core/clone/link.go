package clone

import (
	"math"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// Linked is a program with its addresses resolved, in an arena of its own.
type Linked struct {
	prog *Program
	mem  []byte
	base unsafe.Pointer
	data uintptr // offset of the program's data
	head int     // instructions before the program's first: the sweep of descriptors
}

func (l *Linked) header() *header { return (*header)(l.base) }

func (l *Linked) insn(pc int) *insn {
	return (*insn)(unsafe.Add(l.base, l.header().code+uintptr(pc)*insnSize))
}

func (l *Linked) reg(r Reg) *uintptr {
	return (*uintptr)(unsafe.Add(l.base, l.header().regs+uintptr(r)*wordSize))
}

// Link resolves the program's addresses. The result is released with Close.
func (p *Program) Link() (*Linked, error) {
	// Between two kept descriptors, and on both sides, there is a gap.
	head := len(p.inherit) + 1
	ncode := head + len(p.code)
	round := func(n uintptr) uintptr { return (n + 15) &^ 15 }
	regs := round(headerSize)
	code := round(regs + uintptr(len(p.regs))*wordSize)
	scr := round(code + uintptr(ncode)*insnSize)
	cpy := round(scr + scratchSize)
	data := cpy
	if slices.ContainsFunc(p.code, func(i *Insn) bool { return i.op == opCopy }) {
		data = round(cpy + unsafe.Sizeof(copyState{}))
	}
	labels := p.labels()
	text := data + uintptr(len(p.data))
	size := text
	for _, s := range labels {
		size += uintptr(len(s))
	}
	mem, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fault.Op(err, "map %d bytes for the container's program", size)
	}
	l := &Linked{prog: p, mem: mem, base: unsafe.Pointer(&mem[0]), data: data, head: head}
	*l.header() = header{code: code, regs: regs, scratch: scr, copy: cpy, ncode: uint32(ncode), report: uint32(p.Sync), sync: uint32(p.Sync), inherit: uint32(3 + p.Preserve)}
	addr := uintptr(l.base) + data
	for _, r := range p.empty {
		*l.reg(r) = ^uintptr(0)
	}
	copy(mem[data:], p.data)
	for _, f := range p.fixups {
		*(*uintptr)(unsafe.Add(l.base, data+f)) += addr
	}
	for pc, s := range labels {
		in := l.insn(head + pc)
		in.label, in.nlabel = uint32(text), uint32(len(s))
		text += uintptr(copy(mem[text:], s))
	}
	for pc := range head {
		*l.insn(pc) = insn{op: opCall, nr: unix.SYS_CLOSE_RANGE}
	}
	for pc, i := range p.code {
		in := l.insn(head + pc)
		in.op, in.nr, in.save, in.log = i.op, i.nr, uint32(i.save), uint32(i.log)
		in.cond, in.value = uint32(i.cond), i.value
		if i.negate {
			in.negate = 1
		}
		in.ignore = i.ignore
		for n := range i.words {
			a := i.arg(n)
			in.arg[n] = a.v
			switch a.kind {
			case argReg:
				in.isReg |= 1 << n
			case argData:
				in.arg[n] += addr
			}
		}
	}
	return l, nil
}

// labels gives, by index in p.code, the text that a failure of an instruction
// carries with it: of those that run when the parent has gone.
func (p *Program) labels() map[int]string {
	m := map[int]string{}
	for pc, i := range p.code {
		if len(m) > 0 || i.op == opAccept {
			s := p.steps[i.step]
			m[pc] = ""
			for _, text := range []string{s.Field, s.Object, p.brief(i)} {
				// All of it has to go into one datagram.
				m[pc] += text[:min(len(text), pathMax)] + "\x00"
			}
		}
	}
	return m
}

// Close releases the arena. No child may be running the program.
func (l *Linked) Close() error {
	l.base = nil
	return unix.Munmap(l.mem)
}

// Value is what the child has left in r.
func (l *Linked) Value(r Reg) uintptr { return *l.reg(r) }

// Fill writes the text of b, while the child waits. It has to fit.
func (l *Linked) Fill(b Blank, text []byte) error {
	if len(text) > b.size {
		return fault.Op(nil, "%d bytes do not go into the %d that are there for them", len(text), b.size)
	}
	copy(l.mem[l.data+b.at:], text)
	*l.reg(b.n) = uintptr(len(text))
	return nil
}

// forkedPid is the process that Program.Fork made, 0 if it did not come to that.
func (l *Linked) forkedPid() int {
	if l.prog.forked == 0 {
		return 0
	}
	return int(*(*int32)(unsafe.Add(l.base, l.data+l.prog.forked)))
}

// sweep fills the first instructions: every descriptor from 3 up that is not
// in keep is closed, or only peer, the parent's end of the socket.
func (l *Linked) sweep(keep []int, peer int) {
	slices.Sort(keep)
	from, pc := 3+l.prog.Preserve, 0
	gap := func(first, last uintptr) {
		in := l.insn(pc)
		*in = insn{op: opCall, nr: unix.SYS_CLOSE_RANGE}
		in.arg[0], in.arg[1] = first, last
		pc++
	}
	if l.prog.PreserveAll {
		gap(uintptr(peer), uintptr(peer))
		keep, from = nil, math.MaxInt32
	}
	for _, fd := range keep {
		if fd > from {
			gap(uintptr(from), uintptr(fd-1))
		}
		from = max(from, fd+1)
	}
	if from < math.MaxInt32 {
		gap(uintptr(from), uintptr(^uint32(0)))
	}
	for ; pc < l.head; pc++ {
		*l.insn(pc) = insn{op: opCall, nr: unix.SYS_CLOSE_RANGE, cond: uint32(l.prog.Sync), value: ^uintptr(0)}
	}
}
