package cgroup

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/fault"
)

// Access to a device, in the kernel's bits (BPF_DEVCG_ACC_*).
const (
	accessMknod = 1 << iota
	accessRead
	accessWrite
	accessAll = accessMknod | accessRead | accessWrite
)

// A DeviceRule allows or denies access to devices. Of rules that are about the
// same access to the same device, the last holds; without any, it is denied.
type DeviceRule struct {
	Field        string // of config.json, "" for what every container has
	Allow        bool
	Type         byte  // 'c', 'b', or 'a' for both
	Major, Minor int64 // -1 for any
	Access       uint8
}

// usual are the rules that every container ends with, as runc's: any node may be
// made, and the devices that config-linux.md, "Default Devices", asks for can be
// used, with terminals.
var usual = [...]DeviceRule{
	{"", true, 'c', -1, -1, accessMknod}, {"", true, 'b', -1, -1, accessMknod},
	{"", true, 'c', 1, 3, accessAll}, {"", true, 'c', 1, 5, accessAll}, {"", true, 'c', 1, 7, accessAll}, // null, zero, full
	{"", true, 'c', 1, 8, accessAll}, {"", true, 'c', 1, 9, accessAll}, // random, urandom
	{"", true, 'c', 5, 0, accessAll}, {"", true, 'c', 5, 1, accessAll}, {"", true, 'c', 5, 2, accessAll}, // tty, console, ptmx
	{"", true, 'c', 136, -1, accessAll}, // pts/N
}

// DeviceRules reads linux.resources.devices, and adds the usual ones.
func DeviceRules(r *specs.LinuxResources) ([]DeviceRule, error) {
	var rules []DeviceRule
	if r != nil {
		for i, d := range r.Devices {
			rule, err := readRule(fault.At(resources+".devices", i), d)
			if err != nil {
				return nil, err
			}
			rules = append(rules, rule)
		}
	}
	return append(rules, usual[:]...), nil
}

func readRule(field string, d specs.LinuxDeviceCgroup) (DeviceRule, error) {
	r := DeviceRule{Field: field, Allow: d.Allow, Type: 'a', Major: -1, Minor: -1}
	switch d.Type {
	case "", "a":
	case "b", "c":
		r.Type = d.Type[0]
	default:
		return r, fault.Field(field+".type", "%q is none of a, b and c", d.Type)
	}
	for _, n := range []struct {
		name string
		from *int64
		to   *int64
	}{{"major", d.Major, &r.Major}, {"minor", d.Minor, &r.Minor}} {
		if n.from == nil || *n.from == -1 {
			continue
		}
		if *n.from < 0 || *n.from > math.MaxInt32 {
			return r, fault.Field(field+"."+n.name, "%d is not the number of a device", *n.from)
		}
		*n.to = *n.from
	}
	if r.Type == 'a' && (r.Major >= 0 || r.Minor >= 0) {
		return r, fault.Field(field+".type", "is missing: a number is that of a block or of a character device")
	}
	for _, c := range d.Access {
		bit := strings.IndexRune("mrw", c)
		if bit < 0 {
			return r, fault.Field(field+".access", "%q has a %q: r, w and m can be in it", d.Access, c)
		}
		r.Access |= 1 << bit
	}
	if d.Access == "" {
		r.Access = accessAll
	}
	return r, nil
}

// key is what version 1 calls the devices of a rule.
func (r DeviceRule) key() string {
	number := func(n int64) string {
		if n < 0 {
			return "*"
		}
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%c %s:%s", r.Type, number(r.Major), number(r.Minor))
}

func (r DeviceRule) access() string {
	s := ""
	for _, c := range "rwm" {
		if r.Access&(1<<strings.IndexRune("mrw", c)) != 0 {
			s += string(c)
		}
	}
	return s
}

// String is the rule as explain shows it.
func (r DeviceRule) String() string {
	verb := "deny"
	if r.Allow {
		verb = "allow"
	}
	return verb + " " + r.key() + " " + r.access()
}

// everything says whether the rule is about all devices.
func (r DeviceRule) everything() bool { return r.Type == 'a' }

// Restrict lets the group's processes use devices as the rules say.
func (g *Group) Restrict(rules []DeviceRule) error {
	if g.Unit != "" {
		if err := g.tell(func() []Property { return g.DeviceProperties(rules) }); err != nil {
			return err
		}
	}
	if dir := g.Legacy["devices"]; dir != "" {
		lines, err := legacyRules(rules)
		if err != nil {
			return err
		}
		for _, l := range lines {
			if err := write(filepath.Join(dir, l.File), l.Value); err != nil {
				return fault.In(l.Field, err)
			}
		}
		return nil
	}
	fresh := g.fresh
	g.fresh = false
	return attachFilter(g.Unified, g.FilterFile, filter(rules), fresh)
}

// RestrictsDevices says whether the group has something to do it with.
func (g *Group) RestrictsDevices() bool { return g.Legacy["devices"] != "" || g.Unified != "" }

// legacyRules are the writes that have version 1 keep the rules. It knows a
// default and exceptions from it, of which one for a device is not found by a
// rule for many, and the other way round.
func legacyRules(rules []DeviceRule) ([]Limit, error) {
	allowed := false
	var except []DeviceRule
	for _, r := range rules {
		if r.everything() && r.Access == accessAll {
			allowed, except = r.Allow, nil
			continue
		}
		for _, kind := range r.kinds() {
			kept := except[:0:0]
			merged := false
			for _, e := range except {
				switch {
				case e.key() == kind.key():
					if r.Allow != allowed {
						e.Access |= r.Access
						merged = true
					} else {
						e.Access &^= r.Access
					}
				case r.Allow == allowed && kind.covers(e):
					e.Access &^= r.Access
				case r.Allow == allowed && e.meets(kind) && e.Access&r.Access != 0:
					return nil, fault.Field(r.Field, "%s is an exception from %s, which version 1 of cgroups does not know", r, e)
				}
				if e.Access != 0 {
					kept = append(kept, e)
				}
			}
			if except = kept; r.Allow != allowed && !merged {
				except = append(except, kind)
			}
		}
	}
	first, rest := "devices.deny", "devices.allow"
	if allowed {
		first, rest = rest, first
	}
	lines := []Limit{{Field: resources + ".devices", File: first, Value: "a"}}
	for _, e := range except {
		lines = append(lines, Limit{Field: e.Field, File: rest, Value: e.key() + " " + e.access()})
	}
	return lines, nil
}

// kinds are the rule's for block and for character devices.
func (r DeviceRule) kinds() []DeviceRule {
	if r.Type != 'a' {
		return []DeviceRule{r}
	}
	b, c := r, r
	b.Type, c.Type = 'b', 'c'
	return []DeviceRule{b, c}
}

// meets says whether some device is of both rules.
func (r DeviceRule) meets(e DeviceRule) bool {
	same := func(a, b int64) bool { return a < 0 || b < 0 || a == b }
	return r.Type == e.Type && same(r.Major, e.Major) && same(r.Minor, e.Minor)
}

// covers says whether all devices of the rule e are the rule's too.
func (r DeviceRule) covers(e DeviceRule) bool {
	return r.Type == e.Type && (r.Major < 0 || r.Major == e.Major) && (r.Minor < 0 || r.Minor == e.Minor)
}
