// Package nsenter runs a program in the namespaces of a process, as nsenter(1)
// of util-linux does, or of a container.
package nsenter

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"ocibox/applets/cli"
	"ocibox/core/container"
	"ocibox/core/early"
	"ocibox/core/enter"
	"ocibox/core/fault"
	"ocibox/core/namespace"
	"ocibox/core/seal"
)

const summary = `Run PROGRAM in namespaces of the process PID, or of the container ID: without one,
the user's shell. A namespace is PID's, or that of FILE, or the one with the
number of :NSID. The working directory is that of the mount namespace's root, or
as --wd says. The status is the program's own; 127 if it was not there, and 126
if it could not be executed.`

// flags are the applet's.
type flags struct {
	*cli.Flags
	join                     enter.Join
	container, state, target string
	uid, gid, socket         string
	version, explain         bool
	running                  func() error // says that the container's init still is
}

// spaceValue adds a namespace: of the target, or by a name of its own, which stays
// if the option comes again without one.
type spaceValue struct {
	spaces *[]enter.Space
	kind   *namespace.Kind
}

func (v spaceValue) String() string { return "" }
func (v spaceValue) Set(path string) error {
	for i := range *v.spaces {
		if s := &(*v.spaces)[i]; s.Kind == v.kind {
			if path != "" {
				s.Path = path
			}
			return nil
		}
	}
	*v.spaces = append(*v.spaces, enter.Space{Kind: v.kind, Path: path})
	return nil
}

// placeValue is a directory, the target's if it has no name.
type placeValue struct{ place *enter.Place }

func (v placeValue) String() string { return "" }
func (v placeValue) Set(path string) error {
	*v.place = enter.Place{Given: true, Path: path}
	return nil
}

// onceValue is a word that can be said once.
type onceValue struct{ word *string }

func (v onceValue) String() string { return "" }
func (v onceValue) Set(word string) error {
	if *v.word != "" {
		return fault.Op(nil, "is the second one")
	}
	*v.word = word
	return nil
}

// spaceFlags are the options for namespaces.
var spaceFlags = [...]struct{ name, short, proc, about string }{
	{"mount", "m", "mnt", "enter the mount namespace, of `FILE`"},
	{"uts", "u", "uts", "enter the UTS namespace: the host name, of `FILE`"},
	{"ipc", "i", "ipc", "enter the IPC namespace, of `FILE`"},
	{"net", "n", "net", "enter the network namespace, of `FILE`"},
	{"pid", "p", "pid", "enter the pid namespace, of `FILE`; the program is forked"},
	{"user", "U", "user", "enter the user namespace, of `FILE`"},
	{"cgroup", "C", "cgroup", "enter the cgroup namespace, of `FILE`"},
	{"time", "T", "time", "enter the time namespace, of `FILE`"},
}

func newFlags() *flags {
	f := &flags{Flags: cli.NewFlags("nsenter", "[OPTION…] [PROGRAM [ARGUMENT…]]", summary)}
	f.SetInterspersed(false)
	o := &f.join
	f.VarP(onceValue{&f.target}, "target", "t", "the process `PID`, or PID:INODE of a pidfd")
	f.StringVar(&f.container, "container", "", "the init of the runtime's container `ID` is the target; all its namespaces, unless some are named")
	f.StringVar(&f.state, "state", "", "`DIR` of the containers' state, for --container")
	f.BoolVarP(&o.All, "all", "a", false, "enter all of the target's namespaces")
	for _, s := range spaceFlags {
		f.OptionalVar(spaceValue{&o.Spaces, kind(s.proc)}, s.name, s.short, "", s.about)
	}
	f.StringVarP(&f.socket, "net-socket", "N", "", "enter the network namespace of a socket, the target's descriptor `FD`")
	f.BoolVar(&o.UserParent, "user-parent", false, "enter the user namespace that owns the target's")
	f.StringVarP(&f.uid, "setuid", "S", "", "be the user `UID` in there, or follow: the target's")
	f.StringVarP(&f.gid, "setgid", "G", "", "be of the group `GID`, and of no other, or follow: the target's")
	f.BoolVar(&o.Preserve, "preserve-credentials", false, "leave ids and groups alone; in a user namespace they are 0 otherwise")
	f.BoolVar(&o.KeepCaps, "keep-caps", false, "keep in the program what capabilities a user namespace gives")
	f.OptionalVar(placeValue{&o.Root}, "root", "r", "", "set the root directory, to `DIR`")
	f.OptionalVar(placeValue{&o.Dir}, "wd", "w", "", "set the working directory, to `DIR` out here")
	f.OptionalVar(placeValue{&o.Inside}, "wdns", "W", "", "set the working directory, to `DIR` in there")
	f.BoolVarP(&o.TargetEnv, "env", "e", false, "take over the target's environment")
	f.BoolVarP(&o.NoFork, "no-fork", "F", false, "do not fork for a pid namespace: only the program's children are in it")
	f.BoolVarP(&o.JoinCgroup, "join-cgroup", "c", false, "join the target's cgroup")
	f.BoolVarP(&o.FollowLabel, "follow-context", "Z", false, "take the target's SELinux context")
	f.BoolVar(&f.explain, "explain", false, "print the steps, and do not carry them out")
	f.BoolVarP(&f.version, "version", "V", false, "print the version")
	return f
}

