// Package plan compiles a config.json into the program that makes the
// container, and the actions of the parent between.
package plan

import (
	"iter"
	"path"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/caps"
	"ocibox/core/cgroup"
	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/idmap"
	"ocibox/core/namespace"
	"ocibox/core/rdt"
	"ocibox/core/seccomp"
)

// Input is what a plan is made from. It is all that the plan depends on.
type Input struct {
	Spec    *specs.Spec
	ID      string
	Bundle  string // absolute
	Home    string // HOME for a process.env without it, or ""
	Host    Host
	Started bool // the process runs at once: no start.sock to wait on
	Unheard bool // nobody has to know Exec's process before it is executed
	// PreserveFDs is how many of the caller's descriptors from 3 up the
	// process inherits.
	PreserveFDs int
	NoKeyring   bool // the process keeps the caller's session keyring
	NoPivot     bool // the root is moved over "/" instead of pivot_root(2)
	// Image, if not nil, has the child execute from another file than the caller,
	// at once.
	Image *clone.Image
	// CgroupManager makes the container's cgroup.
	CgroupManager cgroup.Manager
	// Cgroup is where Exec's process belongs, or nil: in the caller's.
	Cgroup *cgroup.Group
}

// Host is what of the caller and its host matters for a plan.
type Host struct {
	Self    idmap.Self
	Caps    caps.Set // permitted to the caller
	CapLast int      // last capability of the kernel
	Userns  bool     // the caller is not in the initial user namespace
	// NoSetgroups says that setgroups(2) is denied in the caller's user
	// namespace, and so in those below it, user_namespaces(7).
	NoSetgroups bool
	// AppArmor and SELinux say which security module is in force. They are
	// looked for only where the config.json has something for them.
	AppArmor, SELinux bool
	Stdio             [3]Stream
	Nofile            [2]uint64 // RLIMIT_NOFILE, soft and hard, to restore; zero for none
	// Resctrl finds where resctrl is mounted. It is called only for a
	// config.json that asks for it.
	Resctrl func() (string, error)
	Cgroups cgroup.Host
	Systemd *cgroup.Service // that makes the cgroup, or nil
	// Bottom says that pivot_root(2) cannot take the root's mount from its place:
	// it has none below, as an initramfs has not before Linux 7.0. Chrooted says
	// that the root is no mount.
	Bottom, Chrooted bool
	// KernelMounts are where proc and sysfs are mounted, for a NoPivot or Bottom.
	KernelMounts []string
}

// Stream is one of the caller's descriptors 0, 1 and 2.
type Stream struct {
	UID    uint32
	Shared bool // /dev/null, or not open
}

// Plan is a container as a program, with what the parent has to do.
type Plan struct {
	Program *clone.Program
	New     uint64 // CLONE_NEW* flags of the namespaces that are made
	Joins   []Join
	Init    clone.Reg // pidfd of the init whose namespaces Exec joins; 0 without
	Listen  clone.Reg // start.sock, listening; 0 if the process starts at once
	Console clone.Reg // socket that the terminal's master is sent to; 0 without one
	Exe     clone.Reg // file that the child executes from; 0 for the caller's
	Proc    clone.Reg // root of the caller's /proc, which has to be procfs; 0 if it is not needed
	Trees   *Trees    // the opener's program, or nil
	Into    clone.Reg // directory of the version 2 cgroup that the child is born in; 0 without
	Before  []Action  // what the parent does before there is a child
	Stops   []Stop    // where the child waits for the parent, by number
	Later   []Action  // what the parent does once the process runs, and when the container is deleted
	// HookOutput takes the files for the output of the hooks that the child
	// runs; 0 for those without an annotation.
	HookOutput [2]clone.Reg
	// CloneField is what asks for the child's namespaces, "" for linux.namespaces.
	CloneField string
	Warnings   []string
	Config     []byte          // config.json as it was read, if it was
	Bundle     string          // absolute path of the bundle
	RootFS     string          // absolute path of the container's root on the host
	Paths      []string        // what is tried to be executed, in order
	Cgroup     *cgroup.Group   // or nil: the caller's
	Rdt        *rdt.Group      // or nil
	Seccomp    *seccomp.Filter // or nil
	Listener   *Listener       // of that filter, or nil
}

