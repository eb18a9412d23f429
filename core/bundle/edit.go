package bundle

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/caps"
	"ocibox/core/fault"
	"ocibox/core/namespace"
)

// Edit is what to change of a default config.json.
type Edit struct {
	Writable   bool     // root.readonly is false
	NoTerminal bool     // process.terminal is false
	Namespaces []string // TYPE or TYPE=PATH, as linux.namespaces has the two
	Caps       []string // CAP_NAME, for the bounding, effective and permitted set
	Env        []string // NAME=VALUE, behind process.env
	Args       []string // process.args, unless empty
}

// Apply changes s, which Default or Rootless made. A namespace or a capability
// that there is none of is an error.
func (e Edit) Apply(s *specs.Spec) error {
	if e.Writable {
		s.Root.Readonly = false
	}
	if e.NoTerminal {
		s.Process.Terminal = false
	}
	for _, n := range e.Namespaces {
		if err := setNamespace(s.Linux, n); err != nil {
			return err
		}
	}
	for _, name := range e.Caps {
		if err := addCapability(s.Process.Capabilities, name); err != nil {
			return err
		}
	}
	s.Process.Env = append(s.Process.Env, e.Env...)
	if len(e.Args) > 0 {
		s.Process.Args = e.Args
	}
	return nil
}

// setNamespace adds a namespace or changes the one of its type.
func setNamespace(l *specs.Linux, word string) error {
	name, path, given := strings.Cut(word, "=")
	n := specs.LinuxNamespace{Type: specs.LinuxNamespaceType(name), Path: path}
	if namespace.ByType(n.Type) == nil {
		var types []string
		for _, k := range namespace.Kinds {
			types = append(types, string(k.Type))
		}
		return fault.Field("linux.namespaces", "%q is no namespace", name).WithHint("there are: %s", strings.Join(types, " "))
	}
	if given && path == "" {
		return fault.Field("linux.namespaces", "%q names no file", word)
	}
	if n.Type == specs.UserNamespace && path != "" {
		l.UIDMappings, l.GIDMappings = nil, nil // it has its own
	}
	i := slices.IndexFunc(l.Namespaces, func(other specs.LinuxNamespace) bool { return other.Type == n.Type })
	if i < 0 {
		l.Namespaces = append(l.Namespaces, n)
	} else {
		l.Namespaces[i] = n
	}
	return nil
}

func addCapability(c *specs.LinuxCapabilities, name string) error {
	if _, ok := caps.Parse(name); !ok {
		return fault.Field("process.capabilities", "%q is no capability", name).WithHint("capabilities(7) lists them, such as CAP_NET_ADMIN")
	}
	name = strings.ToUpper(name)
	for _, set := range []*[]string{&c.Bounding, &c.Effective, &c.Permitted} {
		if !slices.Contains(*set, name) {
			// The default sets share one array.
			*set = append(slices.Clip(*set), name)
		}
	}
	return nil
}