func kind(proc string) *namespace.Kind {
	for i := range namespace.Kinds {
		if namespace.Kinds[i].Proc == proc {
			return &namespace.Kinds[i]
		}
	}
	return nil
}

// Syntax is the applet's command line, for completion.
func Syntax() cli.Syntax {
	f := newFlags()
	return cli.Syntax{Flags: f.Flags, Values: func(word string) []cli.Candidate {
		if word != "ID" {
			return nil
		}
		return cli.Containers(f.state)
	}}
}

// Run is the applet.
func Run(std cli.Std, args []string) error {
	f := newFlags()
	if err := f.Parse(std, args); err != nil {
		return err
	}
	if f.version {
		fmt.Fprintf(std.Out, "ocibox nsenter %s\n", cli.Version)
		return nil
	}
	if err := f.read(); err != nil {
		return err
	}
	job, err := f.join.Prepare()
	if err != nil {
		return err
	}
	// Else what was opened may be another process's.
	if f.running != nil {
		if err := f.running(); err != nil {
			return err
		}
	}
	return cli.RunJob(std, "nsenter", job, f.explain)
}

// read makes sense of the values.
func (f *flags) read() error {
	o := &f.join
	o.Args, o.Env = f.Args(), early.Environ()
	o.Program = seal.Program{Args: os.Args}
	o.NetSocket = -1
	if f.Changed("net-socket") {
		n, err := strconv.ParseUint(f.socket, 10, 31)
		if err != nil {
			return fault.Op(nil, "--net-socket %s is no descriptor", f.socket)
		}
		o.NetSocket = int(n)
	}
	var err error
	if o.UID, err = f.id("setuid", f.uid); err != nil {
		return err
	}
	if o.GID, err = f.id("setgid", f.gid); err != nil {
		return err
	}
	if f.Changed("target") {
		pid, inode, both := strings.Cut(f.target, ":")
		n, err := strconv.ParseUint(pid, 10, 31)
		if err != nil || n == 0 {
			return fault.Op(nil, "--target %s is no process id", f.target)
		}
		o.Target = int(n)
		if both {
			if o.Inode, err = strconv.ParseUint(inode, 10, 64); err != nil || o.Inode == 0 {
				return fault.Op(nil, "--target %s: %q is no inode", f.target, inode)
			}
		}
	}
	if !f.Changed("container") {
		return nil
	}
	if o.Target != 0 {
		return fault.Op(nil, "--target and --container exclude each other")
	}
	root, err := cli.StateRoot(f.state, "auto")
	if err != nil {
		return err
	}
	c, err := container.Store{Root: root}.Load(f.container)
	if err != nil {
		return fault.In("--container", err)
	}
	f.running = func() error {
		if o.Target, err = c.Init(); err != nil {
			return fault.In("--container", err)
		}
		return nil
	}
	if err := f.running(); err != nil {
		return err
	}
	// A plain user's container denies setgroups(2): as with exec, the groups stay.
	o.KeepGroups = true
	if len(o.Spaces) == 0 && o.NetSocket < 0 && !o.UserParent {
		o.All = true
		// One without a mount namespace has a root of its own nevertheless.
		o.Root.Given = true
	}
	return nil
}

func (f *flags) id(option, text string) (enter.ID, error) {
	switch {
	case !f.Changed(option):
		return enter.ID{}, nil
	case text == "follow":
		return enter.ID{Given: true, Follow: true}, nil
	}
	n, err := cli.ParseID(text)
	if err != nil {
		return enter.ID{}, fault.Op(err, "--%s %s", option, text)
	}
	return enter.ID{Given: true, N: n}, nil
}
