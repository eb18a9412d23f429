package mounts

import (
	"fmt"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
)

// dirMode is what directories are made with that a mount or a path needs.
const dirMode = 0o755

// A Mount is one entry of config.json's mounts, ready to be compiled.
type Mount struct {
	Options
	Field     string
	Dest      string // absolute and clean
	Type      string
	Source    string    // of a bind mount: absolute
	RootLabel string    // of SELinux, for the root of a new file system; or ""
	from      clone.Reg // detached copy of a bind mount's source
	late      clone.Reg // attached mount that Seal makes read-only
}

// sharedTypes are file systems of which the kernel keeps one instance for
// several mounts, or whose instance nobody else sees: "ro" is then this
// mount's own matter, not the file system's.
var sharedTypes = [...]string{"proc", "sysfs", "mqueue", "devpts", "tmpfs", "cgroup2"}

// Read checks the mounts of a config.json, whose relative sources are below
// bundle. The second result is what has no effect.
func Read(list []specs.Mount, bundle string) ([]*Mount, []string, error) {
	var mounts []*Mount
	var warnings []string
	for i, m := range list {
		field := fmt.Sprintf("mounts[%d]", i)
		switch {
		case m.Destination == "":
			return nil, nil, fault.Field(field+".destination", "is missing")
		case m.UIDMappings != nil:
			return nil, nil, fault.Field("", "%s.uidMappings is not supported yet", field)
		case m.GIDMappings != nil:
			return nil, nil, fault.Field("", "%s.gidMappings is not supported yet", field)
		}
		for _, s := range append([]string{m.Destination, m.Source, m.Type}, m.Options...) {
			if strings.ContainsRune(s, 0) {
				return nil, nil, fault.Field(field, "%q holds a NUL byte", s)
			}
			if len(s) >= unix.PathMax {
				return nil, nil, fault.Field(field, "a string of %d bytes is longer than PATH_MAX (%d)", len(s), unix.PathMax)
			}
		}
		o, unsupported := Parse(m.Options)
		if unsupported != "" {
			return nil, nil, fault.Field("", "%s.options: %s is not supported yet", field, unsupported)
		}
		o.Bind = IsBind(m)
		mount := &Mount{Options: o, Field: field, Dest: path.Clean("/" + m.Destination), Type: m.Type, Source: m.Source}
		if !path.IsAbs(m.Destination) {
			warnings = append(warnings, fmt.Sprintf("%s.destination: %q is not absolute, taken as %s", field, m.Destination, mount.Dest))
		}
		for _, w := range o.NoEffect {
			warnings = append(warnings, fmt.Sprintf("%s.options: %s has no effect", field, w))
		}
		if err := mount.check(); err != nil {
			return nil, nil, err
		}
		if o.Bind {
			mount.Source = Source(m, bundle)
		}
		if rest := slices.Concat(o.Flags, o.Data); len(rest) > 0 && (o.Bind || o.Remount) {
			warnings = append(warnings, fmt.Sprintf("%s.options: %s has no effect on a bind mount or a remount", field, strings.Join(rest, ",")))
		}
		mounts = append(mounts, mount)
	}
	return mounts, warnings, nil
}

func (m *Mount) check() error {
	switch {
	case m.Dest == "/":
		return fault.Field(m.Field+".destination", "is the container's root itself")
	case m.Remount:
		return nil
	case !m.Bind && slices.ContainsFunc(m.Data, tooLong):
		return fault.Field(m.Field+".options", "the value of an option has more than %d bytes, which is all that fsconfig(2) takes", MaxValue)
	case m.Bind && m.Source == "":
		return fault.Field(m.Field+".source", "is missing for a bind mount")
	case m.Bind && m.CopyUp, m.CopyUp && m.Type != "tmpfs":
		return fault.Field(m.Field+".options", "tmpcopyup needs type tmpfs")
	case !m.Bind && m.Type == "":
		return fault.Field(m.Field+".type", "is missing")
	case !m.Bind && m.Type == "cgroup":
		return fault.Field("", "%s.type cgroup is not supported yet", m.Field)
	}
	return nil
}

func (m *Mount) begin(p *clone.Program) { p.Begin(m.Field, m.Dest) }

// MaxValue is the longest value of a file system's option, in bytes: the
// kernel takes 256 with the NUL (FSCONFIG_SET_STRING).
const MaxValue = 255

