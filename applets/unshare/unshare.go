// Package unshare runs a program in new namespaces, as unshare(1) of util-linux
// does.
package unshare

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/early"
	"ocibox/core/enter"
	"ocibox/core/fault"
	"ocibox/core/namespace"
	"ocibox/core/signals"
)

const summary = `Run PROGRAM with new namespaces: without one, the user's shell. A FILE keeps the
namespace when nobody is in it any more, until it is unmounted; it has to be
there. The status is the program's own; 127 if it was not there, and 126 if it
could not be executed.

RANGE is INNER:OUTER:COUNT or OUTER,INNER,COUNT, or one of these words:
  auto    the caller's first range of /etc/subuid, or subgid, from 0 on
  subids  the same range, onto itself
  all     whatever the caller's own user namespace has, onto itself
The caller's own id is mapped by --map-user and --map-group; the other ranges make
room for it.`

// flags are the applet's.
type flags struct {
	*cli.Flags
	new                                   enter.New
	kill, proc, binfmt, interp, root, dir string
	users, groups                         sideFlags
	owner, uid, gid, setgroups            string
	monotonic, boottime                   string
	auto, subids, clearEnv                bool
	whitelist                             []string
	prop                                  *string
	version, explain                      bool
}

// sideFlags are those of uids or gids, of which the last --map-user or its like
// counts.
type sideFlags struct {
	one    string
	option string
	ranges []string
}

// spaceValue is a new namespace, and the file that is to keep it.
type spaceValue struct {
	new  *enter.New
	kind *namespace.Kind
}

func (v spaceValue) String() string { return "" }
func (v spaceValue) Set(path string) error {
	v.new.Flags |= v.kind.Flag
	if path == "" {
		return nil
	}
	for i := range v.new.Bound {
		if v.new.Bound[i].Kind == v.kind {
			v.new.Bound[i].Path = path
			return nil
		}
	}
	v.new.Bound = append(v.new.Bound, enter.Bound{Kind: v.kind, Path: path})
	return nil
}

// do is a flag that does something with each value that it is given.
type do func(value string) error

func (d do) String() string         { return "" }
func (d do) Set(value string) error { return d(value) }

// spaceFlags are the options for namespaces.
var spaceFlags = [...]struct{ name, short, proc, about string }{
	{"mount", "m", "mnt", "a mount namespace, kept by `FILE`"},
	{"uts", "u", "uts", "a UTS namespace: the host name, kept by `FILE`"},
	{"ipc", "i", "ipc", "an IPC namespace, kept by `FILE`"},
	{"net", "n", "net", "a network namespace, kept by `FILE`"},
	{"pid", "p", "pid", "a pid namespace, kept by `FILE`; the program is in it with --fork"},
	{"user", "U", "user", "a user namespace, kept by `FILE`"},
	{"cgroup", "C", "cgroup", "a cgroup namespace, kept by `FILE`"},
	{"time", "T", "time", "a time namespace, kept by `FILE`"},
}

