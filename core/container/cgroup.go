package container

import (
	"ocibox/core/cgroup"
	"ocibox/core/fault"
)

// cgroupsPath is the field of config.json that a container's cgroup comes from.
const cgroupsPath = "linux.cgroupsPath"

// groupFor is where one more process of the container belongs, nil for the
// caller's own cgroup.
func (c *Container) groupFor(words []string) (*cgroup.Group, error) {
	switch {
	case c.Cgroup == nil && len(words) > 0:
		return nil, fault.Op(nil, "--cgroup %s: the container has no cgroup", words[0])
	case c.Cgroup == nil:
		return nil, nil
	case len(words) > 0:
		return c.Cgroup.Sub(words)
	}
	return c.Cgroup.Beside(c.Pid)
}

// endCgroup removes the container's cgroup, with every process that is left in
// it.
func (c *Container) endCgroup() error {
	if c.Cgroup == nil {
		return nil
	}
	if c.Cgroup.RemoveEmpty() {
		return nil
	}
	if err := c.Cgroup.Kill(); err != nil {
		return fault.In(cgroupsPath, err)
	}
	return fault.In(cgroupsPath, c.Cgroup.Remove())
}