// Join is a namespace that the container shares.
type Join struct {
	Field string
	Kind  *namespace.Kind
	Path  string
	Reg   clone.Reg
	// NotOwn is the field for which it must not be the caller's own namespace,
	// or "".
	NotOwn string
}

// Stop is a wait of the child, and what the parent does meanwhile. The last one
// is where the container is created.
type Stop struct {
	Quiet   bool // the child does not say that it is there: it is at once
	Trees   bool // the opener starts after the actions, and is waited for once the child goes on
	Actions []Action
}

// Action is something that the parent does.
type Action struct {
	Field, Text string
	Lines       iter.Seq2[string, string] // instead, of which many are made: a field and a text each
	Do          func(pid int) error
	Hook        *Hook // instead: a hook to run
	Listener    bool  // instead: Plan.Listener.Fill
	// Undo, if not nil, takes back what Do has done.
	Undo func() error
	// Close, if not nil, lets go of what Undo needs.
	Close func()
}

// RootFS is the absolute path of the root that the config.json of bundle names.
func RootFS(s *specs.Spec, bundle string) string {
	if path.IsAbs(s.Root.Path) {
		return s.Root.Path
	}
	return path.Join(bundle, s.Root.Path)
}

type compiler struct {
	plan      *Plan
	p         *clone.Program
	spec      *specs.Spec
	in        Input
	host      Host
	caps      caps.Sets
	new       uint64 // CLONE_NEW* flags of the namespaces to make
	joined    uint64 // of those to join
	newUser   bool
	setgroups bool
	limits    []cgroup.Limit
	devices   []cgroup.DeviceRule
	forks     bool
	hidden    bool
	mapped    bool // the child waits for its maps before what comes now
	maps      idmap.Plan
	uids      []specs.LinuxIDMapping // of the process's user namespace, nil for the caller's
	late      bool                   // what is made is to fork once more: Exec
	nproc     uint64                 // hard RLIMIT_NPROC of the caller, if late
	tty       clone.Reg
	proc      clone.Reg // procfs to write to; 0 if there is nothing to write

	writesCgroups bool // a mount of type cgroup is not read-only
}

// Compile checks the config.json and makes the plan. It does not touch the
// system.
func Compile(in Input) (*Plan, error) {
	if err := Validate(in.Spec); err != nil {
		return nil, err
	}
	root := RootFS(in.Spec, in.Bundle)
	p := clone.New()
	p.Preserve = in.PreserveFDs
	c := &compiler{plan: &Plan{Program: p, Bundle: in.Bundle, RootFS: root}, p: p, spec: in.Spec, host: in.Host, in: in}
	c.shelter()
	c.allCPUs()
	if err := c.resolve(); err != nil {
		return nil, err
	}
	list, err := c.readFiles()
	if err != nil {
		return nil, err
	}
	if c.needsProc() && c.userns() {
		c.plan.Proc = p.Inherit("proc")
	}
	if err := c.findCgroup(); err != nil {
		return nil, err
	}
	list.mounts = c.viewCgroups(list.mounts)
	if err := c.findRdt(); err != nil {
		return nil, err
	}
	if in.Spec.Process.Terminal {
		c.plan.Console = p.Inherit("console")
	}
	if !in.Started {
		c.plan.Listen = p.Inherit("start.sock")
	}
	if err := c.readSeccomp(specs.State{Version: in.Spec.Version, ID: in.ID, Status: specs.StateCreating, Bundle: in.Bundle, Annotations: in.Spec.Annotations}); err != nil {
		return nil, err
	}
	c.labelMounts(list.mounts)
	c.hookOutput()
	c.enter(list.prop)
	c.fileSystem(root, list)
	c.finish()
	c.plan.Later = append(hookActions(c.spec, Poststart), hookActions(c.spec, Poststop)...)
	return c.plan, nil
}

