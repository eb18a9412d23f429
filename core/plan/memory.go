package plan

import (
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
)

type memoryMode struct {
	name   specs.MemoryPolicyModeType
	number int
	nodes  nodeNeed
}

// nodeNeed says what a mode makes of a list of nodes, set_mempolicy(2).
type nodeNeed int

const (
	anyNodes nodeNeed = iota
	someNodes
	noNodes
)

var memoryModes = [...]memoryMode{
	{specs.MpolDefault, unix.MPOL_DEFAULT, noNodes}, {specs.MpolLocal, unix.MPOL_LOCAL, noNodes}, {specs.MpolPreferred, unix.MPOL_PREFERRED, anyNodes},
	{specs.MpolBind, unix.MPOL_BIND, someNodes}, {specs.MpolInterleave, unix.MPOL_INTERLEAVE, someNodes},
	{specs.MpolPreferredMany, unix.MPOL_PREFERRED_MANY, someNodes}, {specs.MpolWeightedInterleave, unix.MPOL_WEIGHTED_INTERLEAVE, someNodes},
}

var memoryFlags = [...]struct {
	name specs.MemoryPolicyFlagType
	bit  int
}{
	{specs.MpolFNumaBalancing, unix.MPOL_F_NUMA_BALANCING}, {specs.MpolFRelativeNodes, unix.MPOL_F_RELATIVE_NODES}, {specs.MpolFStaticNodes, unix.MPOL_F_STATIC_NODES},
}

// memoryPolicy checks linux.memoryPolicy.
func memoryPolicy(s *specs.Spec) error {
	if s.Linux == nil || s.Linux.MemoryPolicy == nil {
		return nil
	}
	_, _, err := readMemoryPolicy(s.Linux.MemoryPolicy)
	return err
}

// readMemoryPolicy gives the mode with its flags, and the nodes' mask.
func readMemoryPolicy(o *specs.LinuxMemoryPolicy) (mode int, nodes []uintptr, err error) {
	const field = "linux.memoryPolicy"
	if o.Mode == "" {
		return 0, nil, fault.Field(field+".mode", "is missing")
	}
	i := slices.IndexFunc(memoryModes[:], func(m memoryMode) bool { return m.name == o.Mode })
	if i < 0 {
		return 0, nil, fault.Field(field+".mode", "%q is no mode of set_mempolicy(2)", o.Mode)
	}
	m := memoryModes[i]
	nodes, err = bitmap(o.Nodes, maxNode)
	switch {
	case err != nil:
		return 0, nil, &fault.Error{Field: field + ".nodes", Err: err}
	case m.nodes == someNodes && len(nodes) == 0:
		return 0, nil, fault.Field(field+".nodes", "is missing: %s needs one", o.Mode)
	case m.nodes == noNodes && len(nodes) > 0:
		return 0, nil, fault.Field(field+".nodes", "%q: %s takes none", o.Nodes, o.Mode)
	}
	mode = m.number
	for i, name := range o.Flags {
		known := false
		for _, f := range memoryFlags {
			if f.name == name {
				mode, known = mode|f.bit, true
			}
		}
		if !known {
			return 0, nil, fault.Field(fmt.Sprintf("%s.flags[%d]", field, i), "%q is no flag of set_mempolicy(2)", name)
		}
	}
	if mode&unix.MPOL_F_RELATIVE_NODES != 0 && mode&unix.MPOL_F_STATIC_NODES != 0 {
		return 0, nil, fault.Field(field+".flags", "MPOL_F_RELATIVE_NODES and MPOL_F_STATIC_NODES exclude each other")
	}
	return mode, nodes, nil
}

// setMemoryPolicy says which memory nodes the process's memory comes from.
func (c *compiler) setMemoryPolicy() {
	o := c.spec.Linux.MemoryPolicy
	if o == nil {
		return
	}
	mode, nodes, _ := readMemoryPolicy(o) // which Validate has read
	mask, bits := clone.Num(0), 0
	if len(nodes) > 0 {
		// The kernel counts one bit less than it is told.
		mask, bits = c.words(nodes), len(nodes)*wordBits+1
	}
	c.p.Begin("linux.memoryPolicy", string(o.Mode))
	c.p.Call(unix.SYS_SET_MEMPOLICY, clone.Num(mode), mask, clone.Num(bits))
}
