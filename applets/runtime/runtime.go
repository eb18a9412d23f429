// Package runtime is the OCI runtime's command line: each command reads its
// flags, calls core/container, and prints.
package runtime

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	goruntime "runtime"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/applets/cli"
	"ocibox/core/cgroup"
	"ocibox/core/container"
	"ocibox/core/fault"
	"ocibox/core/leanjson"
)

// A command is one of the runtime's.
type command struct {
	name     string
	usage    string
	summary  string
	min, max int // how many operands; a negative max is no bound
	// flags defines its flags, and gives what it does once they are read.
	flags func(*cli.Flags) action
}

// action is what a command does with its operands.
type action func(e *env, operands []string) error

// commands are all of them, as help lists them.
var commands = [...]command{
	{"create", "[OPTION…] ID", "Create a container; start runs its program.", 1, 1, create},
	{"delete", "[OPTION…] ID", "Delete a container that is not running.", 1, 1, deleteCommand},
	{"events", "[OPTION…] ID", "Print the container's figures and its shortages of memory, as JSON.", 1, 1, events},
	{"exec", "[OPTION…] ID [--] COMMAND [ARG…]", "Execute one more process in a container.", 1, -1, execCommand},
	{"explain", "[OPTION…]", "Print the steps that would make the container, and why.", 0, 0, explain},
	{"features", "", "Print what this runtime supports, as JSON.", 0, 0, featuresCommand},
	{"kill", "[OPTION…] ID [SIGNAL]", "Send a signal, SIGTERM by default, to the container's init.", 1, 2, kill},
	{"list", "[OPTION…]", "List the containers.", 0, 0, list},
	{"pause", "ID", "Freeze the processes of a container.", 1, 1, pause},
	{"ps", "[OPTION…] ID [PS-OPTION…]", "List the processes of a container.", 1, -1, ps},
	{"resume", "ID", "Let a paused container go on.", 1, 1, resume},
	{"run", "[OPTION…] ID", "Create a container and start it.", 1, 1, run},
	{"spec", "[OPTION…] [-- ARG…]", "Write a config.json to begin with.", 0, -1, spec},
	{"start", "ID", "Start a created container's program.", 1, 1, start},
	{"state", "ID", "Print the container's state, as JSON.", 1, 1, state},
	{"update", "[OPTION…] ID", "Change the limits of a container.", 1, 1, update},
}

// absent are the commands of other runtimes that there are none of here, and
// why: a clause.
var absent = [...]struct{ name, why string }{
	{"checkpoint", "it takes CRIU, which nothing here speaks to"},
	{"info", "features prints what the runtime can do, explain what a bundle takes"},
	{"mounts", "the mounts of a container are those of its config.json"},
	{"restore", "it takes CRIU, which nothing here speaks to"},
}

// Has says whether the runtime has a command of that name.
func Has(name string) bool {
	for i := range commands {
		if commands[i].name == name {
			return true
		}
	}
	return false
}

// newFlags makes the command's flags and gives what it does.
func (c *command) newFlags() (*cli.Flags, action) {
	f := cli.NewFlags("runtime "+c.name, c.usage, c.summary)
	f.Equals = true
	return f, c.flags(f)
}

func (c *command) run(e *env, args []string) error {
	f, do := c.newFlags()
	if err := f.Parse(e.std, args); err != nil {
		return err
	}
	operands, err := f.Operands(c.min, c.max)
	if err != nil {
		return err
	}
	return do(e, operands)
}

// env is what every command gets of the global flags.
type env struct {
	std   cli.Std
	store container.Store
	log   *logger
	// cgroups is who makes those of the containers.
	cgroups cgroup.Manager
}

// globals are the flags before the command.
type globals struct {
	*cli.Flags
	root, rootless, log, logFormat, logLevel, cgroups *string
	debug, version, systemd                           *bool
}