// resolve settles what depends on several fields.
func (c *compiler) resolve() error {
	linux := c.spec.Linux
	if linux == nil {
		linux = &specs.Linux{}
		c.spec.Linux = linux
	}
	for i, n := range linux.Namespaces {
		k := namespace.ByType(n.Type)
		if n.Path == "" {
			c.new |= k.Flag
			continue
		}
		c.joined |= k.Flag
		c.plan.Joins = append(c.plan.Joins, Join{Field: fault.At("linux.namespaces", i), Kind: k, Path: n.Path, Reg: c.p.Inherit("ns." + k.Proc)})
	}
	c.ownJoins()
	c.plan.New = c.new
	c.newUser = c.new&unix.CLONE_NEWUSER != 0
	// unshare(2) moves only the children into a pid or time namespace.
	const forChildren = unix.CLONE_NEWPID | unix.CLONE_NEWTIME
	c.forks = (len(c.plan.Joins) > 0 || c.shifts() || c.locks()) && (c.new&(unix.CLONE_NEWUSER|forChildren) != 0 || c.joined&unix.CLONE_NEWPID != 0)
	if err := c.modules(); err != nil {
		return err
	}
	c.grant()
	c.setgroups = !c.host.NoSetgroups
	if c.joined&unix.CLONE_NEWUSER != 0 && len(linux.UIDMappings)+len(linux.GIDMappings) > 0 {
		c.plan.Warnings = append(c.plan.Warnings, "linux.uidMappings, linux.gidMappings: have no effect: the user namespace that is joined has its own")
	}
	if !c.newUser {
		return c.groups()
	}
	maps, err := idmap.For(linux.UIDMappings, linux.GIDMappings, c.host.Self)
	if err != nil {
		return err
	}
	c.maps, c.uids = maps, linux.UIDMappings
	if maps.DenySetgroups {
		c.setgroups = false
	}
	return c.groups()
}

// grant settles the capabilities, of which there may be fewer than asked for.
func (c *compiler) grant() {
	have := c.host.Caps
	if (c.new|c.joined)&unix.CLONE_NEWUSER != 0 {
		// Whoever is first in a user namespace, or joins it, has all there.
		have = caps.All(c.host.CapLast)
	}
	var warnings []string
	c.caps, warnings = caps.Read(c.spec.Process.Capabilities, have)
	c.plan.Warnings = append(c.plan.Warnings, warnings...)
}

// groups checks that supplementary groups can be set where some are asked for.
func (c *compiler) groups() error {
	switch {
	case len(c.spec.Process.User.AdditionalGids) == 0:
		return nil
	case c.keepsGroups():
		c.plan.Warnings = append(c.plan.Warnings, "process.user.additionalGids: has no effect with the annotation "+keepGroups)
		return nil
	case c.setgroups:
		return nil
	}
	return fault.Field("process.user.additionalGids", "cannot be set: setgroups(2) is denied in a user namespace whose gid map was made without privilege").WithHint("map more groups with newgidmap, or leave additionalGids out")
}

// names sets what the namespaces of their own hold.
func (c *compiler) names() {
	p := c.p
	for _, n := range []struct {
		field, name string
		nr          uintptr
	}{{"hostname", c.spec.Hostname, unix.SYS_SETHOSTNAME}, {"domainname", c.spec.Domainname, unix.SYS_SETDOMAINNAME}} {
		if n.name != "" {
			p.Begin(n.field, "")
			p.Call(n.nr, p.Str(n.name), clone.Num(len(n.name)))
		}
	}
	if c.new&unix.CLONE_NEWNET != 0 {
		p.Begin("linux.namespaces", "lo")
		loopback(p)
	}
}

// sweep makes sure of the descriptors. It comes before identity, which may load
// a filter that does not know the call yet.
func (c *compiler) sweep() {
	c.p.Begin("", "")
	c.p.Sweep()
}

// finish makes the process what it is to be, and executes it.
func (c *compiler) finish() {
	p := c.p
	if c.spec.Process.Terminal {
		c.takeTerminal()
	} else {
		c.stdio()
	}
	c.sysctls()
	c.rlimits()
	c.setPersonality()
	c.setMemoryPolicy()
	actions := c.ranks((c.new|c.joined)&unix.CLONE_NEWUSER != 0)
	c.execLabels()
	c.shutProc()
	c.find()
	c.sweep()
	c.identity()
	p.Begin("", "")
	if !c.newUser {
		actions = append(actions, c.parentOOMScoreAdj()...)
	}
	actions = append(append(actions, c.enterRdt(false)...), c.restrictDevices()...)
	if !c.privileged() {
		actions = append(actions, c.tellListener()...)
	}
	c.rendezvous(false, append(actions, Action{Text: "write state.json: the container is created"})...)
	if c.plan.Listen != 0 {
		p.Begin("", "start")
		p.Accept(c.plan.Listen, p.Reg("starter"))
	}
	c.startHooks()
	c.nofile()
	c.loadLate()
	c.exec()
}
