package seccomp

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// cond is a condition on one argument: the three comparisons that classic BPF
// has, or their opposites.
type cond struct {
	arg   uint8
	op    uint16 // BPF_JEQ, BPF_JGT, BPF_JGE, unsigned
	not   bool
	mask  uint64 // of the argument, for BPF_JEQ
	value uint64
}

func readCond(field string, a specs.LinuxSeccompArg) (cond, error) {
	if a.Index > 5 {
		return cond{}, fault.Field(field+".index", "%d is more than 5, the last argument", a.Index)
	}
	c := cond{arg: uint8(a.Index), mask: ^uint64(0), value: a.Value}
	switch a.Op {
	case specs.OpEqualTo:
		c.op = unix.BPF_JEQ
	case specs.OpNotEqual:
		c.op, c.not = unix.BPF_JEQ, true
	case specs.OpGreaterThan:
		c.op = unix.BPF_JGT
	case specs.OpLessEqual:
		c.op, c.not = unix.BPF_JGT, true
	case specs.OpGreaterEqual:
		c.op = unix.BPF_JGE
	case specs.OpLessThan:
		c.op, c.not = unix.BPF_JGE, true
	case specs.OpMaskedEqual:
		// Bits of the second value that the mask does not have are left out, as
		// libseccomp does.
		c.op, c.mask, c.value = unix.BPF_JEQ, a.Value, a.ValueTwo&a.Value
	case "":
		return cond{}, fault.Field(field+".op", "is missing")
	default:
		return cond{}, fault.Field(field+".op", "%q is no operator", a.Op)
	}
	return c, nil
}

// narrow is the condition on a 32-bit argument: both sides' low words.
func (c cond) narrow() cond {
	c.mask &= 0xffffffff
	c.value &= 0xffffffff
	return c
}

func (c cond) holds(args *[6]uint64) bool {
	v := args[c.arg]
	if c.op == unix.BPF_JEQ {
		return (v&c.mask == c.value) != c.not
	}
	if c.op == unix.BPF_JGT {
		return (v&c.mask > c.value) != c.not
	}
	return (v&c.mask >= c.value) != c.not
}
