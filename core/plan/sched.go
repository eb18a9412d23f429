package plan

import (
	"bytes"
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
)

// policies are the scheduling policies at their kernel's numbers, sched(7).
var policies = [...]specs.LinuxSchedulerPolicy{
	unix.SCHED_NORMAL: specs.SchedOther, unix.SCHED_FIFO: specs.SchedFIFO, unix.SCHED_RR: specs.SchedRR, unix.SCHED_BATCH: specs.SchedBatch,
	4: specs.SchedISO, unix.SCHED_IDLE: specs.SchedIdle, unix.SCHED_DEADLINE: specs.SchedDeadline,
}

// schedFlags are in the order of their bits, sched_setattr(2).
var schedFlags = [...]specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork, specs.SchedFlagReclaim, specs.SchedFlagDLOverrun,
	specs.SchedFlagKeepPolicy, specs.SchedFlagKeepParams, specs.SchedFlagUtilClampMin, specs.SchedFlagUtilClampMax}

func realtime(p specs.LinuxSchedulerPolicy) bool { return p == specs.SchedFIFO || p == specs.SchedRR }

// scheduler checks process.scheduler. What only the kernel can judge, such as
// whether a deadline can be met, is left to it.
func scheduler(s *specs.Spec) error {
	const field = "process.scheduler"
	o := s.Process.Scheduler
	if o == nil {
		return nil
	}
	switch {
	case o.Policy == "":
		return fault.Field(field+".policy", "is missing")
	case !slices.Contains(policies[:], o.Policy):
		return fault.Field(field+".policy", "%q is no policy of sched(7)", o.Policy)
	case o.Nice < -20 || o.Nice > 19:
		return fault.Field(field+".nice", "%d is not in -20…19", o.Nice)
	case realtime(o.Policy) && (o.Priority < 1 || o.Priority > 99):
		return fault.Field(field+".priority", "%d is not in 1…99, as %s needs it", o.Priority, o.Policy)
	case !realtime(o.Policy) && o.Priority != 0:
		return fault.Field(field+".priority", "%d: only SCHED_FIFO and SCHED_RR have one", o.Priority)
	case o.Policy != specs.SchedDeadline && (o.Runtime != 0 || o.Deadline != 0 || o.Period != 0):
		return fault.Field(field, "runtime, deadline and period belong to SCHED_DEADLINE, not to %s", o.Policy)
	}
	for i, f := range o.Flags {
		if !slices.Contains(schedFlags[:], f) {
			return fault.Field(fmt.Sprintf("%s.flags[%d]", field, i), "%q is no flag of sched_setattr(2)", f)
		}
	}
	return nil
}

func schedAttr(o *specs.Scheduler) unix.SchedAttr {
	a := unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: uint32(slices.Index(policies[:], o.Policy)), Nice: o.Nice, Priority: uint32(o.Priority),
		Runtime: o.Runtime, Deadline: o.Deadline, Period: o.Period,
	}
	for _, f := range o.Flags {
		a.Flags |= 1 << slices.Index(schedFlags[:], f)
	}
	return a
}

// ioClasses are at their kernel's numbers, ioprio_set(2); 0 is none.
var ioClasses = [...]specs.IOPriorityClass{1: specs.IOPRIO_CLASS_RT, specs.IOPRIO_CLASS_BE, specs.IOPRIO_CLASS_IDLE}

// ioPriority checks process.ioPriority.
func ioPriority(s *specs.Spec) error {
	const field = "process.ioPriority"
	o := s.Process.IOPriority
	switch {
	case o == nil:
	case o.Class == "":
		return fault.Field(field+".class", "is missing")
	case !slices.Contains(ioClasses[:], o.Class):
		return fault.Field(field+".class", "%q is no class of ioprio_set(2)", o.Class)
	case o.Priority < 0 || o.Priority > 7:
		return fault.Field(field+".priority", "%d is not in 0…7", o.Priority)
	}
	return nil
}

// Of ioprio_set(2), of which x/sys has nothing.
const (
	ioprioWhoProcess = 1
	ioprioClassShift = 13
)

