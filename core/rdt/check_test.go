package rdt

import (
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestCheck(t *testing.T) {
	for _, r := range []specs.LinuxIntelRdt{
		{},
		{ClosID: "/"},
		{ClosID: "gold", L3CacheSchema: "L3:0=f", MemBwSchema: "MB:0=20", Schemata: []string{"L2:0=f"}, EnableMonitoring: true},
		{L3CacheSchema: "L3CODE:0=f\nL3DATA:0=3\n"},
	} {
		if err := Check(&r); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
	for _, c := range []struct {
		r    specs.LinuxIntelRdt
		want string
	}{
		{specs.LinuxIntelRdt{ClosID: "a/b"}, `linux.intelRdt.closID: "a/b" cannot be the name of a group`},
		{specs.LinuxIntelRdt{ClosID: "/a"}, "linux.intelRdt.closID: "},
		{specs.LinuxIntelRdt{ClosID: ".."}, "linux.intelRdt.closID: "},
		{specs.LinuxIntelRdt{ClosID: "."}, "linux.intelRdt.closID: "},
		{specs.LinuxIntelRdt{ClosID: "info"}, "linux.intelRdt.closID: "},
		{specs.LinuxIntelRdt{ClosID: "mon_groups"}, "linux.intelRdt.closID: "},
		{specs.LinuxIntelRdt{ClosID: "mon_data"}, "linux.intelRdt.closID: "},
		{specs.LinuxIntelRdt{ClosID: "a\nb"}, "linux.intelRdt.closID: "},
		{specs.LinuxIntelRdt{ClosID: "a\x00"}, "linux.intelRdt.closID: "},
		{specs.LinuxIntelRdt{ClosID: strings.Repeat("a", 256)}, "256 bytes, more than 255"},
		{specs.LinuxIntelRdt{MemBwSchema: "L3:0=f"}, `linux.intelRdt.memBwSchema: "L3:0=f" does not begin with MB:`},
		{specs.LinuxIntelRdt{MemBwSchema: "MB:0=20\nL3:0=f"}, "linux.intelRdt.memBwSchema: "},
		{specs.LinuxIntelRdt{L3CacheSchema: "L3:0=f\x00"}, "linux.intelRdt.l3CacheSchema: "},
		{specs.LinuxIntelRdt{Schemata: []string{"L3:0=f", "MB:0=20\n"}}, "linux.intelRdt.schemata[1]: "},
		{specs.LinuxIntelRdt{Schemata: []string{""}}, "linux.intelRdt.schemata[0]: is empty"},
	} {
		if err := Check(&c.r); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.r, err, c.want)
		}
	}
}

func TestMatch(t *testing.T) {
	const schemata = "    MB:0= 100;1=  20\n    L3:0=00ff;1=7ff;2=0\n"
	for _, text := range []string{"L3:0=ff;1=7ff;2=0", "L3:1=07FF", "MB:1=20;0=100", "L3:2=000", " L3: 0 = ff "} {
		if err := match(schemata, line{field: "f", text: text}); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		"L3:0=f":    "f: L3:0=f differs from the group's L3:0=00ff;1=7ff;2=0",
		"L3:2=1":    "differs",
		"L3:3=0":    "differs",
		"MB:0=10":   "differs",
		"L2:0=f":    "f: L2:0=f: the group has no L2",
		"L3CODE:0=": "the group has no L3CODE",
		"L3:":       `"L3:" is not of the form`,
		"L3:0":      "is not of the form",
		"":          "is not of the form",
	} {
		if err := match(schemata, line{field: "f", text: text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if err := match("L3:0;1=f\n", line{text: "L3:0=f"}); err == nil {
		t.Error("schemata that cannot be read match")
	}
}
