package runtime

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"ocibox/applets/cli"
	"ocibox/core/caps"
	"ocibox/core/container"
	"ocibox/core/mounts"
	"ocibox/core/namespace"
	"ocibox/core/plan"
	"ocibox/core/seccomp"
)

// featuresCommand prints what is built, from the tables that the code uses
// (runtime-spec, features.md and features-linux.md). What it says false to is
// refused in a config.json.
func featuresCommand(*cli.Flags) action {
	return func(e *env, _ []string) error { return printJSON(e.std.Out, supported(), "  ") }
}

// hookNames are those of config.md, "POSIX-platform Hooks".
var hookNames = []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}

func supported() features.Features {
	yes := new(true)
	linux := &features.Linux{
		Capabilities:    caps.Known().Names(),
		Cgroup:          &features.Cgroup{V1: yes, V2: yes, Rdma: yes, Systemd: yes, SystemdUser: yes},
		Seccomp:         seccompFeatures(),
		Apparmor:        &features.Apparmor{Enabled: yes},
		Selinux:         &features.Selinux{Enabled: yes},
		IntelRdt:        &features.IntelRdt{Enabled: yes, Schemata: yes, Monitoring: yes},
		MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: new(slices.Contains(mounts.Words(), "idmap"))}},
		NetDevices:      &features.NetDevices{Enabled: yes},
	}
	for _, k := range namespace.Kinds {
		linux.Namespaces = append(linux.Namespaces, string(k.Type))
	}
	modes, flags := plan.MemoryPolicies()
	linux.MemoryPolicy = &features.MemoryPolicy{Modes: modes, Flags: flags}
	return features.Features{
		OCIVersionMin: "1.0.0",
		OCIVersionMax: specs.Version,
		MountOptions:  mounts.Words(),
		Linux:         linux,
		Annotations:   map[string]string{"org.ocibox.version": cli.Version},
		// Whoever takes config.json from others has to look at these.
		PotentiallyUnsafeConfigAnnotations: container.Annotations(),
		Hooks:                              hookNames,
	}
}

// seccompFeatures are the words of linux.seccomp, and which of the flags this
// kernel takes.
func seccompFeatures() *features.Seccomp {
	w := seccomp.Words()
	f := &features.Seccomp{Enabled: new(true), Actions: w.Actions, Operators: w.Operators, Archs: w.Archs, KnownFlags: w.Flags}
	missing := seccomp.Missing(^uint(0))
	for _, flag := range w.Flags {
		if !slices.Contains(missing, flag) {
			f.SupportedFlags = append(f.SupportedFlags, flag)
		}
	}
	return f
}
