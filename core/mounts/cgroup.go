package mounts

import (
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// A Hierarchy is one of cgroups, as a container is to see it.
type Hierarchy struct {
	Name string   // of its directory; "" where it is the only one, of version 2
	Type string   // "cgroup" or "cgroup2"
	Data []string // options of the file system: the controllers of version 1
	Dir  string   // what of the host's is bound for a container without a cgroup namespace
	// Locked says that Dir is not the container's own: nothing in it may be
	// changed (CVE-2023-25809).
	Locked bool
	Links  []string // other names for the directory
}

// ViewCgroups replaces each mount of type cgroup by mounts of the hierarchies:
// new ones in a cgroup namespace of the container's own, or else bind mounts of
// its own cgroups. Several of them are below a tmpfs. The second result is what
// has no effect.
func ViewCgroups(list []*Mount, hierarchies []Hierarchy, namespace bool) (view []*Mount, warnings []string) {
	for _, m := range list {
		if m.Type != "cgroup" || m.Bind || m.Remount {
			view = append(view, m)
			continue
		}
		if len(hierarchies) == 1 && hierarchies[0].Name == "" {
			view = append(view, m.hierarchy(hierarchies[0], namespace))
			continue
		}
		if len(hierarchies) == 0 {
			warnings = append(warnings, m.Field+": this host has no cgroups: it is an empty directory")
		}
		top := m.only(m.Attr)
		top.Type, top.Source, top.Data = "tmpfs", "tmpfs", []string{"mode=755"}
		view = append(view, top)
		for _, h := range hierarchies {
			below := m.hierarchy(h, namespace)
			below.Dest = path.Join(m.Dest, h.Name)
			view = append(view, below)
			for _, name := range h.Links {
				top.links = append(top.links, [2]string{h.Name, name})
			}
		}
	}
	return view, warnings
}

// only is a mount in the place of m, with these attributes and no other options.
func (m *Mount) only(attr Attr) *Mount {
	return &Mount{Options: Options{Attr: attr, RecAttr: m.RecAttr, Prop: m.Prop}, Field: m.Field, Dest: m.Dest, RootLabel: ""}
}

func (m *Mount) hierarchy(h Hierarchy, namespace bool) *Mount {
	one := m.only(m.Attr)
	if namespace {
		one.Type, one.Source, one.Data = h.Type, h.Type, slices.Clone(h.Data)
		return one
	}
	one.Type, one.Bind, one.Source = "bind", true, h.Dir
	if h.Locked {
		one.Attr.Set |= unix.MOUNT_ATTR_RDONLY
		one.Attr.Clear &^= unix.MOUNT_ATTR_RDONLY
	}
	return one
}
