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

func (l *Linked) insn(pc int) *Insn {
	return (*Insn)(unsafe.Add(l.base, l.header().code+uintptr(pc)*insnSize))
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
	text := round(data + uintptr(len(p.data)))
	size := text
	for _, s := range labels {
		size += unsafe.Sizeof(label{}) + uintptr(len(s))
	}
	mem, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fault.Op(err, "map %d bytes for the container's program", size)
	}
	l := &Linked{prog: p, mem: mem, base: unsafe.Pointer(&mem[0]), data: data, head: head}
	*l.header() = header{code: code, data: data, regs: regs, scratch: scr, copy: cpy, ncode: uint32(ncode), report: uint32(p.Sync), sync: uint32(p.Sync), inherit: uint32(3 + p.Preserve)}
	addr := uintptr(l.base) + data
	for _, r := range p.empty {
		*l.reg(r) = ^uintptr(0)
	}
	copy(mem[data:], p.data)
	for _, f := range p.fixups {
		*(*uintptr)(unsafe.Add(l.base, data+f)) += addr
	}
	if len(labels) > 0 {
		h := l.header()
		h.labels, h.labeled = uint32(text), uint32(ncode-len(labels))
		text += uintptr(len(labels)) * unsafe.Sizeof(label{})
		for i, s := range labels {
			*l.label(h.labeled + uint32(i)) = label{uint32(text), uint32(len(s))}
			text += uintptr(copy(mem[text:], s))
		}
	}
	for pc, i := range p.code {
		*l.insn(head + pc) = *i
	}
	return l, nil
}

// label is that of an instruction, an empty one where it has none.
func (l *Linked) label(pc uint32) *label {
	h := l.header()
	if h.labeled == 0 || pc < h.labeled {
		return &label{}
	}
	return (*label)(unsafe.Add(l.base, uintptr(h.labels)+uintptr(pc-h.labeled)*unsafe.Sizeof(label{})))
}

// labels gives the texts that failures of the last instructions carry with them: of those that
// run when the parent has gone.
func (p *Program) labels() (list []string) {
	first := slices.IndexFunc(p.code, func(i *Insn) bool { return i.op == opAccept })
	if first < 0 {
		return nil
	}
	for _, i := range p.code[first:] {
		s := p.steps[i.step]
		all := ""
		for _, text := range []string{s.Field, s.Object, p.brief(i)} {
			// All of it has to go into one datagram.
			all += text[:min(len(text), pathMax)] + "\x00"
		}
		list = append(list, all)
	}
	return list
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
	gap := func(first, last uint32) {
		in := l.insn(pc)
		*in = Insn{op: opCall, nr: unix.SYS_CLOSE_RANGE}
		in.args[0], in.args[1] = first, last
		pc++
	}
	if l.prog.PreserveAll {
		gap(uint32(peer), uint32(peer))
		keep, from = nil, math.MaxInt32
	}
	for _, fd := range keep {
		if fd > from {
			gap(uint32(from), uint32(fd-1))
		}
		from = max(from, fd+1)
	}
	if from < math.MaxInt32 {
		gap(uint32(from), ^uint32(0))
	}
	for ; pc < l.head; pc++ {
		*l.insn(pc) = Insn{op: opCall, nr: unix.SYS_CLOSE_RANGE, cond: l.prog.Sync, value: ^uintptr(0)}
	}
}
