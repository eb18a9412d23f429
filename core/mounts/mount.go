package mounts

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/clone"
)

// dirMode is what directories are made with that a mount or a path needs.
const dirMode = 0o755

// A Mount is one entry of config.json's mounts, ready to be compiled.
type Mount struct {
	Options
	Field     string
	Dest      string // absolute and clean
	Type      string
	Source    string      // of a bind mount: absolute
	RootLabel string      // of SELinux, for the root of a new file system; or ""
	Owners    *IDMap      // nil: as they are
	from      clone.Reg   // detached copy of a bind mount's source
	late      clone.Reg   // attached mount that Seal makes read-only
	links     [][2]string // symlinks in it: target, name
}

// sharedTypes are file systems of which the kernel keeps one instance for
// several mounts, or whose instance nobody else sees: "ro" is then this
// mount's own matter, not the file system's.
var sharedTypes = [...]string{"proc", "sysfs", "mqueue", "devpts", "tmpfs", "cgroup", "cgroup2"}

// copies says whether the mount is a copy of one of the host.
func (m *Mount) copies() bool { return m.Bind && !m.Remount }

func (m *Mount) begin(p *clone.Program) { p.Begin(m.Field, m.Dest) }

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

// BindHost binds the host's sysfs or procfs where a mount of type kind asks for
// a new one, which the kernel refuses to whoever does not own the namespace
// that it shows. It returns a warning for each.
func BindHost(mounts []*Mount, kind, dir, namespace string) (warnings []string) {
	for _, m := range mounts {
		if m.Bind || m.Remount || m.Type != kind {
			continue
		}
		m.Bind, m.Recursive, m.Source = true, true, dir
		warnings = append(warnings, fmt.Sprintf("%s: the host's %s is bound: a user namespace may mount %s only with a %s namespace of its own", m.Field, dir, kind, namespace))
		if words := m.vain(); len(words) > 0 {
			warnings = append(warnings, fmt.Sprintf("%s.options: %s has no effect on it", m.Field, strings.Join(words, ",")))
		}
	}
	return warnings
}

// open makes the detached copy of a bind mount's source.
func (m *Mount) open(p *clone.Program) {
	flags := 0
	if m.Recursive {
		flags |= unix.AT_RECURSIVE
	}
	if m.SrcNoFollow || m.CopySymlink {
		flags |= unix.AT_SYMLINK_NOFOLLOW
	}
	m.from = Clone(p, m.Source, flags, m.Field)
	if m.Owners != nil {
		m.Owners.apply(p, m.from)
	}
	setAttrs(p, m.from, m.Options)
}

// Attach makes the mounts, in order.
func Attach(p *clone.Program, root clone.Reg, mounts []*Mount) {
	for _, m := range mounts {
		m.begin(p)
		switch {
		case m.Remount:
			m.remount(p, root)
		case m.CopySymlink:
			m.copySymlink(p, root)
		case m.Bind:
			m.bind(p, root)
		default:
			m.create(p, root)
		}
	}
}

func (m *Mount) remount(p *clone.Program, root clone.Reg) {
	target := p.Reg("target")
	p.OpenIn(root, m.Dest, clone.MustExist, 0, unix.O_PATH, 0, target)
	setAttrs(p, target, m.Options)
	setPropagation(p, target, m.Options)
	if words := slices.Concat(m.Flags, m.Data); !m.Bind && len(words) > 0 {
		reconfigure(p, target, words)
	}
	shut(p, target)
}

func (m *Mount) bind(p *clone.Program, root clone.Reg) {
	target := p.Reg("target")
	p.OpenIn(root, m.Dest, clone.MakeLike, m.from, m.targetFlags(), dirMode, target)
	attach(p, m.from, target)
	setPropagation(p, m.from, m.Options)
	shut(p, m.from, target)
}

// targetFlags are those of openat2(2) for what is mounted on. A symlink in the
// place of /proc or /sys would make the paths that are masked and the labels
// that are written later something else.
func (m *Mount) targetFlags() int {
	switch {
	case m.Type == "proc" || m.Type == "sysfs":
		return unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW
	case m.DestNoFollow:
		return unix.O_PATH | unix.O_NOFOLLOW
	}
	return unix.O_PATH
}

