package rdt

import (
	"fmt"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// field is where all of it is in config.json.
const field = "linux.intelRdt"

// defaultClass is the closID of the root of resctrl.
const defaultClass = "/"

// Check says what of the configuration cannot be.
func Check(r *specs.LinuxIntelRdt) error {
	if r.ClosID != "" && r.ClosID != defaultClass {
		if err := checkName(r.ClosID); err != nil {
			return fault.In(field+".closID", err)
		}
	}
	if b := r.MemBwSchema; b != "" && !strings.HasPrefix(b, "MB:") {
		return fault.Field(field+".memBwSchema", "%q does not begin with MB:", b)
	}
	for _, l := range lines(r) {
		switch {
		case strings.ContainsAny(l.text, "\n\x00"):
			return fault.Field(l.field, "%q is more than one line", l.text)
		case l.text == "":
			return fault.Field(l.field, "is empty")
		}
	}
	return nil
}

// checkName says why a group cannot have this name: it is a folder's, beside
// those that the kernel makes.
func checkName(name string) error {
	switch name {
	case ".", "..", "info", "mon_groups", "mon_data":
		return fault.Op(nil, "%q cannot be the name of a group", name)
	}
	switch {
	case len(name) > unix.NAME_MAX:
		return fault.Op(nil, "the name of a group has %d bytes, more than %d", len(name), unix.NAME_MAX)
	case strings.ContainsAny(name, "/\n\x00"):
		return fault.Op(nil, "%q cannot be the name of a group: it is a path, or more than one line", name)
	}
	return nil
}

// line is one of the schemata file, with the field that asks for it.
type line struct {
	field, text string
	// compared says that a group which exists must have it already.
	compared bool
}

// lines are those that are written, in order. The one field that may hold more
// than one line is l3CacheSchema: for code and data, L3CODE: and L3DATA:.
func lines(r *specs.LinuxIntelRdt) []line {
	var list []line
	for l := range strings.SplitSeq(r.L3CacheSchema, "\n") {
		if l != "" {
			list = append(list, line{field + ".l3CacheSchema", l, true})
		}
	}
	if r.MemBwSchema != "" {
		list = append(list, line{field + ".memBwSchema", r.MemBwSchema, true})
	}
	for i, s := range r.Schemata {
		list = append(list, line{fmt.Sprintf("%s.schemata[%d]", field, i), s, false})
	}
	return list
}
