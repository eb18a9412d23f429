package runtime_test

import (
	"encoding/json"
	"runtime"
	"slices"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
	"ocibox/core/cgroup"
)

func TestScheduler(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		k := b.Kernel(func(s *specs.Spec) {
			s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: 5, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}}
			s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 6}
		})
		same(t, "policy, nice, flags", []int64{int64(k.Sched.Policy), int64(k.Sched.Nice), int64(k.Sched.Flags)}, []int64{unix.SCHED_BATCH, 5, unix.SCHED_FLAG_RESET_ON_FORK})
		same(t, "io priority", k.IOPrio, 2<<13|6)

		k = b.Kernel(func(s *specs.Spec) {
			s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedIdle}
			s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_IDLE}
		})
		same(t, "policy", k.Sched.Policy, unix.SCHED_IDLE)
		same(t, "io class", k.IOPrio>>13, 3)
	})
}

// With CONFIG_RT_GROUP_SCHED, a cgroup of version 1 has no time for real-time
// policies before it is given some.
func TestRealtimeCgroup(t *testing.T) {
	b := controlled(t, "cpu")
	h, err := cgroup.Probe(true)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(h.Legacy, func(t cgroup.Tree) bool { return slices.Contains(t.Controllers, "cpu") })
	if i < 0 || unix.Access(h.Legacy[i].Mount+"/cpu.rt_runtime_us", unix.W_OK) != nil || !has(t, unix.CAP_SYS_NICE) {
		t.Skip("needs cpu.rt_runtime_us of version 1, and CAP_SYS_NICE")
	}
	rr := func(runtime *int64) func(*specs.Spec) {
		return func(s *specs.Spec) {
			s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedRR, Priority: 3}
			if runtime != nil {
				s.Linux.Resources = &specs.LinuxResources{CPU: &specs.LinuxCPU{RealtimeRuntime: runtime}}
			}
		}
	}
	b.Write(rr(nil))
	b.Fails([]string{"process.scheduler SCHED_RR: sched_setattr(): operation not permitted", "hint: the container's cgroup has no time for that policy: linux.resources.cpu.realtimeRuntime"}, "run", "--bundle", b.Dir, b.ID)
	same(t, "policy", b.Kernel(rr(new(int64(10000)))).Sched.Policy, unix.SCHED_RR)
	nothingLeft(t, b)
}

// What takes CAP_SYS_NICE of the host, also for a container that has no
// capability and is in a user namespace.
func TestPrivilegedScheduler(t *testing.T) {
	u := bundletest.Root(t)
	if !has(t, unix.CAP_SYS_NICE) {
		t.Skip("needs CAP_SYS_NICE")
	}
	for name, edit := range map[string]func(*specs.Spec){
		"host's": func(s *specs.Spec) { s.Process.Capabilities = nil },
		"mapped": func(s *specs.Spec) { allNew(u, s) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := bundletest.New(t, u)
			b.Globals = withoutCgroups
			if name == "mapped" {
				giveMapped(b)
			}
			k := b.Kernel(func(s *specs.Spec) {
				edit(s)
				s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedRR, Priority: 3}
				s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_RT, Priority: 1}
			})
			same(t, "policy, priority", []uint32{k.Sched.Policy, k.Sched.Priority}, []uint32{unix.SCHED_RR, 3})
			same(t, "io priority", k.IOPrio, 1<<13|1)

			k = b.Kernel(func(s *specs.Spec) {
				edit(s)
				s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedOther, Nice: -7}
			})
			same(t, "nice", k.Sched.Nice, -7)
		})
	}
}

// What exec adds is what its own process says, and on the CPUs that it says.
func TestExecScheduler(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Globals = withoutCgroups
		b.Write(func(s *specs.Spec) {
			s.Process.Args = b.Args("sleep")
			s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
			s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolPreferred, Nodes: "0"}
		})
		b.Must("run", "--detach", "--bundle", b.Dir, b.ID)
		s := b.Spec()
		s.Process.Args = b.Args("kernel")
		s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: 4, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}}
		if u.IsRoot() && has(t, unix.CAP_SYS_NICE) {
			s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedFIFO, Priority: 2, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}}
		}
		s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 1}
		s.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: "0-1023", Final: "0"}
		data, err := json.Marshal(s.Process)
		if err != nil {
			t.Fatal(err)
		}
		mkfile(t, b.Beside("process.json"), string(data))
		k := bundletest.ReadKernel(t, b.Must("exec", "--process", b.Beside("process.json"), b.ID))
		want := unix.SchedAttr{Policy: unix.SCHED_BATCH, Nice: 4, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
		if s.Process.Scheduler.Priority != 0 {
			want = unix.SchedAttr{Policy: unix.SCHED_FIFO, Priority: 2, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
		}
		same(t, "policy, nice, priority, flags", []int64{int64(k.Sched.Policy), int64(k.Sched.Nice), int64(k.Sched.Priority), int64(k.Sched.Flags)},
			[]int64{int64(want.Policy), int64(want.Nice), int64(want.Priority), int64(want.Flags)})
		same(t, "io priority", k.IOPrio, 2<<13|1)
		same(t, "CPUs", k.CPUs, []int{0})
		same(t, "memory mode", k.MemoryMode, unix.MPOL_PREFERRED)
		if runtime.GOARCH == "amd64" {
			same(t, "machine", k.Machine, "i686")
		}
	})
}

