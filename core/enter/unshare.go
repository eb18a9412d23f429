package enter

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/idmap"
	"ocibox/core/mounts"
	"ocibox/core/namespace"
	"ocibox/core/plan"
)

// New is what namespaces a program gets of its own, and as what it is to run
// there.
type New struct {
	Command
	Flags uint64            // CLONE_NEW* of the namespaces
	Bound []Bound           // files that keep namespaces
	Fork  bool              // the program is a child of the one that unshares: init of a new pid namespace
	Kill  unix.Signal       // sent to the program when this process ends, 0 for none; with Fork
	Pass  bool              // SIGINT and SIGTERM go to the program; with Fork
	Users Maps              // uids
	Group Maps              // gids
	Owner *[2]uint32        // uid and gid that the user namespace is to belong to
	Deny  *bool             // whether setgroups(2) is denied; nil for what the maps make necessary
	Prop  string            // private, shared, slave or unchanged
	Clock map[string]*int64 // offsets in seconds, by the name of the clock

	Proc   string // where a proc is mounted, "" for none
	Binfmt string // where a binfmt_misc is mounted, "" for none
	Interp string // what is registered there
	Root   string
	Dir    string

	UID, GID ID
	KeepCaps bool
}

// Maps is how the ids of one side are mapped.
type Maps struct {
	One    *uint32 // what the caller's own id is inside
	Ranges []specs.LinuxIDMapping
	Option string // what asked for them, for errors
}

// Bound is a namespace that a file is to keep.
type Bound struct {
	Kind *namespace.Kind
	Path string
}

// binfmtDir is where everybody mounts binfmt_misc.
const binfmtDir = "/proc/sys/fs/binfmt_misc"

// newer compiles a New.
type newer struct {
	New
	*Job
	self idmap.Self
	maps idmap.Plan
}

// Prepare makes the job. Nothing is changed by it.
func (o New) Prepare() (*Job, error) {
	n := &newer{New: o, Job: newJob(), self: idmap.Current()}
	err := o.check()
	if err == nil {
		err = n.prepare()
	}
	if err != nil {
		n.Close()
		return nil, err
	}
	return n.Job, nil
}

func (o New) check() error {
	if err := o.Command.check(); err != nil {
		return err
	}
	if len(o.Clock) > 0 && o.Flags&unix.CLONE_NEWTIME == 0 {
		return fault.Op(nil, "--monotonic and --boottime: they take a time namespace of its own, --time")
	}
	if o.Deny != nil && o.Flags&unix.CLONE_NEWUSER == 0 {
		return fault.Op(nil, "--setgroups: it takes a user namespace of its own, --user")
	}
	if o.Deny != nil && !*o.Deny && o.Group.One != nil && len(o.Group.Ranges) == 0 {
		return fault.Op(nil, "--setgroups allow and %s exclude each other", o.Group.Option)
	}
	return nil
}

func (n *newer) prepare() error {
	if err := n.readMaps(); err != nil {
		return err
	}
	p := n.p
	n.flags = n.Flags
	n.plan.CloneField = "unshare"
	// Made by the child itself: what only its children, or its next program,
	// come into; all, where it is somebody else by then.
	inside, forkFlags := n.Flags&unix.CLONE_NEWTIME, uint64(0)
	forks := n.Fork && inside != 0
	if n.Owner != nil {
		inside, forks = n.Flags, n.Fork && n.Flags&(unix.CLONE_NEWPID|unix.CLONE_NEWTIME) != 0
	}
	switch pid := n.Flags & unix.CLONE_NEWPID; {
	case !n.Fork:
		inside |= pid
	case forks:
		forkFlags = pid
		inside &^= pid
	}
	p.Flags = n.Flags &^ inside &^ forkFlags
	if n.Owner != nil {
		n.become(*n.Owner)
	}
	if inside != 0 {
		p.Begin("unshare", "")
		p.Call(unix.SYS_UNSHARE, clone.Num(uintptr(inside)))
	}
	quiet := inside == 0
	actions := n.mapActions()
	if !forks {
		actions = append(actions, n.bindActions()...)
	}
	if len(actions) > 0 {
		p.Begin("", "")
		n.stop(quiet, actions...)
	}
	n.clocks()
	if forks {
		p.Begin("--fork", "")
		p.Fork(unix.CLONE_PARENT | forkFlags)
		if actions := n.bindActions(); len(actions) > 0 {
			p.Begin("", "")
			n.stop(false, actions...)
		}
	}
	n.fileSystem()
	if n.GID.Given {
		p.Begin("--setgid", "")
		p.Call(clone.SysSetgroups, clone.Num(0), clone.Num(0))
		gid := clone.Num(n.GID.N)
		p.Call(clone.SysSetresgid, gid, gid, gid)
	}
	if n.UID.Given {
		p.Begin("--setuid", "")
		uid := clone.Num(n.UID.N)
		p.Call(clone.SysSetresuid, uid, uid, uid)
	}
	if n.KeepCaps && n.Flags&unix.CLONE_NEWUSER != 0 {
		p.Begin("--keep-caps", "")
		p.RaiseAmbient()
	}
	switch {
	case !n.Fork:
		p.Begin("", "")
		p.DieWithParent(unix.SIGKILL)
	case n.Kill != 0:
		p.Begin("--kill-child", "")
		p.DieWithParent(n.Kill)
		fallthrough
	default:
		n.signals = spareUs
		if n.Pass {
			n.signals = forwardTwo
		}
	}
	n.run(n.Command)
	n.hint = n.explainNew
	return nil
}

