package plan

import (
	"errors"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/fault"
)

func TestBadNetDevices(t *testing.T) {
	network := specs.LinuxNamespace{Type: specs.NetworkNamespace}
	long := strings.Repeat("l", 16)
	for _, c := range []struct {
		devices map[string]specs.LinuxNetDevice
		want    string
	}{
		{map[string]specs.LinuxNetDevice{"": {}}, "linux.netDevices: the name of a network device is empty"},
		{map[string]specs.LinuxNetDevice{"a/b": {Name: "c"}}, `linux.netDevices: "a/b" is no name of a network device: it holds "/"`},
		{map[string]specs.LinuxNetDevice{"a%d": {}}, `linux.netDevices: "a%d" is no name`},
		{map[string]specs.LinuxNetDevice{long: {Name: "c"}}, "linux.netDevices: "},
		{map[string]specs.LinuxNetDevice{"a": {Name: long}}, `linux.netDevices[a].name: "` + long + `" is no name of a network device: 16 bytes are more than 15`},
		{map[string]specs.LinuxNetDevice{"a": {Name: ".."}}, "linux.netDevices[a].name: "},
		{map[string]specs.LinuxNetDevice{"a": {Name: "."}}, "linux.netDevices[a].name: "},
		{map[string]specs.LinuxNetDevice{"a": {Name: "x:1"}}, "linux.netDevices[a].name: "},
		{map[string]specs.LinuxNetDevice{"a": {Name: "x y"}}, "linux.netDevices[a].name: "},
		{map[string]specs.LinuxNetDevice{"a": {Name: "x\x00"}}, "linux.netDevices[a].name: "},
		{map[string]specs.LinuxNetDevice{"a": {Name: "x%d%d"}}, "linux.netDevices[a].name: "},
		{map[string]specs.LinuxNetDevice{"a": {Name: "x"}, "b": {Name: "x"}}, "linux.netDevices[b].name: x is there already, as linux.netDevices[a]"},
		{map[string]specs.LinuxNetDevice{"a": {Name: "b"}, "b": {}}, "linux.netDevices[b].name: b is there already, as linux.netDevices[a]"},
	} {
		s := bare(network)
		s.Linux.NetDevices = c.devices
		if err := Validate(s); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.devices, err, c.want)
		}
	}
	s := bare(specs.LinuxNamespace{Type: specs.MountNamespace})
	s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"a": {}}
	if err := Validate(s); err == nil || err.Error() != "linux.netDevices: needs a network namespace" || fault.Hint(err) == "" {
		t.Errorf("without a network namespace: %v", err)
	}
	s = bare(network)
	s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"a": {Name: "x%d"}, "b": {Name: "x%d"}}
	if err := Validate(s); err != nil {
		t.Errorf("one template twice: %v", err)
	}
}

func TestBadIntelRdt(t *testing.T) {
	absent := errors.New("no resctrl")
	for _, c := range []struct {
		r    specs.LinuxIntelRdt
		id   string
		want string
	}{
		{specs.LinuxIntelRdt{ClosID: "../x"}, "id", "linux.intelRdt.closID: "},
		{specs.LinuxIntelRdt{MemBwSchema: "x"}, "id", "linux.intelRdt.memBwSchema: "},
		{specs.LinuxIntelRdt{Schemata: []string{"a\nb"}}, "id", "linux.intelRdt.schemata[0]: "},
		{specs.LinuxIntelRdt{}, "info", `linux.intelRdt: "info" cannot be the name of a group`},
	} {
		s := bare()
		s.Linux.IntelRdt = &c.r
		if _, err := Compile(Input{Spec: s, ID: c.id, Bundle: "/bundle", Host: resctrl(root)}); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.r, err, c.want)
		}
	}
	s := bare()
	s.Linux.IntelRdt = &specs.LinuxIntelRdt{}
	h := root
	h.Resctrl = func() (string, error) { return "", absent }
	if _, err := Compile(Input{Spec: s, ID: "id", Bundle: "/bundle", Host: h}); !errors.Is(err, absent) || !strings.HasPrefix(err.Error(), "linux.intelRdt: ") {
		t.Errorf("without resctrl: %v", err)
	}
}
