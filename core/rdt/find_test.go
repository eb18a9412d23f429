package rdt

import (
	"strings"
	"testing"

	"ocibox/core/fault"
)

func TestMountPoint(t *testing.T) {
	const (
		sys   = "22 29 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
		first = "40 22 0:35 / /sys/fs/resctrl rw,relatime shared:9 - resctrl resctrl rw\n"
		part  = "50 29 0:35 /mon_groups /srv rw - resctrl resctrl rw\n"
		space = "51 29 0:35 / /a\\040b\\134c rw - resctrl resctrl rw,cdp\n"
		name  = "52 29 0:36 / /resctrl rw - tmpfs resctrl rw\n"
	)
	for _, c := range [][2]string{
		{sys, ""},
		{name, ""},
		{part, ""},
		{"", ""},
		{"short - resctrl resctrl rw\n", ""},
		{sys + first + name + part, "/sys/fs/resctrl"},
		{first + space, `/a b\c`},
	} {
		if got := mountPoint(c[0]); got != c[1] {
			t.Errorf("%q: %q, want %q", c[0], got, c[1])
		}
	}
}

func TestAbsent(t *testing.T) {
	for types, hint := range map[string]string{
		"nodev\tsysfs\nnodev\tresctrl\n\text4\n": "mount -t resctrl resctrl /sys/fs/resctrl",
		"nodev\tsysfs\n\text4\n":                 "this kernel has none for this processor",
	} {
		err := absent(types)
		if !strings.Contains(err.Error(), "no resctrl file system is mounted") || !strings.Contains(fault.Hint(err), hint) {
			t.Errorf("%q: %v, hint %q, want %q", types, err, fault.Hint(err), hint)
		}
	}
}
