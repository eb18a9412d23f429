// Package link makes, lists, changes and moves network devices, their addresses,
// routes and neighbors, in any network namespace, by rtnetlink(7).
package link

import (
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// template ends a name whose number the kernel chooses, as in "eth%d".
const template = "%d"

// IsTemplate says whether the kernel is to make a name out of this one.
func IsTemplate(name string) bool { return strings.HasSuffix(name, template) }

// CheckName says why a device cannot have this name, as dev_valid_name of the
// kernel has it.
func CheckName(name string) error {
	switch {
	case name == "":
		return fault.Op(nil, "the name of a network device is empty")
	case len(name) >= unix.IFNAMSIZ:
		return fault.Op(nil, "%q is no name of a network device: %d bytes are more than %d", name, len(name), unix.IFNAMSIZ-1)
	case name == "." || name == "..":
		return fault.Op(nil, "%q is no name of a network device", name)
	}
	for _, c := range []byte(name) {
		switch c {
		case '/', ':', '%', 0, ' ', '\t', '\n', '\v', '\f', '\r', 0xa0: // the last is a space in the kernel's Latin-1
			return fault.Op(nil, "%q is no name of a network device: it holds %q", name, []byte{c})
		}
	}
	return nil
}

// CheckNewName is CheckName for a name that may also be a template: one that
// ends in %d.
func CheckNewName(name string) error {
	if len(name) < unix.IFNAMSIZ && IsTemplate(name) {
		name = strings.TrimSuffix(name, template) + "0"
	}
	return CheckName(name)
}

// CheckLabel says why an address cannot have this label.
func CheckLabel(label string) error {
	if len(label) >= unix.IFNAMSIZ {
		return fault.Op(nil, "%q is no label of an address: %d bytes are more than %d", label, len(label), unix.IFNAMSIZ-1)
	}
	return nil
}
