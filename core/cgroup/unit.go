package cgroup

import (
	"path"
	"strings"

	"ocibox/core/dbus"
	"ocibox/core/fault"
)

// Property is one of a unit of systemd's, org.freedesktop.systemd1(5).
type Property struct {
	Field string // of config.json
	Name  string
	Value dbus.Value
}

// String is the property as explain shows it.
func (p Property) String() string { return p.Name + " = " + p.Value.String() }

const (
	sliceSuffix = ".slice"
	scopeSuffix = ".scope"
)

// newUnit is New for a unit of systemd's: linux.cgroupsPath is SLICE:PREFIX:NAME,
// and the unit SLICE/PREFIX-NAME.scope, or NAME if that ends in ".slice".
func newUnit(h Host, r Request) (*Group, []string, error) {
	g := &Group{Manager: Systemd, Bus: r.Systemd.Bus, version: r.Systemd.Version, path: r.Path}
	slice, err := g.name(r)
	if err != nil {
		return nil, nil, err
	}
	dir, err := expandSlice(slice)
	if err != nil {
		return nil, nil, err
	}
	if g.isSlice() {
		// It says by itself what it is in.
		if dir, err = expandSlice(g.Unit); err != nil {
			return nil, nil, err
		}
		dir = path.Dir(dir)
	}
	dir = path.Join(dir, g.Unit)
	if r.Privileged {
		for _, t := range h.Legacy {
			if g.Legacy == nil {
				g.Legacy = map[string]string{}
			}
			for _, c := range t.Controllers {
				g.Legacy[c] = path.Join(t.Mount, dir)
			}
		}
	} else {
		// Version 1 is not delegated to users, and theirs is below their systemd.
		dir = path.Join(r.Systemd.Cgroup, dir)
	}
	if h.Unified != nil {
		g.Unified, g.tree = path.Join(h.Unified.Mount, dir), h.Unified
	}
	if g.Unified == "" && g.Legacy == nil {
		return without(r, fault.Op(nil, "takes a cgroup, and this host has none mounted that systemd makes for this user"))
	}
	return g, nil, g.describe(r, slice)
}

// name settles the unit's name, and gives the slice that it is in.
func (g *Group) name(r Request) (slice string, err error) {
	parts := []string{"", "", ""}
	if r.Path != "" {
		parts = strings.Split(r.Path, ":")
	}
	if len(parts) != 3 {
		return "", fault.Field(pathField, "%q is not SLICE:PREFIX:NAME, as it is for cgroups made by systemd", r.Path).WithHint("--cgroup-manager cgroupfs takes it for a path")
	}
	slice, prefix, name := parts[0], parts[1], parts[2]
	if slice == "" {
		slice = "user.slice"
		if r.Privileged {
			slice = "system.slice"
		}
	}
	if prefix == "" {
		prefix = "ocibox"
	}
	if name == "" {
		name = r.ID
	}
	if g.Unit = name; !strings.HasSuffix(name, sliceSuffix) {
		g.Unit = prefix + "-" + name + scopeSuffix
	}
	return slice, checkUnit(g.Unit)
}

// checkUnit refuses what is no name of a unit, systemd.unit(5).
func checkUnit(name string) error {
	const longest = 255
	if len(name) > longest {
		return fault.Field(pathField, "the unit's name has %d bytes, more than %d: %.60q…", len(name), longest, name)
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(`:-_.\@`, c) >= 0:
		default:
			return fault.Field(pathField, `the unit's name %q has a %q: ASCII letters, digits and :-_.\@ can be in it`, name, c)
		}
	}
	return nil
}

// expandSlice is the directory of a slice: a-b.slice is in a.slice,
// systemd.slice(5). That of "-.slice" is the root.
func expandSlice(slice string) (string, error) {
	name, ok := strings.CutSuffix(slice, sliceSuffix)
	if !ok {
		return "", fault.Field(pathField, "%q is not the name of a slice: it does not end in %s", slice, sliceSuffix)
	}
	if err := checkUnit(slice); err != nil {
		return "", err
	}
	if name == "-" {
		return "/", nil
	}
	dir, before := "/", ""
	for part := range strings.SplitSeq(name, "-") {
		if part == "" {
			return "", fault.Field(pathField, "%q is not the name of a slice: a part between dashes is empty", slice)
		}
		before += part
		dir = path.Join(dir, before+sliceSuffix)
		before += "-"
	}
	return dir, nil
}

func (g *Group) isSlice() bool { return strings.HasSuffix(g.Unit, sliceSuffix) }

// describe settles the unit's properties but for the limits, as runc has them.
func (g *Group) describe(r Request, slice string) error {
	add := func(field, name string, v dbus.Value) { g.unit = append(g.unit, Property{field, name, v}) }
	add("", "Description", dbus.String("ocibox container "+r.ID))
	if g.isSlice() {
		add(pathField, "Wants", dbus.Strings(slice))
	} else {
		add(pathField, "Slice", dbus.String(slice))
		add("", "Delegate", dbus.Bool(true))
	}
	io := "IOAccounting"
	if g.Legacy["blkio"] != "" {
		io = "BlockIOAccounting"
	}
	// The kernel has trouble where a process joins the memory controller late.
	for _, name := range [...]string{"MemoryAccounting", "CPUAccounting", io, "TasksAccounting"} {
		add("", name, dbus.Bool(true))
	}
	// At shutdown it is for the container's manager to stop it.
	add("", "DefaultDependencies", dbus.Bool(false))
	annotated, err := annotations(r.Annotations)
	if err != nil {
		return err
	}
	g.unit = append(g.unit, annotated...)
	const scopesOOM = 253 // the version from which on they have an OOMPolicy
	if res := r.Resources; res != nil && g.version >= scopesOOM && !g.isSlice() {
		const file = "memory.oom.group"
		if policy, ok := map[string]string{"0": "continue", "1": "kill"}[strings.TrimSpace(res.Unified[file])]; ok {
			add(resources+".unified."+file, "OOMPolicy", dbus.String(policy))
		}
	}
	return nil
}
