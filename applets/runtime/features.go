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
	notYet := plan.NotYet()
	is := func(field string) *bool { return new(!slices.Contains(notYet, field)) }
	linux := &features.Linux{
		Capabilities: caps.Known().Names(),
		Cgroup: &features.Cgroup{
			V1: is("linux.resources"), V2: is("linux.resources"), Rdma: is("linux.resources"),
			// The flags that ask for systemd are accepted, and have no effect.
			Systemd: new(false), SystemdUser: new(false),
		},
		Seccomp:         seccompFeatures(),
		Apparmor:        &features.Apparmor{Enabled: is("process.apparmorProfile")},
		Selinux:         &features.Selinux{Enabled: is("process.selinuxLabel")},
		IntelRdt:        &features.IntelRdt{Enabled: is("linux.intelRdt"), Schemata: is("linux.intelRdt"), Monitoring: is("linux.intelRdt")},
		MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: new(slices.Contains(mounts.Words(), "idmap"))}},
		NetDevices:      &features.NetDevices{Enabled: is("linux.netDevices")},
	}
	for _, k := range namespace.Kinds {
		linux.Namespaces = append(linux.Namespaces, string(k.Type))
	}
	if *is("linux.memoryPolicy") {
		modes, flags := plan.MemoryPolicies()
		linux.MemoryPolicy = &features.MemoryPolicy{Modes: modes, Flags: flags}
	}
	f := features.Features{
		OCIVersionMin: "1.0.0",
		OCIVersionMax: specs.Version,
		MountOptions:  mounts.Words(),
		Linux:         linux,
		Annotations:   map[string]string{"org.ocibox.version": cli.Version},
		// Whoever takes config.json from others has to look at these.
		PotentiallyUnsafeConfigAnnotations: container.Annotations(),
		Hooks:                              []string{},
	}
	if *is("hooks") {
		f.Hooks = hookNames
	}
	return f
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
