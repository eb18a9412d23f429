package enter

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/cgroup"
	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/namespace"
	"ocibox/core/plan"
	"ocibox/core/seal"
)

// Join is what namespaces a program is to enter, and as what it is to run there.
type Join struct {
	Command
	Target int    // a process, or 0 for none
	Inode  uint64 // of its pidfd, if it has to be that, or 0
	All    bool   // of the target's namespaces; those that are the caller's own as far as they may be entered
	Spaces []Space
	// NetSocket is a descriptor of the target, a socket whose network namespace is
	// to be entered; -1 for none.
	NetSocket  int
	UserParent bool // the user namespace that owns the target's, or that of the first of Spaces

	UID, GID    ID
	Preserve    bool // ids and groups stay what they are in a user namespace as well
	KeepGroups  bool // where setgroups(2) is denied, it is no error that groups stay
	KeepCaps    bool
	Root, Dir   Place
	Inside      Place // the working directory, by its path in there
	TargetEnv   bool  // the target's environment
	NoFork      bool
	JoinCgroup  bool
	FollowLabel bool // the target's SELinux label

	// Program is how this one is executed anew.
	Program seal.Program
}

// Space is a namespace to enter.
type Space struct {
	Kind *namespace.Kind
	Path string // a file, ":NUMBER", or "" for the target's
}

// ID is one to set. Follow is that of the target.
type ID struct {
	Given, Follow bool
	N             uint32
}

// Place is a directory. Without a path it is the target's.
type Place struct {
	Given bool
	Path  string
}

// order is that of util-linux: the user namespace in a pass of its own.
var order = [...]uint64{unix.CLONE_NEWCGROUP, unix.CLONE_NEWIPC, unix.CLONE_NEWUTS, unix.CLONE_NEWNET, unix.CLONE_NEWPID, unix.CLONE_NEWNS, unix.CLONE_NEWTIME}

// space is a namespace that is open.
type space struct {
	kind *namespace.Kind
	flag string // option that asked for it
	fd   int
	reg  clone.Reg
	may  bool // the caller is in it already: it does no harm if it cannot be entered
}

// joiner compiles a Join.
type joiner struct {
	Join
	*Job
	pidfd  int
	spaces []*space
}

func (o Join) proc(name string) string { return fmt.Sprintf("/proc/%d/%s", o.Target, name) }

// Prepare opens all that is opened outside, and makes the job.
func (o Join) Prepare() (*Job, error) {
	j := &joiner{Join: o, Job: newJob(), pidfd: -1}
	err := o.check()
	if err == nil {
		err = j.prepare()
	}
	if err != nil {
		j.Close()
		return nil, err
	}
	return j.Job, nil
}

func (j *joiner) prepare() error {
	if err := j.openTarget(); err != nil {
		return err
	}
	if err := j.openSpaces(); err != nil {
		return err
	}
	p := j.p
	j.plan.CloneField = "nsenter"
	pid := j.space(unix.CLONE_NEWPID)
	forks := pid != nil && !j.NoFork
	if forks {
		if err := j.seal(pid); err != nil {
			return err
		}
	}
	root, err := j.open("--root", "root", j.Root)
	if err != nil {
		return err
	}
	dir, err := j.open("--wd", "cwd", j.Dir)
	if err != nil {
		return err
	}
	if j.TargetEnv {
		if err := j.environ(); err != nil {
			return err
		}
	}
	if err := j.joinCgroup(); err != nil {
		return err
	}
	if err := j.followLabel(); err != nil {
		return err
	}
	var owner clone.Reg
	if j.UID.Follow || j.GID.Follow {
		fd, err := unix.Open(j.proc(""), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fault.Op(err, "open %s", j.proc(""))
		}
		owner = j.inherit("target", fd)
	}
	if err := j.sameTarget(); err != nil {
		return err
	}
	user := j.space(unix.CLONE_NEWUSER)
	if forks {
		// What is in there already is not to look into it before it is the program.
		p.Begin("", "")
		p.Call(unix.SYS_PRCTL, clone.Num(unix.PR_SET_DUMPABLE), clone.Num(0))
		j.signals = endsUs
	}
	groups := p.Reg("groups")
	clears := user != nil && !j.Preserve
	if clears {
		p.Begin("--user", "")
		p.Call(clone.SysSetgroups, clone.Num(0), clone.Num(0)).Ignore(unix.EPERM).Save(groups)
		j.UID.Given, j.GID.Given = true, true
	}
	j.join(user)
	j.places(root, dir)
	// By what the user namespace has it for.
	uid, gid := j.id("uid", j.UID, owner, false), j.id("gid", j.GID, owner, true)
	if forks {
		p.Begin("--pid", "")
		p.Fork(unix.CLONE_PARENT)
	}
	if j.GID.Given {
		p.Begin("--setgid", "")
		call := func() *clone.Insn { return p.Call(clone.SysSetgroups, clone.Num(0), clone.Num(0)) }
		if clears {
			// Once is enough: outside, or here.
			call().If(groups, 0).Ignore(unix.EPERM)
			if last := call().Unless(groups, 0); j.KeepGroups {
				last.Ignore(unix.EPERM)
			}
		} else {
			call()
		}
		p.Call(clone.SysSetresgid, gid, gid, gid)
	}
	if j.UID.Given {
		p.Begin("--setuid", "")
		p.Call(clone.SysSetresuid, uid, uid, uid)
	}
	if j.KeepCaps && user != nil {
		p.Begin("--keep-caps", "")
		p.RaiseAmbient()
	}
	if !forks {
		p.Begin("", "")
		p.DieWithParent(unix.SIGKILL)
	}
	j.run(j.Command)
	j.hint = j.explainJoin
	return nil
}

