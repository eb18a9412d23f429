package plan

import (
	"fmt"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/idmap"
	"ocibox/core/mounts"
)

// Target is a container that one more process is to be executed in.
type Target struct {
	Joins  uint64 // CLONE_NEW* of its namespaces that are to be joined
	RootFS string // absolute path of its root on the host
	// UIDs, GIDs and NoSetgroups are those of its user namespace, if that is
	// among Joins: its maps as the caller sees them, uid_map(5), and whether
	// setgroups(2) is denied in it.
	UIDs, GIDs  []specs.LinuxIDMapping
	NoSetgroups bool
	Nproc       uint64 // hard RLIMIT_NPROC of the caller
	// State is the container's, for the agent of a seccomp listener.
	State specs.State
}

// Exec makes the plan of a process that joins a container. in.Spec is the
// container's config.json with that process as its process. It does not touch
// the system.
//
// The child joins all namespaces at once by the init's pidfd, setns(2), and is
// made the process to come while it still is outside the pid namespace. Only
// then it goes in, by a fork: nobody in the container ever sees a process with
// more power than that (CVE-2016-9962), and no directory but the container's own
// is open in it (CVE-2024-21626).
func Exec(in Input, t Target) (*Plan, error) {
	if err := Validate(in.Spec); err != nil {
		return nil, err
	}
	if in.Spec.Linux == nil {
		in.Spec.Linux = &specs.Linux{}
	}
	p := clone.New()
	p.Preserve = in.PreserveFDs
	c := &compiler{plan: &Plan{Program: p, Bundle: in.Bundle, RootFS: t.RootFS}, p: p, spec: in.Spec, host: in.Host, in: in}
	c.shelter()
	c.joined, c.late, c.nproc = t.Joins, t.Joins&unix.CLONE_NEWPID != 0, t.Nproc
	c.setgroups = !in.Host.NoSetgroups
	if t.Joins&unix.CLONE_NEWUSER != 0 {
		if err := t.ids(in.Spec.Process.User); err != nil {
			return nil, err
		}
		c.uids, c.setgroups = t.UIDs, !t.NoSetgroups
	}
	if err := c.modules(); err != nil {
		return nil, err
	}
	c.grant()
	if err := c.groups(); err != nil {
		return nil, err
	}
	if err := c.findRdt(); err != nil {
		return nil, err
	}
	if c.labelled() {
		// Nobody in the container can mount over the caller's.
		c.plan.Proc = p.Inherit("proc")
		c.proc = c.plan.Proc
	}
	if err := c.readSeccomp(t.State); err != nil {
		return nil, err
	}
	if in.Spec.Process.Terminal {
		c.plan.Console = p.Inherit("console")
	}
	if t.Joins != 0 {
		c.plan.Init = p.Inherit("init")
	}
	// Up to its execve the child does well on the caller's processor: the caller only waits,
	// and to go to another one is work. Before a filter the call is allowed, and a deadline
	// takes all processors, sched(7).
	late := in.Spec.Process.ExecCPUAffinity == nil && in.Spec.Process.Scheduler == nil && !c.privileged()
	if !late {
		c.allCPUs()
	}
	c.plan.Cgroup = in.Cgroup
	c.joinCgroup()
	c.joinContainer(t)
	c.become()
	c.goIn()
	if late {
		c.allCPUs()
	}
	c.loadLate()
	c.exec()
	return c.plan, nil
}

// ids checks that the container's user namespace has the ids of the process.
func (t Target) ids(u specs.User) error {
	check := func(field string, id uint32, m []specs.LinuxIDMapping) error {
		if _, ok := idmap.HostID(m, id); ok {
			return nil
		}
		var lines []string
		for _, r := range m {
			lines = append(lines, fmt.Sprint(r.ContainerID, r.HostID, r.Size))
		}
		return fault.Field(field, "%d is not in the map of the container's user namespace: %s", id, strings.Join(lines, ", "))
	}
	if err := check("process.user.uid", u.UID, t.UIDs); err != nil {
		return err
	}
	if err := check("process.user.gid", u.GID, t.GIDs); err != nil {
		return err
	}
	for i, g := range u.AdditionalGids {
		if err := check(fault.At("process.user.additionalGids", i), g, t.GIDs); err != nil {
			return err
		}
	}
	return nil
}