// ranks says what this process is to both schedulers. powerless says that it
// has lost what the caller may, by a user namespace or by giving it up: the
// parent does it then, if that may more than anybody.
func (c *compiler) ranks(powerless bool) []Action {
	var actions []Action
	outside := powerless && !c.host.Userns && c.host.Caps&(1<<unix.CAP_SYS_NICE) != 0
	if o := c.spec.Process.Scheduler; o != nil {
		const field = "process.scheduler"
		c.idleSettings(o)
		attr := schedAttr(o)
		if outside {
			actions = append(actions, Action{Field: field, Text: "sched_setattr(CHILD, " + clone.SchedText(&attr) + ")", Do: func(pid int) error {
				if err := unix.SchedSetAttr(pid, &attr, 0); err != nil {
					return fault.Op(err, "sched_setattr(%s)", o.Policy)
				}
				return nil
			}})
		} else {
			c.p.Begin(field, string(o.Policy))
			c.p.Call(unix.SYS_SCHED_SETATTR, clone.Num(0), c.p.Data(clone.Bytes(&attr)), clone.Num(0))
		}
	}
	if o := c.spec.Process.IOPriority; o != nil {
		const field = "process.ioPriority"
		// The process is alone in its group as yet, and what it forks inherits it.
		value := slices.Index(ioClasses[:], o.Class)<<ioprioClassShift | o.Priority
		if outside {
			actions = append(actions, Action{Field: field, Text: fmt.Sprintf("ioprio_set(IOPRIO_WHO_PROCESS, CHILD, %s)", clone.IOPrioText(value)), Do: func(pid int) error {
				if _, _, e := unix.Syscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, uintptr(pid), uintptr(value)); e != 0 {
					return fault.Op(e, "ioprio_set(%s)", o.Class)
				}
				return nil
			}})
		} else {
			c.p.Begin(field, string(o.Class))
			c.p.Call(unix.SYS_IOPRIO_SET, clone.Num(ioprioWhoProcess), clone.Num(0), clone.Num(value))
		}
	}
	return actions
}

// idleSettings warns of what the kernel does not look at, sched(7).
func (c *compiler) idleSettings(o *specs.Scheduler) {
	if o.Nice != 0 && o.Policy != specs.SchedOther && o.Policy != specs.SchedBatch {
		c.plan.Warnings = append(c.plan.Warnings, fmt.Sprintf("process.scheduler.nice: has no effect with %s", o.Policy))
	}
	if slices.Contains(o.Flags, specs.SchedFlagKeepPolicy) {
		c.plan.Warnings = append(c.plan.Warnings, "process.scheduler.policy: has no effect with SCHED_FLAG_KEEP_POLICY")
	}
}

// execCPUAffinity checks the lists that exec goes by.
func execCPUAffinity(s *specs.Spec) error {
	a := s.Process.ExecCPUAffinity
	if a == nil {
		return nil
	}
	for _, l := range []struct{ field, list string }{{"process.execCPUAffinity.initial", a.Initial}, {"process.execCPUAffinity.final", a.Final}} {
		words, err := bitmap(l.list, maxCPU)
		if err != nil {
			return &fault.Error{Field: l.field, Err: err}
		}
		if l.list != "" && len(words) == 0 {
			return fault.Field(l.field, "%q names no CPU", l.list)
		}
	}
	return nil
}

// allCPUs lets the process run on every processor that its cgroup has, as runc does since
// 1.3.1, whatever the caller was bound to: a mask that is inherited would hold against
// what the cgroup is given later (sched_setaffinity(2), Linux 6.2).
func (c *compiler) allCPUs() {
	c.p.SetsCPUs = true
	c.p.Begin("", "processors")
	c.p.Call(unix.SYS_SCHED_SETAFFINITY, clone.Num(0), clone.Num((maxCPU+1)/8), c.p.Data(bytes.Repeat([]byte{0xff}, (maxCPU+1)/8))).Ignore(unix.EINVAL, unix.EPERM, unix.ENOSYS)
}

// affinity binds the process to the CPUs of a list that has been checked; an
// empty one leaves it where it is.
func (c *compiler) affinity(list, field string) {
	words, _ := bitmap(list, maxCPU) // which execCPUAffinity has read
	if len(words) > 0 {
		c.p.Begin(field, list)
		c.p.Call(unix.SYS_SCHED_SETAFFINITY, clone.Num(0), clone.Num(len(words)*wordBits/8), c.words(words))
	}
}
