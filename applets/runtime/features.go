package runtime

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"ocibox/applets/cli"
	"ocibox/core/caps"
	"ocibox/core/mounts"
	"ocibox/core/namespace"
)

// features prints what is built, from the tables that the code uses. What it
// says false to is refused in a config.json.
func featuresCommand(e *env, f *cli.Flags, args []string) error {
	if err := f.Parse(e.std, args); err != nil {
		return err
	}
	if _, err := f.Operands(0, 0); err != nil {
		return err
	}
	no, yes := new(bool), new(bool)
	*yes = true
	linux := &features.Linux{
		Capabilities:    caps.Known().Names(),
		Cgroup:          &features.Cgroup{V1: no, V2: no, Systemd: no, SystemdUser: no, Rdma: no},
		Seccomp:         &features.Seccomp{Enabled: no},
		Apparmor:        &features.Apparmor{Enabled: yes},
		Selinux:         &features.Selinux{Enabled: yes},
		IntelRdt:        &features.IntelRdt{Enabled: yes, Schemata: yes, Monitoring: yes},
		MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: no}},
		NetDevices:      &features.NetDevices{Enabled: yes},
	}
	for _, k := range namespace.Kinds {
		linux.Namespaces = append(linux.Namespaces, string(k.Type))
	}
	return printJSON(e.std.Out, features.Features{
		OCIVersionMin: "1.0.0",
		OCIVersionMax: specs.Version,
		Hooks:         []string{},
		MountOptions:  mounts.Words(),
		Linux:         linux,
		Annotations:   map[string]string{"org.ocibox.version": cli.Version},
	}, "  ")
}