// joinContainer brings the child into all but the pid namespace, which only
// its children will be in, and into the root.
func (c *compiler) joinContainer(t Target) {
	p := c.p
	if a := c.spec.Process.ExecCPUAffinity; a != nil {
		c.affinity(a.Initial, "process.execCPUAffinity.initial")
	}
	c.oomScoreAdj()
	c.hide()
	var outer clone.Reg
	if t.Joins&unix.CLONE_NEWNS == 0 {
		p.Begin("root.path", t.RootFS)
		outer = mounts.OpenRoot(p, t.RootFS, "rootfs")
	}
	if t.Joins != 0 {
		p.Begin("linux.namespaces", "")
		p.Call(unix.SYS_SETNS, clone.In(c.plan.Init), clone.Num(uintptr(t.Joins)))
		p.Call(unix.SYS_CLOSE, clone.In(c.plan.Init))
		c.undumpable()
	}
	c.becomeRoot()
	if outer != 0 {
		p.Begin("root.path", t.RootFS)
		mounts.Chroot(p, outer)
		p.Call(unix.SYS_CLOSE, clone.In(outer))
	}
}

// become makes the child the process to come, with what is left to the parent.
func (c *compiler) become() {
	p, proc := c.p, c.spec.Process
	if !c.in.NoKeyring {
		c.keyLabel()
		c.keyring(c.in.ID)
	}
	p.Begin("process.cwd", proc.Cwd)
	root := mounts.OpenRoot(p, "/", "root")
	cwd := p.Reg("cwd")
	p.OpenIn(root, proc.Cwd, clone.MustExist, 0, unix.O_PATH|unix.O_DIRECTORY, 0, cwd)
	p.Call(unix.SYS_FCHDIR, clone.In(cwd))
	p.Call(unix.SYS_CLOSE, clone.In(cwd))
	if proc.Terminal {
		c.terminal(root)
	} else {
		c.stdio()
	}
	p.Begin("", "")
	p.Call(unix.SYS_CLOSE, clone.In(root))
	c.rlimits()
	c.setPersonality()
	c.setMemoryPolicy()
	c.execLabels()
	c.shutProc()
	if !c.privileged() {
		c.identity()
	}
}

// goIn enters the pid namespace. A filter that is loaded with privileges may forbid the
// fork: then the process gives them up only inside, hidden from all there that may not
// look at any process of its user namespace, ptrace(2).
func (c *compiler) goIn() {
	p := c.p
	if c.late {
		p.Begin("linux.namespaces", "")
		p.Fork(unix.CLONE_PARENT)
	}
	p.Begin("", "")
	p.Call(unix.SYS_SETSID)
	if c.spec.Process.Terminal {
		c.takeTerminal()
	}
	c.sweep()
	if c.privileged() {
		c.identity()
		p.Begin("", "")
	}
	// Not before the fork: a scheduler may forbid it, or forget what it was told.
	actions := append(c.ranks(true), c.enterRdt(true)...)
	if a := c.spec.Process.ExecCPUAffinity; a != nil {
		c.affinity(a.Final, "process.execCPUAffinity.final")
	}
	if !c.privileged() {
		actions = append(actions, c.tellListener()...)
	}
	if len(actions) > 0 || !c.in.Unheard {
		c.rendezvous(false, append(actions, Action{Text: "make the process's pid known"})...)
	}
	if c.late {
		c.rlimit(unix.RLIMIT_NPROC)
	}
	c.nofile()
}
