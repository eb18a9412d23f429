package plan

import (
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundle"
	"ocibox/core/caps"
)

// kernelGoldens are those of what the kernel and its modules are told.
func kernelGoldens() []golden {
	confined := func(s *specs.Spec) *specs.Spec {
		s.Process.ApparmorProfile = "docker-default"
		s.Process.SelinuxLabel = "system_u:system_r:container_t:s0:c1,c2"
		s.Linux.MountLabel = "system_u:object_r:container_file_t:s0:c1,c2"
		return s
	}
	with := func(h Host) Host {
		h.AppArmor, h.SELinux = true, true
		return h
	}
	all := func(s *specs.Spec) *specs.Spec {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
		s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: -1, Nanosecs: 5}, "boottime": {Secs: 7}}
		s.Linux.Sysctl = map[string]string{"kernel.msgmax": "65536", "fs/mqueue/msg_max": "20"}
		s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
		s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolInterleave, Nodes: "0-1,3", Flags: []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}}
		s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedDeadline, Runtime: 10, Deadline: 20, Period: 30, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagReclaim}}
		s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 6}
		return s
	}
	return []golden{
		{name: "kernel", in: Input{Spec: all(bundle.Default()), Host: root}},
		{name: "kernel-rootless", in: Input{Spec: all(bundle.Rootless(1000, 1000)), Host: user}},
		{name: "kernel-remapped", in: Input{Spec: func() *specs.Spec {
			s := all(bundle.Rootless(100000, 100000))
			adj := 5
			s.Process.OOMScoreAdj = &adj
			return s
		}(), Host: root}},
		{name: "labels", in: Input{Spec: confined(bundle.Default()), Host: with(root)}},
		{name: "labels-rootless", in: Input{Spec: func() *specs.Spec {
			s := confined(bundle.Rootless(1000, 1000))
			s.Annotations = map[string]string{contextType: "rootcontext", keepGroups: "1"}
			return s
		}(), Host: with(user), NoKeyring: true}},
		{name: "unconfined", in: Input{Spec: func() *specs.Spec {
			s := bare()
			s.Process.ApparmorProfile = unconfined
			return s
		}(), Host: with(root)}},
	}
}

