package plan

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/link"
)

// netDevice is an entry of linux.netDevices.
type netDevice struct {
	field         string
	name, newName string
}

// listNetDevices gives the entries in the order in which they are moved: names
// that the kernel is to choose come last, for it to choose what is free.
func listNetDevices(l *specs.Linux) []netDevice {
	var list []netDevice
	for _, name := range slices.Sorted(maps.Keys(l.NetDevices)) {
		list = append(list, netDevice{fmt.Sprintf("linux.netDevices[%s]", name), name, cmp.Or(l.NetDevices[name].Name, name)})
	}
	slices.SortStableFunc(list, func(a, b netDevice) int {
		switch x, y := link.IsTemplate(a.newName), link.IsTemplate(b.newName); {
		case x == y:
			return 0
		case x:
			return 1
		}
		return -1
	})
	return list
}

// netDevices checks the entries: config-linux.md, "Network Devices".
func netDevices(s *specs.Spec) error {
	if s.Linux == nil || len(s.Linux.NetDevices) == 0 {
		return nil
	}
	if !has(s, specs.NetworkNamespace) {
		return fault.Field("linux.netDevices", "needs a network namespace").WithHint(`add {"type": "network"} to linux.namespaces`)
	}
	taken := map[string]string{}
	for _, d := range listNetDevices(s.Linux) {
		if err := link.CheckName(d.name); err != nil {
			return fault.In("linux.netDevices", err)
		}
		if err := link.CheckNewName(d.newName); err != nil {
			return fault.In(d.field+".name", err)
		}
		if first, ok := taken[d.newName]; ok && !link.IsTemplate(d.newName) {
			return fault.Field(d.field+".name", "%s is there already, as %s", d.newName, first)
		}
		taken[d.newName] = d.field
	}
	return nil
}

// moveNetDevices gives the container its network devices, once its network
// namespace is there.
func (c *compiler) moveNetDevices() []Action {
	var actions []Action
	for _, d := range listNetDevices(c.spec.Linux) {
		var m *link.Moved
		actions = append(actions, Action{
			Field: d.field,
			Text:  fmt.Sprintf("move network device %s to the namespace /proc/CHILD/ns/net as %s, with its permanent global addresses, and set it up", d.name, d.newName),
			Do: func(pid int) (err error) {
				m, err = link.Move(fmt.Sprintf("/proc/%d/ns/net", pid), d.name, d.newName)
				if errors.Is(err, unix.EPERM) && c.host.Caps&(1<<unix.CAP_NET_ADMIN) == 0 {
					return &fault.Error{Field: d.field, Err: err, Hint: "it takes CAP_NET_ADMIN, which a plain user has only over network namespaces of its own"}
				}
				return err
			},
			Undo:  func() error { return m.Back() },
			Close: func() { m.Close() },
		})
	}
	return actions
}