func newGlobals() *globals {
	f := cli.NewFlags("runtime", "[OPTION…] COMMAND [ARGUMENT…]", "")
	f.Summary = summary
	f.Equals = true // as runc has it
	f.SetInterspersed(false)
	g := &globals{Flags: f}
	g.root = f.String("root", "", "`DIR` of the containers' state (default /run/ocibox, or below $XDG_RUNTIME_DIR)")
	g.log = f.String("log", "", "`FILE` that warnings and errors go to as well; file:FILE is the same")
	g.logFormat = f.Choice("log-format", "", []string{"text", "json"}, "form of the log")
	g.logLevel = f.Choice("log-level", "", logLevels[:], "what is logged: errors alone, warnings too, or each step as well")
	g.debug = f.Bool("debug", false, "log each step, as explain --all prints it: --log-level debug")
	g.rootless = f.String("rootless", "auto", "whether to behave as for a plain user: `true|false|auto`")
	g.systemd = f.Bool("systemd-cgroup", false, "have systemd make the cgroups: --cgroup-manager systemd")
	g.cgroups = f.Choice("cgroup-manager", "", []string{string(cgroup.Cgroupfs), string(cgroup.Systemd), string(cgroup.Disabled)}, "who makes the cgroups, if anybody")
	g.version = f.BoolP("version", "v", false, "print the version")
	f.BoolVarP(g.version, "V", "V", false, "the same, as crun has it")
	f.Lookup("V").Hidden = true
	return g
}

// cgroupManager is who makes the containers' cgroups.
func (g *globals) cgroupManager() (cgroup.Manager, error) {
	m := cgroup.Manager(*g.cgroups)
	switch {
	case !*g.systemd:
		return m, nil
	case g.Lookup("cgroup-manager").Changed && m != cgroup.Systemd:
		return "", fault.Op(nil, "--systemd-cgroup and --cgroup-manager %s: one of them", m)
	}
	return cgroup.Systemd, nil
}

// Run is the applet.
func Run(std cli.Std, args []string) error {
	g := newGlobals()
	if err := g.Parse(std, args); err != nil {
		return err
	}
	if *g.version {
		// Engines look for "version" in the first line, and for "spec:" in others.
		fmt.Fprintf(std.Out, "ocibox version %s\nspec: %s\ngo: %s\n", cli.Version, specs.Version, goruntime.Version())
		return nil
	}
	l, err := g.openLog(std)
	if err != nil {
		return err
	}
	defer l.close()
	root, err := cli.StateRoot(*g.root, *g.rootless)
	if err != nil {
		return l.failed(err)
	}
	manager, err := g.cgroupManager()
	if err != nil {
		return l.failed(err)
	}
	rest := g.Args()
	if len(rest) > 0 && rest[0] == "help" {
		// Of the command, or without one of the applet itself.
		if rest = append(rest[1:], "--help"); len(rest) == 1 {
			return g.Parse(std, rest)
		}
	}
	if len(rest) == 0 {
		return l.failed(fault.Op(nil, "no command given").WithHint("runtime --help lists them"))
	}
	for i := range commands {
		if c := &commands[i]; c.name == rest[0] {
			return l.failed(named(c.name, c.run(&env{std, container.Store{Root: root, Warn: l.warn}, l, manager}, rest[1:])))
		}
	}
	return l.failed(noCommand(rest[0]))
}

// noCommand says that there is no command of that name, and why.
func noCommand(name string) error {
	for _, a := range absent {
		if a.name == name {
			return named(name, fault.Op(nil, "is not built: %s", a.why))
		}
	}
	var names []string
	for i := range commands {
		names = append(names, commands[i].name)
	}
	hint := "runtime --help lists them"
	if near := cli.Near(name, names); near != "" {
		hint = "is it " + near + "? " + hint
	}
	return fault.Op(nil, "%s: no such command", name).WithHint("%s", hint)
}

// named puts the command to the error, but not to a plain status.
func named(command string, err error) error {
	if _, ok := err.(cli.Status); ok || err == nil {
		return err
	}
	return &cli.CommandError{Command: command, Err: err}
}

func summary() string {
	var s strings.Builder
	s.Grow(2 << 10)
	s.WriteString("Create and run containers as the OCI runtime specification says.\n\ncommands:\n")
	line := func(name, text string) {
		s.WriteString("  " + name + "           "[len(name):] + text)
	}
	for _, c := range commands {
		line(c.name, c.summary+"\n")
	}
	line("help", "Print how a command is used.")
	return s.String()
}

// printJSON writes v as runc does: indented by two spaces.
func printJSON(w io.Writer, v any, indent string) error {
	data, err := leanjson.Marshal(v)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := json.Indent(&text, data, "", indent); err != nil {
		return err
	}
	text.WriteByte('\n')
	_, err = text.WriteTo(w)
	return err
}
