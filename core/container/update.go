package container

import (
	"encoding/json"
	"reflect"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/cgroup"
	"ocibox/core/fault"
	"ocibox/core/rdt"
)

// Update is what is to change of a container's limits. What is nil, or in a
// struct of it, stays as it is.
type Update struct {
	Resources *specs.LinuxResources // its devices are not looked at
	Rdt       *specs.LinuxIntelRdt  // or nil
}

// Update changes a container's limits. If one of them cannot be set, those
// before it are set back.
func (s Store) Update(id string, u Update) error {
	c, err := s.Lock(id)
	if err != nil {
		return err
	}
	defer c.Unlock()
	status, err := c.Status()
	if err != nil {
		return err
	}
	if status == specs.StateStopped || status == specs.StateCreating {
		return fault.Op(nil, "container %s is %s", id, status)
	}
	spec, err := c.Spec()
	if err != nil {
		return err
	}
	if spec.Linux == nil {
		spec.Linux = &specs.Linux{}
	}
	if u.Resources != nil && !reflect.DeepEqual(*u.Resources, specs.LinuxResources{}) {
		if err := c.limit(spec.Linux, u.Resources); err != nil {
			return err
		}
	}
	if u.Rdt != nil {
		if err := c.schedule(spec.Linux, u.Rdt); err != nil {
			return err
		}
	}
	config, err := json.Marshal(spec)
	if err != nil {
		return fault.Op(err, "write the config.json of %s", id)
	}
	return c.change(config)
}

// limit sets what u changes of the limits in l.
func (c *Container) limit(l *specs.Linux, u *specs.LinuxResources) error {
	if c.Cgroup == nil {
		return fault.Op(nil, "container %s has no cgroup that could limit it", c.ID)
	}
	next, err := merge(l.Resources, u)
	if err != nil {
		return err
	}
	before, _, err := cgroup.Limits(l.Resources, c.Cgroup)
	if err != nil {
		return err
	}
	after, _, err := cgroup.Limits(next, c.Cgroup)
	if err != nil {
		return err
	}
	changed := slices.DeleteFunc(after, func(a cgroup.Limit) bool {
		return slices.ContainsFunc(before, func(b cgroup.Limit) bool { return a.File == b.File && a.Value == b.Value })
	})
	undo := c.Cgroup.Keep(changed)
	if err := c.Cgroup.Set(changed); err != nil {
		return andThen(err, undo())
	}
	l.Resources = next
	return nil
}

// merge is r, changed by what u has.
func merge(r, u *specs.LinuxResources) (*specs.LinuxResources, error) {
	next := &specs.LinuxResources{}
	for _, from := range []*specs.LinuxResources{r, u} {
		if from == nil {
			continue
		}
		// What is not there is not in the JSON either, and stays.
		data, err := json.Marshal(from)
		if err == nil {
			err = json.Unmarshal(data, next)
		}
		if err != nil {
			return nil, fault.Op(err, "put the limits together")
		}
	}
	if r != nil {
		next.Devices = r.Devices
	} else {
		next.Devices = nil
	}
	return next, nil
}

// schedule sets the schemata of the container's group in resctrl.
func (c *Container) schedule(l *specs.Linux, u *specs.LinuxIntelRdt) error {
	const field = "linux.intelRdt"
	if l.IntelRdt == nil {
		return fault.Field(field, "the container was created without: it has no group in resctrl")
	}
	next := *l.IntelRdt
	if u.L3CacheSchema != "" {
		next.L3CacheSchema = u.L3CacheSchema
	}
	if u.MemBwSchema != "" {
		next.MemBwSchema = u.MemBwSchema
	}
	if err := rdt.Check(&next); err != nil {
		return err
	}
	root, err := rdt.Find()
	if err != nil {
		return fault.In(field, err)
	}
	if err := rdt.Change(root, c.ID, &next); err != nil {
		return fault.In(field, err)
	}
	l.IntelRdt = &next
	return nil
}