// seal keeps who is in the pid namespace from our own file, which the child shows
// there until it executes the program. Where this process cannot be seen from
// there, it is enough that the child executes from another file.
func (j *joiner) seal(pid *space) error {
	own, err := namespace.Of(os.Getpid(), pid.kind)
	if err != nil {
		return err
	}
	its, err := namespace.IDOf(pid.fd)
	if err != nil {
		return err
	}
	exe, image, err := j.Program.Seal(nil, func() *clone.Image {
		if its == own {
			return nil
		}
		return clone.OwnImage()
	})
	if err != nil || exe < 0 {
		return err
	}
	r := j.p.Sheltered(image, "exe")
	j.fds = append(j.fds, clone.FD{Reg: r, FD: exe})
	j.close = append(j.close, func() { unix.Close(exe) })
	return nil
}

// check refuses what asks for nothing, or for what there is no target for.
func (o Join) check() error {
	if err := o.Command.check(); err != nil {
		return err
	}
	needs := ""
	for _, c := range []struct {
		option string
		needs  bool
	}{
		{"--all", o.All}, {"--net-socket", o.NetSocket >= 0}, {"--root without a DIR", o.Root.Given && o.Root.Path == ""},
		{"--wd without a DIR", o.Dir.Given && o.Dir.Path == ""}, {"--wdns without a DIR", o.Inside.Given && o.Inside.Path == ""},
		{"--env", o.TargetEnv}, {"--setuid follow", o.UID.Follow}, {"--setgid follow", o.GID.Follow},
		{"--join-cgroup", o.JoinCgroup}, {"--follow-context", o.FollowLabel}, {"--user-parent", o.UserParent && len(o.Spaces) == 0},
	} {
		if c.needs {
			needs = c.option
			break
		}
	}
	for _, s := range o.Spaces {
		if s.Path == "" && needs == "" {
			needs = option(s.Kind) + " without a FILE"
		}
	}
	switch {
	case needs != "" && o.Target == 0:
		return fault.Op(nil, "%s: no target process is given", needs).WithHint("--target PID names one")
	case o.Inside.Given && o.Dir.Given:
		return fault.Op(nil, "--wd and --wdns exclude each other")
	case needs == "" && len(o.Spaces) == 0 && !o.Root.Given && !o.Dir.Given && !o.Inside.Given && !o.UID.Given && !o.GID.Given:
		return fault.Op(nil, "no namespace is named").WithHint("--all with --target PID enters those of a process, or --net=FILE a single one")
	}
	return nil
}

// option is the long one for a kind of namespace.
func option(k *namespace.Kind) string {
	if k.Flag == unix.CLONE_NEWNS {
		return "--mount"
	}
	return "--" + k.Proc
}

func (j *joiner) environ() error {
	f, err := os.Open(j.proc("environ"))
	if err != nil {
		return withoutProc(fault.In("--env", fault.Op(err.(*os.PathError).Err, "open %s", j.proc("environ"))))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxEnviron))
	if err != nil {
		return fault.In("--env", fault.Op(err, "read %s", j.proc("environ")))
	}
	j.Env = nil
	for entry := range strings.SplitSeq(string(data), "\x00") {
		// A process may have written something else over it.
		if strings.Contains(entry, "=") {
			j.Env = append(j.Env, entry)
		}
	}
	return nil
}

// joinCgroup has the program in the target's cgroups: that of version 2 it is born
// in, the others it is put into before it does anything.
func (j *joiner) joinCgroup() error {
	if !j.JoinCgroup {
		return nil
	}
	unified, legacy, err := cgroup.Of(j.Target)
	if err != nil {
		return fault.In("--join-cgroup", err)
	}
	if unified != "" {
		fd, err := unix.Open(unified, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fault.In("--join-cgroup", fault.Op(err, "open %s", unified))
		}
		r := j.p.BornIn("cgroup")
		j.fds = append(j.fds, clone.FD{Reg: r, FD: fd})
		j.close = append(j.close, func() { unix.Close(fd) })
		j.plan.Before = append(j.plan.Before, plan.Action{Field: "--join-cgroup", Text: fmt.Sprintf("open(%q) = $cgroup", unified)})
	}
	var actions []plan.Action
	for _, dir := range legacy {
		file := dir + "/cgroup.procs"
		actions = append(actions, plan.Action{Field: "--join-cgroup", Text: "write CHILD to " + file, Do: func(pid int) error {
			if err := os.WriteFile(file, []byte(strconv.Itoa(pid)), 0); err != nil {
				return fault.Op(err.(*os.PathError).Err, "write %s", file)
			}
			return nil
		}})
	}
	if len(actions) > 0 {
		j.p.Begin("--join-cgroup", "")
		j.stop(true, actions...)
	}
	return nil
}

