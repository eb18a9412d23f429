package caps

import (
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestRead(t *testing.T) {
	const (
		kill = 1 << unix.CAP_KILL
		raw  = 1 << unix.CAP_NET_RAW
		res  = 1 << unix.CAP_SYS_RESOURCE
	)
	have := All(40) &^ res
	got, warnings := Read(&specs.LinuxCapabilities{
		Bounding:    []string{"CAP_KILL", "CAP_NET_RAW", "CAP_SYS_RESOURCE"},
		Permitted:   []string{"CAP_KILL", "cap_net_raw", "CAP_NEXT_CENTURY"},
		Effective:   []string{"CAP_KILL", "CAP_SYS_RESOURCE"},
		Inheritable: []string{"CAP_KILL"},
		Ambient:     []string{"CAP_KILL", "CAP_NET_RAW"},
	}, have)
	if want := (Sets{Bounding: kill | raw, Permitted: kill | raw, Effective: kill, Inheritable: kill, Ambient: kill}); got != want {
		t.Errorf("%+v; want %+v", got, want)
	}
	want := []string{
		"process.capabilities.permitted: CAP_NEXT_CENTURY: unknown",
		"process.capabilities.bounding: CAP_SYS_RESOURCE: cannot be granted, for want of it in ocibox itself",
		"process.capabilities.effective: CAP_SYS_RESOURCE: cannot be granted, not being permitted",
		"process.capabilities.ambient: CAP_NET_RAW: cannot be granted, not being permitted and inheritable",
	}
	if !slices.Equal(warnings, want) {
		t.Errorf("warnings %q", warnings)
	}
	got, warnings = Read(&specs.LinuxCapabilities{Bounding: []string{"CAP_NET_RAW"}, Inheritable: []string{"CAP_NET_RAW", "CAP_KILL"}}, have)
	if got.Inheritable != raw || !slices.Equal(warnings, []string{"process.capabilities.inheritable: CAP_KILL: cannot be granted, not being in the bounding set"}) {
		t.Errorf("inheritable beyond the bounding set: %+v, %q", got, warnings)
	}
	if got, warnings := Read(nil, have); got != (Sets{}) || warnings != nil {
		t.Errorf("no capabilities: %+v, %q", got, warnings)
	}
}

func TestNames(t *testing.T) {
	for _, name := range Known().Names() {
		n, ok := Parse(name)
		if !ok || Set(1 << n).Names()[0] != name {
			t.Errorf("%s is %d, %v", name, n, ok)
		}
	}
	for _, name := range []string{"", "CAP_", "KILL", "CAP_KILL "} {
		if _, ok := Parse(name); ok {
			t.Errorf("%q is taken", name)
		}
	}
}
