package rdt

import (
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/fault"
)

// match says where the schemata of a group differ from a line such as
// "L3:0=f;1=3": each value that the line names has to be the group's.
func match(schemata string, l line) error {
	name, want, err := parseLine(l)
	if err != nil {
		return err
	}
	for own := range strings.Lines(schemata) {
		// The kernel pads the names with spaces in front.
		values, ok := strings.CutPrefix(strings.TrimSpace(own), name+":")
		if !ok {
			continue
		}
		_, have, err := parseLine(line{text: name + ":" + values})
		if err != nil {
			return err
		}
		for domain, value := range want {
			if got, ok := have[domain]; !ok || got != value {
				return fault.Field(l.field, "%s differs from the group's %s", l.text, strings.TrimSpace(own))
			}
		}
		return nil
	}
	return fault.Field(l.field, "%s: the group has no %s", l.text, name)
}

// parseLine reads the resource and the value of each domain. Values are
// hexadecimal or decimal, by resource; but for zeros in front, each has one
// form.
func parseLine(l line) (string, map[string]string, error) {
	name, rest, _ := strings.Cut(l.text, ":")
	values := map[string]string{}
	for part := range strings.SplitSeq(rest, ";") {
		domain, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return "", nil, fault.Field(l.field, "%q is not of the form RESOURCE:DOMAIN=VALUE;…", l.text)
		}
		values[number(domain)] = number(value)
	}
	return strings.TrimSpace(name), values, nil
}

func number(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if trimmed := strings.TrimLeft(s, "0"); trimmed != "" {
		return trimmed
	}
	return s[:min(len(s), 1)]
}

// Change writes the schemata of the container id's group, which is there.
func Change(root, id string, r *specs.LinuxIntelRdt) error {
	g, err := New(root, id, r)
	if err != nil {
		return err
	}
	return g.write(0)
}