// become makes the child somebody else, to whom the user namespace belongs.
func (n *newer) become(owner [2]uint32) {
	p := n.p
	p.Begin("--owner", "")
	uid, gid := clone.Num(owner[0]), clone.Num(owner[1])
	p.Call(clone.SysSetgroups, clone.Num(0), clone.Num(0))
	p.Call(clone.SysSetresgid, gid, gid, gid)
	p.Call(clone.SysSetresuid, uid, uid, uid)
}

// ranges are those of one side: the caller's own id has a place of its own there.
func (m Maps) ranges(own uint32) []specs.LinuxIDMapping {
	if m.One == nil {
		return m.Ranges
	}
	return idmap.Punch(m.Ranges, *m.One, own)
}

// readMaps decides how the ids are mapped. Where only the caller's own gid is, as
// a process in the namespace could do it by itself, setgroups(2) is denied, also
// for root, as util-linux has it.
func (n *newer) readMaps() error {
	maps, err := idmap.ForEither(n.Users.ranges(n.self.EUID), n.Group.ranges(n.self.EGID), n.self)
	if err != nil {
		return mapWords(n.Users.Option, n.Group.Option)(err)
	}
	if n.Group.One != nil && len(n.Group.Ranges) == 0 && n.Owner == nil {
		maps.DenySetgroups = true
	}
	if n.Deny != nil && *n.Deny {
		maps.DenySetgroups = true
	}
	n.maps = maps
	return nil
}

// mapActions write the maps, from outside.
func (n *newer) mapActions() []plan.Action {
	var actions []plan.Action
	words := mapWords(n.Users.Option, n.Group.Option)
	for _, s := range n.maps.Steps() {
		field := n.Users.Option
		if s.Field == "linux.gidMappings" {
			field = n.Group.Option
		}
		if field == "" {
			field = "--setgroups"
		}
		actions = append(actions, plan.Action{Field: field, Text: s.Text})
	}
	if len(actions) > 0 {
		// They are one thing to do, which tells by itself which failed.
		actions[len(actions)-1].Do = func(pid int) error { return words(n.maps.Write(pid)) }
	}
	return actions
}

// clocks sets the clocks of a new time namespace, before anybody is in it.
func (n *newer) clocks() {
	p := n.p
	for _, clock := range []string{"boottime", "monotonic"} {
		offset := n.Clock[clock]
		if offset == nil {
			continue
		}
		text := fmt.Sprintf("%s %d 0", clock, *offset)
		file := p.Reg("timens_offsets")
		p.Begin("--"+clock, "")
		p.Call(unix.SYS_OPENAT, clone.Cwd, p.Str("/proc/self/timens_offsets"), clone.Num(unix.O_WRONLY|unix.O_CLOEXEC)).Save(file)
		p.Call(unix.SYS_WRITE, clone.In(file), p.Str(text), clone.Num(len(text)))
		p.Call(unix.SYS_CLOSE, clone.In(file))
	}
}