func tooLong(option string) bool {
	_, value, _ := strings.Cut(option, "=")
	return len(value) > MaxValue
}

// Sources opens what the bind mounts copy. It stands before the child takes
// the container's ids, which may have no access to those paths.
func Sources(p *clone.Program, mounts []*Mount) {
	for _, m := range mounts {
		if m.Bind && !m.Remount {
			m.begin(p)
			m.from = Clone(p, m.Source, m.Recursive, m.Field)
			setAttrs(p, m.from, m.Options)
		}
	}
}

// CoverCgroups makes read-only also what is mounted below a read-only bind of
// the host's /sys: with cgroups that were given to the caller, a process in the
// caller's user namespace could change them there (CVE-2023-25809).
func CoverCgroups(mounts []*Mount) {
	for _, m := range mounts {
		below := m.Source == "/sys" || strings.HasPrefix(m.Source, "/sys/")
		if m.Bind && m.Recursive && below && m.Attr.Set&unix.MOUNT_ATTR_RDONLY != 0 {
			m.RecAttr.Set |= unix.MOUNT_ATTR_RDONLY
		}
	}
}

// Attach makes the mounts, in order.
func Attach(p *clone.Program, root clone.Reg, mounts []*Mount) {
	for _, m := range mounts {
		m.begin(p)
		m.attach(p, root)
	}
}

func (m *Mount) attach(p *clone.Program, root clone.Reg) {
	target := p.Reg("target")
	switch {
	case m.Remount:
		p.OpenIn(root, m.Dest, clone.MustExist, 0, unix.O_PATH, 0, target)
		setAttrs(p, target, m.Options)
		setPropagation(p, target, m.Options)
		shut(p, target)
	case m.Bind:
		p.OpenIn(root, m.Dest, clone.MakeLike, m.from, unix.O_PATH, dirMode, target)
		attach(p, m.from, target)
		setPropagation(p, m.from, m.Options)
		shut(p, m.from, target)
	default:
		fs := FileSystem{Type: m.Type, Source: m.Source, Flags: m.Flags, Data: m.Data, Attr: m.Attr.Set | m.RecAttr.Set}
		if fs.Attr&unix.MOUNT_ATTR_RDONLY != 0 && !slices.Contains(sharedTypes[:], m.Type) {
			fs.Flags = append([]string{"ro"}, fs.Flags...)
		}
		if fs.Source == "" {
			fs.Source = m.Type
		}
		// What others are mounted on, or devices are made in, is made
		// read-only when that is done.
		seal := m.Type == "tmpfs" && fs.Attr&unix.MOUNT_ATTR_RDONLY != 0
		if seal {
			fs.Attr &^= unix.MOUNT_ATTR_RDONLY
		}
		mount := fs.Make(p)
		if m.RootLabel != "" {
			setLabel(p, mount, m.RootLabel)
		}
		// A symlink in the place of /proc or /sys would make the paths that
		// are masked and the labels that are written later something else.
		flags := unix.O_PATH
		if m.Type == "proc" || m.Type == "sysfs" {
			flags |= unix.O_DIRECTORY | unix.O_NOFOLLOW
		}
		p.OpenIn(root, m.Dest, clone.MakeDir, 0, flags, dirMode, target)
		if m.CopyUp {
			p.CopyTree(target, mount)
		}
		attach(p, mount, target)
		setPropagation(p, mount, m.Options)
		shut(p, target)
		if seal {
			m.late = mount
		} else {
			shut(p, mount)
		}
	}
}

// Seal makes read-only what had to be written to until now.
func Seal(p *clone.Program, mounts []*Mount) {
	for _, m := range mounts {
		if m.late != 0 {
			m.begin(p)
			setAttr(p, clone.In(m.late), "", false, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
			shut(p, m.late)
		}
	}
}

// Source is the absolute path of what an entry of config.json's mounts binds.
func Source(m specs.Mount, bundle string) string {
	if path.IsAbs(m.Source) {
		return m.Source
	}
	return path.Join(bundle, m.Source)
}

// IsBind says whether an entry of config.json's mounts is a bind mount.
func IsBind(m specs.Mount) bool {
	o, _ := Parse(m.Options)
	return o.Bind || m.Type == "bind"
}