// A container's processes run on all processors that there are for them, whatever the
// caller is bound to.
func TestProcessors(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		// The runtime is started by this thread, whose end is that of its mask.
		runtime.LockOSThread()
		var all, one unix.CPUSet // of which the kernel writes as much as it has
		for n := range 1024 {
			all.Set(n)
		}
		if err := unix.SchedSetaffinity(0, &all); err != nil {
			t.Fatal(err)
		}
		all.Zero()
		if err := unix.SchedGetaffinity(0, &all); err != nil {
			t.Fatal(err)
		}
		var want []int
		for n := range 1024 {
			if all.IsSet(n) {
				want = append(want, n)
			}
		}
		if len(want) < 2 {
			t.Skip("there is one processor")
		}
		one.Set(want[len(want)-1])
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			t.Fatal(err)
		}
		b := newBundle(t, u, "sleep")
		ready(t, b.Detach())
		k := bundletest.ReadKernel(t, b.Must(append([]string{"exec", b.ID}, b.Args("kernel")...)...))
		same(t, "CPUs of an exec", k.CPUs, want)
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(b.Query().Pid, &set); err != nil || set != all {
			t.Errorf("CPUs of the init: %v, %v; want %v", set, err, all)
		}
	})
}

func TestMemoryPolicyAndPersonality(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		k := b.Kernel(func(s *specs.Spec) {
			s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0", Flags: []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}}
			s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux}
		})
		same(t, "mode", k.MemoryMode, unix.MPOL_BIND|unix.MPOL_F_STATIC_NODES)
		same(t, "nodes", k.MemoryNodes, 1)
		machine := k.Machine

		k = b.Kernel(func(s *specs.Spec) {
			s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolLocal}
			if runtime.GOARCH == "amd64" {
				s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
				machine = "i686"
			}
		})
		same(t, "mode", k.MemoryMode, unix.MPOL_LOCAL)
		same(t, "machine", k.Machine, machine)
	})
}

// keep_original_groups is crun's: the caller's groups stay.
func TestKeepOriginalGroups(t *testing.T) {
	b := bundletest.New(t, bundletest.Root(t))
	for _, keep := range []bool{true, false} {
		b.Write(func(s *specs.Spec) {
			if keep {
				s.Annotations = map[string]string{"run.oci.keep_original_groups": "1"}
			}
		})
		c := b.Command("run", "--bundle", b.Dir, b.ID)
		c.SysProcAttr.Credential = &syscall.Credential{Groups: []uint32{31, 32}}
		r := c.Run()
		if r.Status != 0 || r.Err != "" {
			t.Fatalf("%+v", r)
		}
		want := []int(nil)
		if keep {
			want = []int{31, 32}
		}
		same(t, "groups", bundletest.ReadReport(t, r.Out).Groups, want)
	}
}

