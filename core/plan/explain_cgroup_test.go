package plan

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundle"
	"ocibox/core/cgroup"
)

// Hosts with cgroups of version 1, version 2 and both.
var (
	unified = cgroup.Host{Unified: &cgroup.Tree{Version: 2, Controllers: []string{"cpuset", "cpu", "io", "memory", "pids"}, Mount: "/sys/fs/cgroup", Own: "/sys/fs/cgroup/shell"}}
	legacy  = cgroup.Host{Legacy: []cgroup.Tree{
		{Version: 1, Controllers: []string{"cpu", "cpuacct"}, Mount: "/sys/fs/cgroup/cpu,cpuacct", Own: "/sys/fs/cgroup/cpu,cpuacct"},
		{Version: 1, Controllers: []string{"devices"}, Mount: "/sys/fs/cgroup/devices", Own: "/sys/fs/cgroup/devices"},
		{Version: 1, Controllers: []string{"memory"}, Mount: "/sys/fs/cgroup/memory", Own: "/sys/fs/cgroup/memory/shell"},
		{Version: 1, Controllers: []string{"pids"}, Mount: "/sys/fs/cgroup/pids", Own: "/sys/fs/cgroup/pids"},
		{Version: 1, Controllers: []string{"name=systemd"}, Mount: "/sys/fs/cgroup/systemd", Own: "/sys/fs/cgroup/systemd"},
	}}
	hybrid = cgroup.Host{
		Legacy:  legacy.Legacy[1:3],
		Unified: &cgroup.Tree{Version: 2, Controllers: []string{"hugetlb"}, Mount: "/sys/fs/cgroup/unified", Own: "/sys/fs/cgroup/unified"},
	}
	locked = cgroup.Host{Unified: &cgroup.Tree{Version: 2, Controllers: []string{"memory"}, Mount: "/sys/fs/cgroup", Own: "/sys/fs/cgroup", ReadOnly: true}}
)

// on is a host with those cgroups.
func on(h Host, c cgroup.Host) Host {
	h.Cgroups = c
	return h
}

// limited is a config.json that limits something with each controller, and
// mounts cgroups.
func limited(n ...specs.LinuxNamespace) *specs.Spec {
	s := bare(append(n, specs.LinuxNamespace{Type: specs.MountNamespace})...)
	s.Mounts = []specs.Mount{{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev"}}}
	shares, quota, period, mem, swap := uint64(512), int64(50000), uint64(100000), int64(64<<20), int64(96<<20)
	major, minor := int64(1), int64(3)
	s.Linux.Resources = &specs.LinuxResources{
		Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}, {Allow: true, Type: "c", Major: &major, Minor: &minor, Access: "rw"}},
		CPU:     &specs.LinuxCPU{Shares: &shares, Quota: &quota, Period: &period},
		Memory:  &specs.LinuxMemory{Limit: &mem, Swap: &swap},
		Pids:    &specs.LinuxPids{Limit: new(int64(100))},
	}
	return s
}

func cgroupGoldens() []golden {
	own := specs.LinuxNamespace{Type: specs.CgroupNamespace}
	in := func(path string, s *specs.Spec) *specs.Spec {
		s.Linux.CgroupsPath = path
		return s
	}
	inMemory := limited()
	inMemory.Linux.Resources.CPU, inMemory.Linux.Resources.Pids = nil, nil
	remapped := limited(own, specs.LinuxNamespace{Type: specs.UserNamespace})
	remapped.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: 100000, Size: 65536}}
	remapped.Linux.GIDMappings = []specs.LinuxIDMapping{{HostID: 200000, Size: 65536}}
	scope := in("machine.slice:box:c1", limited(own))
	scope.Annotations = map[string]string{"org.systemd.property.TimeoutStopUSec": "uint64 5000000"}
	withSystemd := on(root, unified)
	withSystemd.Systemd = &cgroup.Service{Bus: "unix:path=/run/dbus/system_bus_socket", Version: 252, Cgroup: "/"}
	return []golden{
		{name: "cgroup-v2", in: Input{Spec: limited(own), Host: on(root, unified)}},
		{name: "cgroup-v2-host-namespace", in: Input{Spec: in("/pods/one", limited()), Host: on(root, unified)}},
		{name: "cgroup-v2-delegated", in: Input{Spec: remapped, Host: on(root, unified)}},
		{name: "cgroup-v1", in: Input{Spec: limited(own), Host: on(root, legacy)}},
		{name: "cgroup-v1-host-namespace", in: Input{Spec: in("pods/one", limited()), Host: on(root, legacy)}},
		{name: "cgroup-hybrid", in: Input{Spec: inMemory, Host: on(root, hybrid)}},
		{name: "cgroup-systemd", in: Input{Spec: scope, Host: withSystemd, CgroupManager: cgroup.Systemd}},
		{name: "cgroup-disabled", in: Input{Spec: bundle.Default(), Host: on(root, unified), CgroupManager: cgroup.Disabled}},
		{name: "cgroup-read-only", in: Input{Spec: bundle.Default(), Host: on(root, locked)}},
	}
}