func newFlags() *flags {
	f := &flags{Flags: cli.NewFlags("unshare", "[OPTION…] [PROGRAM [ARGUMENT…]]", summary)}
	f.SetInterspersed(false)
	n := &f.new
	for _, s := range spaceFlags {
		v := spaceValue{n, nil}
		for i := range namespace.Kinds {
			if namespace.Kinds[i].Proc == s.proc {
				v.kind = &namespace.Kinds[i]
			}
		}
		f.OptionalVar(v, s.name, s.short, "", s.about).LongOnly()
	}
	f.OptionalVar(do(func(dir string) error { f.proc = dir; return nil }), "mount-proc", "", "/proc", "mount a proc first, at `DIR`; implies --mount")
	f.OptionalVar(do(func(dir string) error { f.binfmt = dir; return nil }), "mount-binfmt", "", defaultBinfmt, "mount a binfmt_misc first, at `DIR`; implies --user --mount --mount-proc")
	f.StringVarP(&f.interp, "load-interp", "l", "", "register the `INTERPRETER` with that binfmt_misc, a line as it takes it; implies --mount-binfmt")
	f.prop = f.Choice("propagation", "", []string{"private", "shared", "slave", "unchanged"}, "propagation of all mounts in a new mount namespace")
	f.StringVarP(&f.root, "root", "R", "", "set the root directory to `DIR`")
	f.StringVarP(&f.dir, "wd", "w", "", "set the working directory to `DIR`")
	f.StringVarP(&f.uid, "setuid", "S", "", "be the user `UID` in there")
	f.StringVarP(&f.gid, "setgid", "G", "", "be of the group `GID`, and of no other")
	one := func(s *sideFlags, option string) do {
		return func(value string) error { s.one, s.option = value, "--"+option; return nil }
	}
	f.VarP(one(&f.users, "map-user"), "map-user", "", "map the caller to `UID`, or to the user of that name; implies --user, as all of --map-* do")
	f.VarP(one(&f.groups, "map-group"), "map-group", "", "map the caller's group to `GID`, or to the group of that name")
	both := func(option string, uid, gid int) do {
		return func(word string) error {
			on, err := strconv.ParseBool(word)
			if err == nil && on {
				n.Flags |= unix.CLONE_NEWUSER
				f.users.one, f.groups.one = strconv.Itoa(uid), strconv.Itoa(gid)
				f.users.option, f.groups.option = "--"+option, "--"+option
			}
			return err
		}
	}
	f.BoolFunc(both("map-root-user", 0, 0), "map-root-user", "r", "map the caller to root")
	f.BoolFunc(both("map-current-user", unix.Geteuid(), unix.Getegid()), "map-current-user", "c", "map the caller to the same ids")
	f.StringArrayVar(&f.users.ranges, "map-users", nil, "map uids as `RANGE` says; may be repeated")
	f.StringArrayVar(&f.groups.ranges, "map-groups", nil, "map gids as `RANGE` says; may be repeated")
	f.BoolVar(&f.auto, "map-auto", false, "--map-users auto --map-groups auto")
	f.BoolVar(&f.subids, "map-subids", false, "--map-users subids --map-groups subids")
	f.StringVar(&f.owner, "owner", "", "have the user namespace belong to `UID:GID`; implies --user")
	f.StringVar(&f.setgroups, "setgroups", "", "whether setgroups(2) may be called: `allow|deny`")
	f.BoolVarP(&n.Fork, "fork", "f", false, "fork: the program is the init of a new pid namespace; SIGINT and SIGTERM do nothing to unshare meanwhile")
	f.OptionalVar(do(func(name string) error { f.kill = name; return nil }), "kill-child", "", "KILL", "have the program sent `SIGNAL` when unshare ends, SIGKILL by default; implies --fork")
	f.BoolVar(&n.Pass, "forward-signals", false, "pass SIGINT and SIGTERM on to the program; implies --fork")
	f.BoolVar(&n.KeepCaps, "keep-caps", false, "keep in the program what capabilities a user namespace gives")
	f.StringVar(&f.monotonic, "monotonic", "", "`SECONDS` that the monotonic clock is ahead in the time namespace")
	f.StringVar(&f.boottime, "boottime", "", "`SECONDS` that the clock since boot is ahead in the time namespace")
	f.BoolVar(&f.clearEnv, "clear-env", false, "give the program an empty environment")
	f.StringArrayVar(&f.whitelist, "whitelist-env", nil, "give the program only the variables of `LIST`, with commas; may be repeated")
	f.BoolVar(&f.explain, "explain", false, "print the steps, and do not carry them out")
	f.BoolVarP(&f.version, "version", "V", false, "print the version")
	return f
}

// defaultBinfmt is where binfmt_misc is mounted everywhere.
const defaultBinfmt = "/proc/sys/fs/binfmt_misc"

// Syntax is the applet's command line, for completion.
func Syntax() cli.Syntax { return cli.Syntax{Flags: newFlags().Flags} }