// A security module that is not there is named; AppArmor's unconfined needs none.
func TestModules(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(*specs.Spec, *Host)
		want string
	}{
		{"no AppArmor", func(s *specs.Spec, h *Host) { s.Process.ApparmorProfile, h.SELinux = "p", true }, `process.apparmorProfile: "p": AppArmor is not in force on this host`},
		{"no SELinux", func(s *specs.Spec, h *Host) { s.Process.SelinuxLabel, h.AppArmor = "l", true }, `process.selinuxLabel: "l": SELinux is not in force on this host`},
		{"no SELinux for mounts", func(s *specs.Spec, h *Host) { s.Linux.MountLabel, h.AppArmor = "m", true }, `linux.mountLabel: "m": SELinux is not in force on this host`},
		{"unconfined", func(s *specs.Spec, _ *Host) { s.Process.ApparmorProfile = unconfined }, ""},
		{"AppArmor", func(s *specs.Spec, h *Host) { s.Process.ApparmorProfile, h.AppArmor = "p", true }, ""},
		{"SELinux", func(s *specs.Spec, h *Host) { s.Process.SelinuxLabel, s.Linux.MountLabel, h.SELinux = "l", "m", true }, ""},
		{"label too long", func(s *specs.Spec, h *Host) { s.Linux.MountLabel, h.SELinux = strings.Repeat("l", 256), true }, "linux.mountLabel: 256 bytes are more than 255, which is all that fsconfig(2) takes"},
	} {
		in := Input{ID: "c", Spec: bundle.Default(), Host: root, Bundle: "/bundle"}
		row.edit(in.Spec, &in.Host)
		_, err := Compile(in)
		if got := errorText(err); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSysctlPath(t *testing.T) {
	for key, want := range map[string]string{
		"net.ipv4.ip_forward":              "net/ipv4/ip_forward",
		"net/ipv4/ip_forward":              "net/ipv4/ip_forward",
		"net.ipv4.conf.eno2/100.rp_filter": "net/ipv4/conf/eno2.100/rp_filter",
		"net/ipv4/conf/eno2.100/rp_filter": "net/ipv4/conf/eno2.100/rp_filter",
		"net.ipv4.conf.//etc/passwd.x":     "net/ipv4/conf/..etc.passwd/x",
		"nothing":                          "nothing",
	} {
		if got := sysctlPath(key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

func TestBitmap(t *testing.T) {
	for list, want := range map[string][]int{"": nil, "0": {0}, "0-3,7": {0, 1, 2, 3, 7}, " 1 , 1-2,,": {1, 2}, "64,63,0-0": {0, 63, 64}, "1023": {1023}} {
		words, err := bitmap(list, 1023)
		var got []int
		for n := range len(words) * wordBits {
			if words[n/wordBits]>>(n%wordBits)&1 != 0 {
				got = append(got, n)
			}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", list, got, err, want)
		}
	}
	for list, want := range map[string]string{"a": "neither", "1-": "neither", "-1": "neither", "1-2-3": "neither", "+1": "neither", "3-1": "ends before", "1024": "more than 1023", "0-4294967296": "neither"} {
		if _, err := bitmap(list, 1023); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", list, err, want)
		}
	}
}

// What exec binds itself to is what the lists say.
func TestAffinity(t *testing.T) {
	p, err := Compile(Input{ID: "c", Spec: bare(), Host: root})
	if err != nil {
		t.Fatal(err)
	}
	c := &compiler{plan: p, p: p.Program}
	c.affinity("", "process.execCPUAffinity.initial")
	c.affinity("0-1,70", "process.execCPUAffinity.final")
	var out strings.Builder
	if err := p.Explain(&out, false); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); strings.Contains(s, "initial") || !strings.Contains(s, "process.execCPUAffinity.final 0-1,70") || !strings.Contains(s, "sched_setaffinity(0, {0-1,70})") {
		t.Error(s)
	}
}

func TestKernelWarnings(t *testing.T) {
	s := bare()
	s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedFIFO, Priority: 1, Nice: 3, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagKeepPolicy}}
	s.Process.User.AdditionalGids = []uint32{5}
	s.Annotations = map[string]string{keepGroups: "1"}
	p, err := Compile(Input{ID: "c", Spec: s, Host: root})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"process.user.additionalGids: has no effect with the annotation run.oci.keep_original_groups",
		"process.scheduler.nice: has no effect with SCHED_FIFO", "process.scheduler.policy: has no effect with SCHED_FLAG_KEEP_POLICY"}
	if !slices.Equal(p.Warnings, want) {
		t.Errorf("%q, want %q", p.Warnings, want)
	}
}

// A process that exec adds is confined and ranked as its own process says.
func TestExecPlan(t *testing.T) {
	s := bundle.Default()
	s.Process.Terminal = false
	s.Process.ApparmorProfile, s.Process.SelinuxLabel = "p", "l"
	s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedFIFO, Priority: 1}
	s.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: "0", Final: "1"}
	in := Input{Spec: s, ID: "golden", Bundle: "/bundle", Host: root}
	target := Target{Joins: unix.CLONE_NEWPID | unix.CLONE_NEWNS, RootFS: "/rootfs"}
	if _, err := Exec(in, target); errorText(err) != `process.apparmorProfile: "p": AppArmor is not in force on this host` {
		t.Errorf("without AppArmor: %v", err)
	}
	in.Host.AppArmor, in.Host.SELinux = true, true
	in.Host.Caps = caps.All(40)
	p, err := Exec(in, target)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := p.Explain(&out, false); err != nil {
		t.Fatal(err)
	}
	rest := out.String()
	for _, step := range []string{"sched_setaffinity(0, {0})", "setns(", `"self/attr/keycreate"`, `"self/attr/apparmor/exec"`, `"exec p"`, `"self/attr/exec"`, "close_range",
		"sched_setaffinity(0, {1})", "sched_setattr(CHILD, {SCHED_FIFO, priority 1})", "execve("} {
		_, after, found := strings.Cut(rest, step)
		if !found {
			t.Fatalf("%s is not there, or not in its place:\n%s", step, out.String())
		}
		rest = after
	}
}