// copySymlink makes a source that is a symlink anew, in the place of a symlink
// that is there; any other source it binds.
func (m *Mount) copySymlink(p *clone.Program, root clone.Reg) {
	length, parent, made := p.Reg("length"), p.Reg("parent"), p.Reg("made")
	text := p.Data(make([]byte, unix.PathMax))
	noLink := errno(unix.ENOENT)
	p.Call(unix.SYS_READLINKAT, clone.In(m.from), p.Str(""), text, clone.Num(unix.PathMax-1)).Ignore(unix.ENOENT).Save(length)
	p.When(length, noLink, func() { m.bind(p, root) })
	dir, name := path.Split(m.Dest)
	link := func() *clone.Insn {
		return p.Call(unix.SYS_SYMLINKAT, text, clone.In(parent), p.Str(name))
	}
	p.WhenNot(length, noLink, func() {
		p.OpenIn(root, dir, clone.MakeDir, 0, unix.O_PATH|unix.O_DIRECTORY, dirMode, parent)
		link().Ignore(unix.EEXIST).Save(made)
	})
	p.When(made, errno(unix.EEXIST), func() {
		old := p.Reg("old")
		p.OpenIn(parent, name, clone.MustExist, 0, unix.O_PATH|unix.O_NOFOLLOW, 0, old)
		p.Must(old, unix.S_IFLNK, 0, 0, unix.EEXIST)
		p.Call(unix.SYS_UNLINKAT, clone.In(parent), p.Str(name), clone.Num(0))
		link()
		shut(p, old)
	})
	p.WhenNot(length, noLink, func() { shut(p, parent, m.from) })
}

// fileSystem is the new file system that the mount is of.
func (m *Mount) fileSystem() FileSystem {
	fs := FileSystem{Type: m.Type, Source: m.Source, Flags: m.Flags, Data: m.Data, Attr: m.Attr.Set | m.RecAttr.Set}
	if fs.Attr&unix.MOUNT_ATTR_RDONLY != 0 && !slices.Contains(sharedTypes[:], m.Type) {
		fs.Flags = append([]string{"ro"}, fs.Flags...)
	}
	if fs.Source == "" {
		fs.Source = m.Type
	}
	return fs
}

func (m *Mount) create(p *clone.Program, root clone.Reg) {
	fs, target := m.fileSystem(), p.Reg("target")
	// What others are mounted on, or devices are made in, is made read-only
	// when that is done.
	seal := m.Type == "tmpfs" && fs.Attr&unix.MOUNT_ATTR_RDONLY != 0
	if seal {
		fs.Attr &^= unix.MOUNT_ATTR_RDONLY
	}
	var mount clone.Reg
	if !fs.long() {
		mount = fs.Make(p)
	}
	covered := m.covered(p, root)
	p.OpenIn(root, m.Dest, clone.MakeDir, 0, m.targetFlags(), dirMode, target)
	if fs.long() {
		mount = fs.on(p, root, target, m.Dest)
	}
	if m.RootLabel != "" {
		setLabel(p, mount, m.RootLabel)
	}
	if covered != 0 {
		p.WhenNot(covered, errno(unix.ENOENT), func() { m.takeAfter(p, covered, mount) })
	}
	for _, l := range m.links {
		p.Call(unix.SYS_SYMLINKAT, p.Str(l[0]), clone.In(mount), p.Str(l[1]))
	}
	if !fs.long() {
		attach(p, mount, target)
	}
	setPropagation(p, mount, m.Options)
	shut(p, target)
	if seal {
		m.late = mount
	} else {
		shut(p, mount)
	}
}

// covered opens the directory that a tmpfs takes something from, which is its
// mode unless the options say one: -ENOENT if the root has none there, and
// register 0 if nothing is taken.
func (m *Mount) covered(p *clone.Program, root clone.Reg) clone.Reg {
	if _, mode := m.option("mode"); m.Type != "tmpfs" || mode && !m.CopyUp {
		return 0
	}
	r := p.Reg("covered")
	p.OpenIn(root, m.Dest, clone.MustExist, 0, m.targetFlags(), 0, r).Ignore(unix.ENOENT)
	return r
}

// takeAfter makes the tmpfs as the directory below is, but for what the options
// say.
func (m *Mount) takeAfter(p *clone.Program, covered, mount clone.Reg) {
	here := p.Str(".")
	if !m.CopyUp {
		mode := p.Reg("mode")
		p.Mode(covered, mode)
		p.Call(unix.SYS_FCHMODAT, clone.In(mount), here, clone.In(mode))
		shut(p, covered)
		return
	}
	p.CopyTree(covered, mount)
	shut(p, covered)
	for i, key := range []string{"uid", "gid"} {
		if id, ok := m.option(key); ok {
			ids := [2]clone.Arg{clone.Num(-1), clone.Num(-1)}
			ids[i] = clone.Num(uint32(number(id, 10)))
			p.Call(unix.SYS_FCHOWNAT, clone.In(mount), here, ids[0], ids[1], clone.Num(0))
		}
	}
	if mode, ok := m.option("mode"); ok {
		p.Call(unix.SYS_FCHMODAT, clone.In(mount), here, clone.Num(uint32(number(mode, 8))))
	}
}

// option is the last value that the options have for key.
func (m *Mount) option(key string) (value string, ok bool) {
	for _, w := range m.Data {
		if v, is := strings.CutPrefix(w, key+"="); is {
			value, ok = v, true
		}
	}
	return value, ok
}

// number reads what the kernel reads as well, and refuses if it is none.
func number(s string, base int) uint64 {
	n, _ := strconv.ParseUint(s, base, 32)
	return n
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