// followLabel has the program executed with the target's SELinux label, which
// the child says of itself, while it can be found in the caller's /proc.
func (j *joiner) followLabel() error {
	if !j.FollowLabel {
		return nil
	}
	types, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return fault.Op(err, "--follow-context")
	}
	if !strings.Contains(string(types), "\tselinuxfs\n") {
		j.Warnings = append(j.Warnings, "--follow-context has no effect: this kernel has no SELinux")
		return nil
	}
	label, err := os.ReadFile(j.proc("attr/current"))
	if err != nil {
		return fault.Op(err, "--follow-context")
	}
	text := strings.TrimRight(string(label), "\x00\n")
	p, file := j.p, j.p.Reg("exec")
	p.Begin("--follow-context", "")
	p.Call(unix.SYS_OPENAT, clone.Cwd, p.Str("/proc/thread-self/attr/exec"), clone.Num(unix.O_WRONLY|unix.O_CLOEXEC)).Save(file)
	p.Call(unix.SYS_WRITE, clone.In(file), p.Str(text), clone.Num(len(text)))
	p.Call(unix.SYS_CLOSE, clone.In(file))
	return nil
}

// join enters the namespaces. Where a user namespace is among them, the others
// are tried before: if the caller is privileged, that has to be done before the
// privileges are given up. What fails is tried again behind it, with those that
// the caller has there.
func (j *joiner) join(user *space) {
	p := j.p
	setns := func(s *space) *clone.Insn {
		p.Begin(s.flag, s.kind.Proc)
		i := p.Call(unix.SYS_SETNS, clone.In(s.reg), clone.Num(uintptr(s.kind.Flag)))
		if s.may {
			i.Ignore(unix.EPERM)
		}
		return i
	}
	var again []func()
	for _, flag := range order {
		s := j.space(flag)
		switch {
		case s == nil:
		case user == nil:
			setns(s)
		default:
			done := p.Reg(s.kind.Proc + ".joined")
			setns(s).Ignore(unix.EPERM, unix.EINVAL).Save(done)
			again = append(again, func() { setns(s).Unless(done, 0) })
		}
	}
	if user != nil {
		setns(user)
	}
	for _, f := range again {
		f()
	}
}

// places sets the root and the working directory.
func (j *joiner) places(root, dir clone.Reg) {
	p := j.p
	if root != 0 {
		p.Begin("--root", j.Root.Path)
		stays := dir
		if dir == 0 && !j.Inside.Given {
			stays = p.Reg("cwd")
			p.Call(unix.SYS_OPENAT, clone.Cwd, p.Str("."), clone.Num(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)).Save(stays)
		}
		p.Call(unix.SYS_FCHDIR, clone.In(root))
		p.Call(unix.SYS_CHROOT, p.Str("."))
		p.Call(unix.SYS_CHDIR, p.Str("/"))
		dir = stays
	}
	if j.Inside.Given {
		path := j.Inside.Path
		if path == "" {
			// By its name in the target's own root.
			path, _ = os.Readlink(j.proc("cwd"))
		}
		p.Begin("--wdns", "")
		p.Call(unix.SYS_CHDIR, p.Str(path))
		return
	}
	if dir != 0 {
		p.Begin("--wd", j.Dir.Path)
		p.Call(unix.SYS_FCHDIR, clone.In(dir))
	}
}

// id is the id to set, of which the target's is told by who owns its files.
func (j *joiner) id(name string, id ID, owner clone.Reg, group bool) clone.Arg {
	if !id.Follow {
		return clone.Num(id.N)
	}
	r := j.p.Reg(name)
	j.p.Begin("--set"+name, "follow")
	j.p.Owner(owner, group, r)
	return clone.In(r)
}

// explainJoin says what failed in the words of the task.
func (j *joiner) explainJoin(f *clone.Failure) (text, hint string) {
	switch call, _, _ := strings.Cut(f.Call, "("); call {
	case "setns":
		for _, s := range j.spaces {
			if s.kind.Proc == f.Step.Object {
				return fmt.Sprintf("reassociate to namespace 'ns/%s'", s.kind.Proc), joinHint(f.Errno, s.kind, s.fd, j.space(unix.CLONE_NEWUSER) != nil)
			}
		}
	case "clone3":
		if j.JoinCgroup && f.Errno != unix.EPERM {
			return "--join-cgroup: " + f.Call, ""
		}
	case "chroot":
		if f.Errno == unix.EPERM {
			return "", "it takes CAP_SYS_CHROOT: --user enters a user namespace, where the caller has it"
		}
	}
	return "", ""
}