// bindActions have files keep the namespaces. This process is in the mount
// namespace in which they are to be found.
func (n *newer) bindActions() []plan.Action {
	var actions []plan.Action
	for _, b := range n.Bound {
		name := b.Kind.Proc
		if b.Kind.Flag&(unix.CLONE_NEWPID|unix.CLONE_NEWTIME) != 0 {
			name += "_for_children"
		}
		actions = append(actions, plan.Action{
			Field: option(b.Kind),
			Text:  fmt.Sprintf("bind /proc/CHILD/ns/%s to %s", name, b.Path),
			Do:    func(pid int) error { return b.bind(fmt.Sprintf("/proc/%d/ns/%s", pid, name)) },
			Undo: func() error {
				if err := unix.Unmount(b.Path, unix.MNT_DETACH); err != nil {
					return fault.Op(err, "unmount %s", b.Path)
				}
				return nil
			},
		})
	}
	return actions
}

func (b Bound) bind(from string) error {
	tree, err := unix.OpenTree(unix.AT_FDCWD, from, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err == nil {
		defer unix.Close(tree)
		err = unix.MoveMount(tree, "", unix.AT_FDCWD, b.Path, unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_SYMLINKS)
	}
	if err == nil {
		return nil
	}
	e := fault.Op(err, "bind %s to %s", from, b.Path)
	var st unix.Stat_t
	switch {
	case errors.Is(err, unix.ENOENT) && !procfs():
		return withoutProc(e)
	case errors.Is(err, unix.ENOENT) && unix.Stat(b.Path, &st) == unix.ENOENT:
		return e.WithHint("there has to be a file: touch %s", b.Path)
	case errors.Is(err, unix.ENOENT) && b.Kind.Flag == unix.CLONE_NEWPID:
		return e.WithHint("nobody is in the pid namespace yet: --fork has the program be its init")
	case errors.Is(err, unix.EPERM) && noCap(unix.CAP_SYS_ADMIN):
		return e.WithHint("it takes CAP_SYS_ADMIN in the user namespace of the mount namespace, which the caller has not")
	case errors.Is(err, unix.ELOOP) && b.Kind.Flag == unix.CLONE_NEWNS:
		// A mount namespace may only be kept in an older one, so that no two keep
		// each other. Linux 6.18 goes by numbers that each CPU gives out for itself.
		own, mine := numberOf("/proc/self/ns/mnt"), numberOf(from)
		if own >= mine && mine != 0 {
			return e.WithHint("the kernel takes the new mount namespace, number %d, for one older than the caller's, number %d: taskset can have it made on another CPU", mine, own)
		}
	case errors.Is(err, unix.EINVAL) && b.Kind.Flag == unix.CLONE_NEWNS:
		if at := sharedMount(b.Path); at != "" {
			return e.WithHint("%s is a shared mount, from which the new mount namespace would get itself: mount --bind DIR DIR and mount --make-private DIR make a place for it", at)
		}
	}
	return e
}

// numberOf is a namespace's number, or 0 if it cannot be told.
func numberOf(file string) uint64 {
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	n, err := namespace.Number(fd)
	if err != nil {
		return 0
	}
	return n
}

// sharedMount is the mount that a file is on, if that is shared with others,
// mount_namespaces(7).
func sharedMount(file string) string {
	abs, err := os.Readlink("/proc/self/cwd")
	if err != nil {
		return ""
	}
	if !path.IsAbs(file) {
		file = path.Join(abs, file)
	}
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	at, shared := "", false
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		const point, optional = 4, 6
		if len(f) <= optional {
			continue
		}
		dir := strings.TrimSuffix(f[point], "/") + "/"
		// The last of those that cover it counts.
		if strings.HasPrefix(file, dir) && len(f[point]) >= len(at) {
			at, shared = f[point], slices.ContainsFunc(f[optional:], func(w string) bool { return strings.HasPrefix(w, "shared:") })
		}
	}
	if !shared {
		return ""
	}
	return at
}

