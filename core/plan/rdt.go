package plan

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/fault"
	"ocibox/core/rdt"
)

func intelRdt(s *specs.Spec) error {
	if s.Linux == nil || s.Linux.IntelRdt == nil {
		return nil
	}
	return rdt.Check(s.Linux.IntelRdt)
}

// findRdt settles where the container belongs in resctrl.
func (c *compiler) findRdt() error {
	r := c.spec.Linux.IntelRdt
	if r == nil {
		return nil
	}
	root, err := c.host.Resctrl()
	if err == nil {
		c.plan.Rdt, err = rdt.New(root, c.in.ID, r)
	}
	return fault.In("linux.intelRdt", err)
}

// enterRdt puts the process there; joined says that the container is already.
func (c *compiler) enterRdt(joined bool) []Action {
	if c.plan.Rdt == nil {
		return nil
	}
	steps := c.plan.Rdt.Steps
	if joined {
		steps = c.plan.Rdt.Join
	}
	var actions []Action
	for _, s := range steps() {
		actions = append(actions, Action{Field: s.Field, Text: s.Text, Do: s.Do, Undo: s.Undo})
	}
	return actions
}
