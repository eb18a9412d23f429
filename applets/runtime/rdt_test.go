package runtime_test

import (
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundletest"
)

// Without resctrl, a container that is to be in a group of it is refused.
func TestBadIntelRdt(t *testing.T) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), " - resctrl ") {
		t.Skip("resctrl is mounted here")
	}
	rdt := func(r specs.LinuxIntelRdt) func(*bundletest.Bundle, *specs.Spec) {
		return set(func(s *specs.Spec) { s.Linux.IntelRdt = &r })
	}
	testBad(t, []bad{
		{name: "no resctrl", edit: rdt(specs.LinuxIntelRdt{}), want: []string{"linux.intelRdt: no resctrl file system is mounted", "hint: "}},
		{name: "no resctrl for a class", edit: rdt(specs.LinuxIntelRdt{ClosID: "gold"}), want: []string{"linux.intelRdt: no resctrl file system is mounted"}},
		{name: "class outside", edit: rdt(specs.LinuxIntelRdt{ClosID: "../gold"}), want: []string{`linux.intelRdt.closID: "../gold" cannot be the name of a group`}},
		{name: "memory bandwidth", edit: rdt(specs.LinuxIntelRdt{MemBwSchema: "L3:0=f"}), want: []string{"linux.intelRdt.memBwSchema: "}},
		{name: "two lines", edit: rdt(specs.LinuxIntelRdt{Schemata: []string{"L3:0=f\nMB:0=20"}}), want: []string{"linux.intelRdt.schemata[0]: "}},
	})
}