// fileSystem sets what the program sees of mounts and directories.
func (n *newer) fileSystem() {
	p := n.p
	if n.Flags&unix.CLONE_NEWNS != 0 && n.Prop != "unchanged" {
		p.Begin("--propagation", n.Prop)
		propagate(p, "/", n.Prop)
	}
	// With F the kernel opens the interpreter at once: by its path out here.
	early := n.Interp != "" && n.Root != "" && strings.Contains(n.Interp[strings.LastIndex(n.Interp, ":")+1:], "F")
	if early {
		p.Begin("--load-interp", "")
		mountAt(p, "binfmt_misc", binfmtDir)
		register(p, binfmtDir, n.Interp)
	}
	if n.Root != "" {
		p.Begin("--root", n.Root)
		p.Call(unix.SYS_CHROOT, p.Str(n.Root))
		if n.Dir == "" {
			p.Call(unix.SYS_CHDIR, p.Str("/"))
		}
	}
	if n.Dir != "" {
		p.Begin("--wd", n.Dir)
		p.Call(unix.SYS_CHDIR, p.Str(n.Dir))
	}
	if n.Proc != "" {
		p.Begin("--mount-proc", n.Proc)
		if n.Root == "" && n.Prop != "private" {
			// Else it would get out. Where nothing is mounted, EINVAL, there is
			// nothing to keep apart.
			propagate(p, n.Proc, "private").Ignore(unix.EINVAL)
		}
		mountAt(p, "proc", n.Proc)
	}
	if n.Binfmt != "" {
		p.Begin("--mount-binfmt", n.Binfmt)
		mountAt(p, "binfmt_misc", n.Binfmt)
		if n.Interp != "" && !early {
			p.Begin("--load-interp", "")
			register(p, n.Binfmt, n.Interp)
		}
	}
}

func propagate(p *clone.Program, dir, kind string) *clone.Insn {
	attr := unix.MountAttr{Propagation: map[string]uint64{"private": unix.MS_PRIVATE, "shared": unix.MS_SHARED, "slave": unix.MS_SLAVE}[kind]}
	return p.Call(unix.SYS_MOUNT_SETATTR, clone.Cwd, p.Str(dir), clone.Num(unix.AT_RECURSIVE), p.Data(clone.Bytes(&attr)), clone.Num(unix.MOUNT_ATTR_SIZE_VER0))
}

// mountAt mounts a new file system of the kernel's own.
func mountAt(p *clone.Program, kind, dir string) {
	fs := mounts.FileSystem{Type: kind, Source: kind, Attr: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC}
	m := fs.Make(p)
	p.Call(unix.SYS_MOVE_MOUNT, clone.In(m), p.Str(""), clone.Cwd, p.Str(dir), clone.Num(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_SYMLINKS))
	p.Call(unix.SYS_CLOSE, clone.In(m))
}

func register(p *clone.Program, dir, interp string) {
	file := p.Reg("register")
	p.Call(unix.SYS_OPENAT, clone.Cwd, p.Str(dir+"/register"), clone.Num(unix.O_WRONLY|unix.O_CLOEXEC)).Save(file)
	p.Call(unix.SYS_WRITE, clone.In(file), p.Str(interp), clone.Num(len(interp)))
	p.Call(unix.SYS_CLOSE, clone.In(file))
}

// explainNew says why something failed in the child.
func (n *newer) explainNew(f *clone.Failure) (text, hint string) {
	call, _, _ := strings.Cut(f.Call, "(")
	switch {
	case call == "fsmount" && f.Step.Field == "--mount-proc" && f.Errno == unix.EPERM, call == "fsconfig" && f.Step.Field == "--mount-proc" && f.Errno == unix.EPERM:
		if n.Flags&unix.CLONE_NEWPID == 0 || !n.Fork {
			return "", "a user namespace may mount proc only for a pid namespace of its own: --pid --fork"
		}
		if below := mounts.Below("/proc"); len(below) > 0 {
			return "", fmt.Sprintf("the outer /proc is partly covered, by %s: a user namespace gets no view past that", strings.Join(below, ", "))
		}
	case call == "write" && f.Errno == unix.ERANGE && strings.HasPrefix(f.Step.Field, "--"):
		return "", "the clock would show less than nothing, or more than there is"
	case call == "chroot" && f.Errno == unix.EPERM:
		return "", "it takes CAP_SYS_CHROOT, which --map-root-user or --user gives in a user namespace"
	case f.Step.Field == "--propagation" && f.Errno == unix.EINVAL:
		return "", "/ is not where a mount begins, as in a chroot: --propagation unchanged leaves it"
	}
	return "", ""
}
