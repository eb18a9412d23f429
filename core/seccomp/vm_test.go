package seccomp

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// data is a struct seccomp_data.
type data struct {
	nr, audit uint32
	args      [6]uint64
}

func (d *data) bytes() []byte {
	order := binary.AppendByteOrder(binary.LittleEndian)
	if d.audit == unix.AUDIT_ARCH_S390X {
		order = binary.BigEndian
	}
	b := order.AppendUint32(nil, d.nr)
	b = order.AppendUint32(b, d.audit)
	b = order.AppendUint64(b, 0)
	for _, a := range d.args {
		b = order.AppendUint64(b, a)
	}
	return b
}

// run interprets a program that check has found sound, and gives what it
// returns and how many instructions it ran.
func run(prog []unix.SockFilter, d *data) (ret Action, steps int) {
	b := d.bytes()
	order := binary.ByteOrder(binary.LittleEndian)
	if d.audit == unix.AUDIT_ARCH_S390X {
		order = binary.BigEndian
	}
	var acc uint32
	for pc := 0; ; pc++ {
		i := prog[pc]
		steps++
		jump := func(yes bool) {
			if yes {
				pc += int(i.Jt)
			} else {
				pc += int(i.Jf)
			}
		}
		switch i.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = order.Uint32(b[i.K:])
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			acc &= i.K
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(i.K)
		case unix.BPF_JMP | unix.BPF_K | unix.BPF_JEQ:
			jump(acc == i.K)
		case unix.BPF_JMP | unix.BPF_K | unix.BPF_JGT:
			jump(acc > i.K)
		case unix.BPF_JMP | unix.BPF_K | unix.BPF_JGE:
			jump(acc >= i.K)
		case unix.BPF_JMP | unix.BPF_K | unix.BPF_JSET:
			jump(acc&i.K != 0)
		case unix.BPF_RET | unix.BPF_K:
			return Action(i.K), steps
		}
	}
}

// check refuses what bpf_check_classic and seccomp_check_filter of the kernel
// refuse, and every instruction that run does not know.
func check(prog []unix.SockFilter) error {
	if len(prog) == 0 || len(prog) > maxInsns {
		return fmt.Errorf("%d instructions", len(prog))
	}
	for pc, i := range prog {
		last := 0 // instruction reached, counted from the next one
		switch i.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			if i.K%4 != 0 || i.K >= 64 {
				return fmt.Errorf("%d loads from %d", pc, i.K)
			}
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
		case unix.BPF_JMP | unix.BPF_JA:
			last = int(i.K)
		case unix.BPF_JMP | unix.BPF_K | unix.BPF_JEQ, unix.BPF_JMP | unix.BPF_K | unix.BPF_JGT,
			unix.BPF_JMP | unix.BPF_K | unix.BPF_JGE, unix.BPF_JMP | unix.BPF_K | unix.BPF_JSET:
			last = int(max(i.Jt, i.Jf))
		case unix.BPF_RET | unix.BPF_K:
			continue
		default:
			return fmt.Errorf("%d has code %#x", pc, i.Code)
		}
		if pc+1+last >= len(prog) {
			return fmt.Errorf("%d of %d goes %d beyond the next", pc, len(prog), last)
		}
	}
	return nil
}
