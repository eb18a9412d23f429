package runtime

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/applets/cli"
	"ocibox/core/bundle"
	"ocibox/core/caps"
	"ocibox/core/container"
	"ocibox/core/fault"
)

// execFailed is the exit status of an exec that did not come to run anything,
// as runc has it: more programs end with 1 than with 255.
const execFailed = 255

// processFlags change the process of config.json, or name another.
type processFlags struct {
	*cli.Flags
	file, cwd, user, label, apparmor string
	env, gids, caps                  []string
	terminal, noNewPrivs             bool
}

func newProcessFlags(f *cli.Flags) *processFlags {
	p := &processFlags{Flags: f}
	f.StringVarP(&p.file, "process", "p", "", "take the whole process from this JSON `FILE`")
	f.BoolVarP(&p.terminal, "tty", "t", false, "give the process a terminal")
	f.StringVar(&p.cwd, "cwd", "", "working directory in the container")
	f.StringArrayVarP(&p.env, "env", "e", nil, "set a variable, `NAME=VALUE`")
	f.StringVarP(&p.user, "user", "u", "", "numbers of the user and the group, `UID[:GID]`")
	f.StringArrayVarP(&p.gids, "additional-gids", "g", nil, "add a supplementary group, by its number")
	f.StringArrayVarP(&p.caps, "cap", "c", nil, "add `CAP_NAME` to the bounding, effective and permitted sets")
	f.StringVar(&p.label, "process-label", "", "SELinux label of the process")
	f.StringVar(&p.apparmor, "apparmor", "", "AppArmor profile of the process")
	f.BoolVar(&p.noNewPrivs, "no-new-privs", false, "let no execve give the process privileges")
	return p
}

func execCommand(f *cli.Flags) action {
	f.SetInterspersed(false)
	p := newProcessFlags(f)
	o := &container.ExecOptions{}
	detach := f.BoolP("detach", "d", false, "return when the process runs")
	f.StringVar(&o.ConsoleSocket, "console-socket", "", "`SOCKET` that takes the process's terminal")
	f.StringVar(&o.PidfdSocket, "pidfd-socket", "", "`SOCKET` that takes a pidfd of the process")
	f.StringVar(&o.PidFile, "pid-file", "", "write the process's pid to `FILE`")
	f.IntVar(&o.PreserveFDs, "preserve-fds", 0, "pass this many descriptors, from 3 up, to the process")
	f.StringArrayVar(&o.Cgroups, "cgroup", nil, "cgroup below the container's for the process, `[CONTROLLER[,…]:]PATH`")
	f.BoolVar(&o.IgnorePaused, "ignore-paused", false, "wait in a paused container until it is resumed")
	return func(e *env, operands []string) error {
		return execute(e, o, p, operands, !*detach)
	}
}

// execute runs the process in the container that operands begin with.
func execute(e *env, o *container.ExecOptions, p *processFlags, operands []string, foreground bool) error {
	o.ID = operands[0]
	command := operands[1:]
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	if len(command) == 0 && p.file == "" {
		return &cli.Failure{Status: execFailed, Err: fault.Op(nil, "no command given").WithHint("--process FILE gives one, too")}
	}
	o.Process = func(own *specs.Process) (*specs.Process, error) {
		if p.file != "" {
			p.ignored(e.log.warn, command)
			return bundle.LoadProcess(p.file)
		}
		own.Args = command
		return own, p.apply(own)
	}
	o.Foreground = foreground
	stop, err := begin(e, &o.Options)
	if err != nil {
		return err
	}
	defer stop()
	status, err := e.store.Exec(*o)
	switch {
	case err != nil:
		return &cli.Failure{Status: execFailed, Err: err}
	case status != 0:
		return cli.Status(status)
	}
	return nil
}

// ignored tells what has no effect beside --process.
func (p *processFlags) ignored(warn func(string), command []string) {
	for _, name := range []string{"tty", "cwd", "env", "user", "additional-gids", "cap", "process-label", "apparmor", "no-new-privs"} {
		if p.Changed(name) {
			warn(fmt.Sprintf("--%s has no effect: --process %s says it all", name, p.file))
		}
	}
	if len(command) > 0 {
		warn(fmt.Sprintf("the command %q is not run: --process %s says it all", command[0], p.file))
	}
}

// apply changes the process as the flags say.
func (p *processFlags) apply(to *specs.Process) error {
	to.Terminal = p.terminal
	if p.cwd != "" {
		to.Cwd = p.cwd
	}
	to.Env = append(to.Env, p.env...)
	if p.Changed("user") {
		if err := parseUser(p.user, &to.User); err != nil {
			return err
		}
	}
	for _, g := range p.gids {
		gid, err := parseUID("group", g)
		if err != nil {
			return fault.Op(nil, "--additional-gids %q: %v", g, err)
		}
		to.User.AdditionalGids = append(to.User.AdditionalGids, gid)
	}
	if p.Changed("no-new-privs") {
		to.NoNewPrivileges = p.noNewPrivs
	}
	if p.label != "" {
		to.SelinuxLabel = p.label
	}
	if p.apparmor != "" {
		to.ApparmorProfile = p.apparmor
	}
	return addCaps(to, p.caps)
}

// addCaps adds capabilities for this process, not for what it may execute: to the
// inheritable set nothing (CVE-2022-29162), to the ambient one what is inheritable
// already, since it takes that.
func addCaps(to *specs.Process, names []string) error {
	for _, name := range names {
		if _, ok := caps.Parse(name); !ok {
			return fault.Op(nil, "--cap %q is no capability", name)
		}
		if to.Capabilities == nil {
			to.Capabilities = &specs.LinuxCapabilities{}
		}
		c := to.Capabilities
		c.Bounding = append(c.Bounding, name)
		c.Effective = append(c.Effective, name)
		c.Permitted = append(c.Permitted, name)
		if slices.Contains(c.Inheritable, name) {
			c.Ambient = append(c.Ambient, name)
		}
	}
	return nil
}

// parseUser reads UID or UID:GID. Without a group that of u stays.
func parseUser(text string, u *specs.User) error {
	user, group, both := strings.Cut(text, ":")
	uid, err := parseUID("user", user)
	if err == nil && both {
		u.GID, err = parseUID("group", group)
	}
	if err != nil {
		return fault.Op(nil, "--user %q: %v", text, err).WithHint("UID or UID:GID, both of them numbers: a name is only known in the container")
	}
	u.UID = uid
	return nil
}

// parseUID reads a uid or gid: decimal digits, and no more than a uid_t holds,
// of which the last one means none (CVE-2026-30892, CVE-2026-46680).
func parseUID(what, text string) (uint32, error) {
	const last = math.MaxUint32 - 1
	n, err := strconv.ParseUint(text, 10, 64)
	switch {
	case text == "":
		return 0, fmt.Errorf("the %s is missing", what)
	case strings.Trim(text, "0123456789") != "":
		return 0, fmt.Errorf("the %s %q is not a number", what, text)
	case err != nil || n > last:
		return 0, fmt.Errorf("the %s %s is more than %d", what, text, uint32(last))
	}
	return uint32(n), nil
}
