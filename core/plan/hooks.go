package plan

import (
	"encoding/json"
	"fmt"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
)

// Kinds of hooks, as fields of "hooks" (config.md, "POSIX-platform Hooks").
const (
	Prestart        = "prestart"
	CreateRuntime   = "createRuntime"
	CreateContainer = "createContainer"
	StartContainer  = "startContainer"
	Poststart       = "poststart"
	Poststop        = "poststop"
)

// hookKinds are in the order in which they run.
var hookKinds = [...]struct {
	name string
	of   func(*specs.Hooks) []specs.Hook
}{
	//lint:ignore SA1019 Docker still asks for it.
	{Prestart, func(h *specs.Hooks) []specs.Hook { return h.Prestart }},
	{CreateRuntime, func(h *specs.Hooks) []specs.Hook { return h.CreateRuntime }},
	{CreateContainer, func(h *specs.Hooks) []specs.Hook { return h.CreateContainer }},
	{StartContainer, func(h *specs.Hooks) []specs.Hook { return h.StartContainer }},
	{Poststart, func(h *specs.Hooks) []specs.Hook { return h.Poststart }},
	{Poststop, func(h *specs.Hooks) []specs.Hook { return h.Poststop }},
}

// HookKinds are the names of the kinds of hooks, in the order in which they
// run.
func HookKinds() []string {
	var names []string
	for _, k := range hookKinds {
		names = append(names, k.name)
	}
	return names
}

// A Hook is one hook of a config.json.
type Hook struct {
	Field string // such as "hooks.poststop[0]"
	specs.Hook
}

// Hooks are the hooks of one kind.
func Hooks(s *specs.Spec, kind string) []Hook {
	if s.Hooks == nil {
		return nil
	}
	var list []Hook
	for _, k := range hookKinds {
		if k.name != kind {
			continue
		}
		for i, h := range k.of(s.Hooks) {
			list = append(list, Hook{fault.At("hooks."+kind, i), h})
		}
	}
	return list
}

// IsHook says whether a config.json field is that of a hook.
func IsHook(field string) bool { return strings.HasPrefix(field, "hooks.") }

// Argv is what the hook gets as arguments.
func (h Hook) Argv() []string {
	if len(h.Args) == 0 {
		return []string{h.Path}
	}
	return h.Args
}

// Seconds is the hook's timeout, 0 for none.
func (h Hook) Seconds() int {
	if h.Timeout == nil {
		return 0
	}
	return *h.Timeout
}

// hooks checks them.
func hooks(s *specs.Spec) error {
	for _, k := range hookKinds {
		for _, h := range Hooks(s, k.name) {
			if err := place(h.Field+".path", h.Path); err != nil {
				return err
			}
			for _, l := range []struct {
				name string
				list []string
			}{{"args", h.Args}, {"env", h.Env}} {
				for i, word := range l.list {
					if err := text(fault.At(h.Field+"."+l.name, i), word); err != nil {
						return err
					}
				}
			}
			if h.Timeout != nil && *h.Timeout <= 0 {
				return fault.Field(h.Field+".timeout", "%d s is not more than zero", *h.Timeout)
			}
		}
	}
	return nil
}

// Annotations of crun's that name the files, on the host, that the output of
// hooks is appended to.
const (
	HooksStdout = "run.oci.hooks.stdout"
	HooksStderr = "run.oci.hooks.stderr"
)

// hookOutput has the child inherit the files for the output of the hooks that
// it runs itself.
func (c *compiler) hookOutput() {
	if len(Hooks(c.spec, CreateContainer))+len(Hooks(c.spec, StartContainer)) == 0 {
		return
	}
	for i, name := range []string{HooksStdout, HooksStderr} {
		if c.spec.Annotations[name] != "" {
			c.plan.HookOutput[i] = c.p.Inherit(name)
		}
	}
}

// createHooks runs the hooks of create: the container is made, and its root is
// not entered yet.
func (c *compiler) createHooks(root clone.Reg) {
	actions := append(hookActions(c.spec, Prestart), hookActions(c.spec, CreateRuntime)...)
	if len(actions) > 0 {
		c.p.Begin(actions[0].Field, "")
		c.rendezvous(false, actions...)
	}
	if list := Hooks(c.spec, CreateContainer); len(list) > 0 {
		c.p.Begin(list[0].Field, "")
		c.p.Call(unix.SYS_FCHDIR, clone.In(root))
		c.p.Call(unix.SYS_UMASK, clone.Num(0o022))
		c.spawn(list, specs.StateCreating)
		c.p.Call(unix.SYS_UMASK, clone.Num(0))
	}
}

// startHooks runs the hooks of start, with all that the process has but its
// limit of open files.
func (c *compiler) startHooks() {
	c.spawn(Hooks(c.spec, StartContainer), specs.StateCreated)
}

func hookActions(s *specs.Spec, kind string) []Action {
	var list []Action
	for _, h := range Hooks(s, kind) {
		text := fmt.Sprintf("run %q as %q, {%d variables}", h.Path, h.Argv(), len(h.Env))
		if n := h.Seconds(); n != 0 {
			text += fmt.Sprintf(", for at most %d s", n)
		}
		list = append(list, Action{Field: h.Field, Text: text, Hook: &h})
	}
	return list
}

// spawn has the child run hooks, with the state on their standard input.
func (c *compiler) spawn(list []Hook, status specs.ContainerState) {
	for _, h := range list {
		c.p.Begin(h.Field, "")
		c.p.Spawn(clone.Spawned{
			Path: h.Path, Argv: h.Argv(), Envp: h.Env, Stdin: c.state(status),
			Out: c.plan.HookOutput[0], Err: c.plan.HookOutput[1], Timeout: h.Seconds(),
		})
	}
}

// state is the container's state in JSON (runtime.md, "State") up to the pid,
// which is "as seen by the container", and from there on.
func (c *compiler) state(status specs.ContainerState) [2]string {
	const pid = 1
	data, err := json.Marshal(specs.State{
		Version: c.spec.Version, ID: c.in.ID, Status: status, Pid: pid, Bundle: c.in.Bundle, Annotations: c.spec.Annotations,
	})
	if err != nil {
		panic(err) // strings and a number
	}
	// No string has that in it: its quotes would be escaped.
	before, after, _ := strings.Cut(string(data), fmt.Sprintf(`"pid":%d`, pid))
	return [2]string{before + `"pid":`, after}
}