// Run is the applet.
func Run(std cli.Std, args []string) error {
	f := newFlags()
	if err := f.Parse(std, args); err != nil {
		return err
	}
	if f.version {
		fmt.Fprintf(std.Out, "ocibox unshare %s\n", cli.Version)
		return nil
	}
	if err := f.read(); err != nil {
		return err
	}
	job, err := f.new.Prepare()
	if err != nil {
		return err
	}
	return cli.RunJob(std, "unshare", job, f.explain)
}

// read makes sense of the values.
func (f *flags) read() error {
	n := &f.new
	n.Args, n.Prop, n.Root, n.Dir, n.Interp = f.Args(), *f.prop, f.root, f.dir, f.interp
	f.environment()
	for _, name := range []string{"root", "wd", "load-interp", "map-user", "map-group"} {
		if flag := f.Lookup(name); flag.Changed && f.given(name) == "" {
			return fault.Op(nil, "--%s: the value is empty", name)
		}
	}
	f.implied()
	if err := f.maps(); err != nil {
		return err
	}
	if f.Changed("kill-child") {
		n.Fork = true
		var err error
		if n.Kill, err = signals.Parse(f.kill); err != nil || n.Kill == 0 {
			return fault.Op(nil, "--kill-child %s: there is no such signal", f.kill)
		}
	}
	n.Fork = n.Fork || n.Pass
	for _, c := range []struct {
		option, text string
		id           *enter.ID
	}{{"setuid", f.uid, &n.UID}, {"setgid", f.gid, &n.GID}} {
		if f.Changed(c.option) {
			id, err := cli.ParseID(c.text)
			if err != nil {
				return fault.Op(err, "--%s %s", c.option, c.text)
			}
			*c.id = enter.ID{Given: true, N: id}
		}
	}
	switch {
	case !f.Changed("setgroups"):
	case f.setgroups == "allow", f.setgroups == "deny":
		n.Deny = new(f.setgroups == "deny")
	default:
		return fault.Op(nil, "--setgroups %s is not allow or deny", f.setgroups)
	}
	n.Clock = map[string]*int64{}
	for name, text := range map[string]string{"monotonic": f.monotonic, "boottime": f.boottime} {
		if f.Changed(name) {
			secs, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return fault.Op(err.(*strconv.NumError).Err, "--%s %s", name, text)
			}
			n.Clock[name] = &secs
		}
	}
	return nil
}

// given is the value of a flag that must not be empty.
func (f *flags) given(name string) string {
	switch name {
	case "root":
		return f.root
	case "wd":
		return f.dir
	case "load-interp":
		return f.interp
	case "map-user":
		return f.users.one
	}
	return f.groups.one
}

// implied sets what other options bring with them.
func (f *flags) implied() {
	n := &f.new
	for _, name := range []string{"map-user", "map-group", "map-users", "map-groups", "map-auto", "map-subids", "owner"} {
		if f.Changed(name) {
			n.Flags |= unix.CLONE_NEWUSER
		}
	}
	n.Proc, n.Binfmt = f.proc, f.binfmt
	if f.interp != "" && n.Binfmt == "" {
		n.Binfmt = defaultBinfmt
	}
	if n.Binfmt != "" {
		n.Flags |= unix.CLONE_NEWUSER | unix.CLONE_NEWNS
		if n.Binfmt == defaultBinfmt && n.Proc == "" {
			n.Proc = "/proc" // in which it is
		}
	}
	if n.Proc != "" {
		n.Flags |= unix.CLONE_NEWNS
	}
}

// environment is what the program gets of the caller's.
func (f *flags) environment() {
	if !f.clearEnv && len(f.whitelist) == 0 {
		f.new.Env = early.Environ()
		return
	}
	for _, list := range f.whitelist {
		for name := range strings.SplitSeq(list, ",") {
			if value, ok := early.LookupEnv(name); ok && name != "" {
				f.new.Env = append(f.new.Env, name+"="+value)
			}
		}
	}
}
