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

// operators are those of the specification, as a comparison or its opposite.
var operators = [...]struct {
	name specs.LinuxSeccompOperator
	op   uint16
	not  bool
}{
	{specs.OpNotEqual, unix.BPF_JEQ, true},
	{specs.OpLessThan, unix.BPF_JGE, true},
	{specs.OpLessEqual, unix.BPF_JGT, true},
	{specs.OpEqualTo, unix.BPF_JEQ, false},
	{specs.OpGreaterEqual, unix.BPF_JGE, false},
	{specs.OpGreaterThan, unix.BPF_JGT, false},
	{specs.OpMaskedEqual, unix.BPF_JEQ, false},
}

func readCond(field string, a specs.LinuxSeccompArg) (cond, error) {
	if a.Index > 5 {
		return cond{}, fault.Field(field+".index", "%d is more than 5, the last argument", a.Index)
	}
	for _, o := range operators {
		if o.name != a.Op {
			continue
		}
		c := cond{arg: uint8(a.Index), op: o.op, not: o.not, mask: ^uint64(0), value: a.Value}
		if a.Op == specs.OpMaskedEqual {
			// Bits of the second value that the mask does not have are left out,
			// as libseccomp does.
			c.mask, c.value = a.Value, a.ValueTwo&a.Value
		}
		return c, nil
	}
	if a.Op == "" {
		return cond{}, fault.Field(field+".op", "is missing")
	}
	return cond{}, fault.Field(field+".op", "%q is no operator", a.Op)
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