func TestBadScheduler(t *testing.T) {
	sched := func(o specs.Scheduler) func(*bundletest.Bundle, *specs.Spec) {
		return set(func(s *specs.Spec) { s.Process.Scheduler = &o })
	}
	io := func(class specs.IOPriorityClass, priority int) func(*bundletest.Bundle, *specs.Spec) {
		return set(func(s *specs.Spec) { s.Process.IOPriority = &specs.LinuxIOPriority{Class: class, Priority: priority} })
	}
	cpus := func(initial, final string) func(*bundletest.Bundle, *specs.Spec) {
		return set(func(s *specs.Spec) { s.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: initial, Final: final} })
	}
	testBad(t, []bad{
		{name: "no policy", edit: sched(specs.Scheduler{Nice: 1}), want: []string{"process.scheduler.policy: is missing"}},
		{name: "unknown policy", edit: sched(specs.Scheduler{Policy: "SCHED_FAIR"}), want: []string{`process.scheduler.policy: "SCHED_FAIR" is no policy`}},
		{name: "too nice", edit: sched(specs.Scheduler{Policy: specs.SchedOther, Nice: 20}), want: []string{"process.scheduler.nice: 20 is not in -20…19"}},
		{name: "no priority", edit: sched(specs.Scheduler{Policy: specs.SchedFIFO}), want: []string{"process.scheduler.priority: 0 is not in 1…99"}},
		{name: "priority of others", edit: sched(specs.Scheduler{Policy: specs.SchedBatch, Priority: 1}), want: []string{"process.scheduler.priority: 1: only SCHED_FIFO and SCHED_RR have one"}},
		{name: "deadline of others", edit: sched(specs.Scheduler{Policy: specs.SchedOther, Deadline: 1}), want: []string{"process.scheduler: runtime, deadline and period belong to SCHED_DEADLINE"}},
		{name: "unknown flag", edit: sched(specs.Scheduler{Policy: specs.SchedOther, Flags: []specs.LinuxSchedulerFlag{"SCHED_FLAG_X"}}), want: []string{`process.scheduler.flags[0]: "SCHED_FLAG_X" is no flag`}},
		{name: "deadline that cannot be", edit: sched(specs.Scheduler{Policy: specs.SchedDeadline, Runtime: 5, Deadline: 1}), want: []string{"process.scheduler SCHED_DEADLINE: sched_setattr()"}},
		{name: "real time for nobody", edit: sched(specs.Scheduler{Policy: specs.SchedFIFO, Priority: 1}),
			want: []string{"process.scheduler SCHED_FIFO: sched_setattr(): operation not permitted", "hint: it takes CAP_SYS_NICE"}, who: onlyPlain},
		{name: "no io class", edit: io("", 1), want: []string{"process.ioPriority.class: is missing"}},
		{name: "unknown io class", edit: io("IOPRIO_CLASS_NONE", 1), want: []string{`process.ioPriority.class: "IOPRIO_CLASS_NONE" is no class`}},
		{name: "io priority", edit: io(specs.IOPRIO_CLASS_BE, 8), want: []string{"process.ioPriority.priority: 8 is not in 0…7"}},
		{name: "io real time for nobody", edit: io(specs.IOPRIO_CLASS_RT, 1), want: []string{"process.ioPriority IOPRIO_CLASS_RT: ioprio_set(IOPRIO_WHO_PROCESS): operation not permitted", "hint: "}, who: onlyPlain},
		{name: "no CPU list", edit: cpus("0-x", ""), want: []string{`process.execCPUAffinity.initial: "0-x" is neither a number nor a range`}},
		{name: "no CPU", edit: cpus("0", ","), want: []string{`process.execCPUAffinity.final: "," names no CPU`}},
		{name: "far CPU", edit: cpus("", "8192"), want: []string{"process.execCPUAffinity.final: 8192 is more than 8191"}},
	})
}

func TestBadMemoryPolicyAndPersonality(t *testing.T) {
	memory := func(mode specs.MemoryPolicyModeType, nodes string, flags ...specs.MemoryPolicyFlagType) func(*bundletest.Bundle, *specs.Spec) {
		return set(func(s *specs.Spec) {
			s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: mode, Nodes: nodes, Flags: flags}
		})
	}
	domain := func(d specs.LinuxPersonalityDomain, flags ...specs.LinuxPersonalityFlag) func(*bundletest.Bundle, *specs.Spec) {
		return set(func(s *specs.Spec) { s.Linux.Personality = &specs.LinuxPersonality{Domain: d, Flags: flags} })
	}
	testBad(t, []bad{
		{name: "no mode", edit: memory("", "0"), want: []string{"linux.memoryPolicy.mode: is missing"}},
		{name: "unknown mode", edit: memory("MPOL_MAX", "0"), want: []string{`linux.memoryPolicy.mode: "MPOL_MAX" is no mode`}},
		{name: "no nodes", edit: memory(specs.MpolBind, ""), want: []string{"linux.memoryPolicy.nodes: is missing: MPOL_BIND needs one"}},
		{name: "nodes for none", edit: memory(specs.MpolDefault, "0"), want: []string{`linux.memoryPolicy.nodes: "0": MPOL_DEFAULT takes none`}},
		{name: "bad nodes", edit: memory(specs.MpolBind, "3-1"), want: []string{`linux.memoryPolicy.nodes: "3-1" ends before it begins`}},
		{name: "unknown flag", edit: memory(specs.MpolBind, "0", "MPOL_F_MOF"), want: []string{`linux.memoryPolicy.flags[0]: "MPOL_F_MOF" is no flag`}},
		{name: "flags at odds", edit: memory(specs.MpolBind, "0", specs.MpolFStaticNodes, specs.MpolFRelativeNodes), want: []string{"linux.memoryPolicy.flags", "exclude each other"}},
		{name: "node that is not there", edit: memory(specs.MpolBind, "1000"), want: []string{"linux.memoryPolicy MPOL_BIND: set_mempolicy(MPOL_BIND): invalid argument", "hint: the nodes with memory are "}},
		{name: "no domain", edit: domain(""), want: []string{"linux.personality.domain: is missing"}},
		{name: "unknown domain", edit: domain("BSD"), want: []string{`linux.personality.domain: "BSD" is neither LINUX nor LINUX32`}},
		{name: "flags", edit: domain(specs.PerLinux, "ADDR_NO_RANDOMIZE"), want: []string{`linux.personality.flags: "ADDR_NO_RANDOMIZE": the specification defines no flag`}},
	})
}
