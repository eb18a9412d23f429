package plan

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/fault"
	"ocibox/core/mounts"
)

// unconfined is AppArmor's word for no profile.
const unconfined = "unconfined"

// contextType is crun's annotation for the mount option that takes the label.
const contextType = "run.oci.mount_context_type"

// contextTypes are its values, mount(8), "SELinux".
var contextTypes = [...]string{"context", "fscontext", "defcontext", "rootcontext"}

// labels checks what the security modules are told.
func labels(s *specs.Spec) error {
	for _, l := range []struct{ field, text string }{
		{"process.apparmorProfile", s.Process.ApparmorProfile}, {"process.selinuxLabel", s.Process.SelinuxLabel}, {"linux.mountLabel", mountLabel(s)},
	} {
		if err := text(l.field, l.text); err != nil {
			return err
		}
	}
	if n := len(mountLabel(s)); n > mounts.MaxValue {
		return fault.Field("linux.mountLabel", "%d bytes are more than %d, which is all that fsconfig(2) takes", n, mounts.MaxValue)
	}
	if t, ok := s.Annotations[contextType]; ok && !slices.Contains(contextTypes[:], t) {
		return fault.Field("annotations "+contextType, "%q is none of %q", t, contextTypes)
	}
	return nil
}

func mountLabel(s *specs.Spec) string {
	if s.Linux == nil {
		return ""
	}
	return s.Linux.MountLabel
}

// modules checks that the host has the security modules that are asked for.
func (c *compiler) modules() error {
	proc := c.spec.Process
	for _, m := range []struct {
		field, value, name string
		there              bool
	}{
		{"process.apparmorProfile", c.profile(), "AppArmor", c.host.AppArmor},
		{"process.selinuxLabel", proc.SelinuxLabel, "SELinux", c.host.SELinux},
		{"linux.mountLabel", c.spec.Linux.MountLabel, "SELinux", c.host.SELinux},
	} {
		if m.value != "" && !m.there {
			return fault.Field(m.field, "%q: %s is not in force on this host", m.value, m.name)
		}
	}
	return nil
}

// profile is the AppArmor profile to enter, or "". A host without AppArmor
// confines nobody.
func (c *compiler) profile() string {
	if p := c.spec.Process.ApparmorProfile; p != unconfined || c.host.AppArmor {
		return p
	}
	return ""
}

// labelled says whether the process tells a security module something.
func (c *compiler) labelled() bool { return c.profile() != "" || c.spec.Process.SelinuxLabel != "" }

// keyLabel labels the keys that the process makes until its execve.
func (c *compiler) keyLabel() {
	if l := c.spec.Process.SelinuxLabel; l != "" {
		c.p.Begin("process.selinuxLabel", "")
		c.write("self/attr/keycreate", l)
	}
}

// execLabels says what the process becomes by its next execve. A module takes
// that only from the process itself, with the credentials that opened the file.
func (c *compiler) execLabels() {
	if profile := c.profile(); profile != "" {
		c.p.Begin("process.apparmorProfile", "")
		c.write("self/attr/apparmor/exec", "exec "+profile)
	}
	if l := c.spec.Process.SelinuxLabel; l != "" {
		c.p.Begin("process.selinuxLabel", "")
		c.write("self/attr/exec", l)
	}
}

// unlabelled are file systems whose files the policy labels, whatever the
// mount says.
var unlabelled = [...]string{"proc", "sysfs", "cgroup", "cgroup2"}

// labelMounts gives linux.mountLabel to the file systems that are made. Bind
// mounts show files that have labels; whoever writes the config.json changes
// them where they are to be changed.
func (c *compiler) labelMounts(list []*mounts.Mount) {
	label := c.spec.Linux.MountLabel
	if label == "" {
		return
	}
	option := contextTypes[0]
	if t, ok := c.spec.Annotations[contextType]; ok {
		option = t
	}
	for _, m := range list {
		switch {
		case m.Bind, m.Remount, slices.Contains(unlabelled[:], m.Type):
		case m.Type == "mqueue":
			// Its instance belongs to the ipc namespace, and takes no option.
			m.RootLabel = label
		default:
			m.Data = append(m.Data, option+"="+label)
		}
	}
}
