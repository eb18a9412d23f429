package mounts

import (
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/clone"
)

// Below, a "mount" register holds the descriptor of a mount, detached or not,
// and "root" that of the container's root.

const (
	movePaths = unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_EMPTY_PATH
	treeFlags = unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC
)

// Clone makes a detached copy of the mount at an absolute path of the host. Of
// the flags of open_tree(2) it takes AT_RECURSIVE, for what is mounted below
// too, and AT_SYMLINK_NOFOLLOW.
func Clone(p *clone.Program, path string, flags int, name string) clone.Reg {
	r := p.Reg(name)
	p.Call(unix.SYS_OPEN_TREE, clone.Cwd, p.Str(path), clone.Num(treeFlags|flags)).Save(r)
	return r
}

// cloneFD is Clone of what a descriptor refers to.
func cloneFD(p *clone.Program, fd clone.Reg, recursive bool, name string) clone.Reg {
	r := p.Reg(name)
	cloneInto(p, fd, recursive, r)
	return r
}

// cloneInto is cloneFD into a register that is there.
func cloneInto(p *clone.Program, fd clone.Reg, recursive bool, mount clone.Reg) *clone.Insn {
	return p.Call(unix.SYS_OPEN_TREE, clone.In(fd), p.Str(""), clone.Num(treeFlags|unix.AT_EMPTY_PATH|recursion(recursive))).Save(mount)
}

func recursion(yes bool) int {
	if yes {
		return unix.AT_RECURSIVE
	}
	return 0
}

// setAttr changes a mount's attributes or propagation, mount_setattr(2).
func setAttr(p *clone.Program, mount clone.Arg, path string, recursive bool, a unix.MountAttr) *clone.Insn {
	flags := recursion(recursive)
	if path == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	return p.Call(unix.SYS_MOUNT_SETATTR, mount, p.Str(path), clone.Num(flags), p.Data(clone.Bytes(&a)), clone.Num(unsafe.Sizeof(a)))
}

func setAttrs(p *clone.Program, mount clone.Reg, o Options) {
	for _, a := range []struct {
		Attr
		recursive bool
	}{{o.Attr, false}, {o.RecAttr, true}} {
		if a.Set|a.Clear != 0 {
			setAttr(p, clone.In(mount), "", a.recursive, unix.MountAttr{Attr_set: a.Set, Attr_clr: a.Clear})
		}
	}
}

func setPropagation(p *clone.Program, mount clone.Reg, o Options) {
	for _, prop := range o.Prop {
		setAttr(p, clone.In(mount), "", prop.Recursive, unix.MountAttr{Propagation: prop.Type})
	}
}

// attach puts a mount, mostly a detached one, onto what target refers to.
func attach(p *clone.Program, mount, target clone.Reg) *clone.Insn {
	return p.Call(unix.SYS_MOVE_MOUNT, clone.In(mount), p.Str(""), clone.In(target), p.Str(""), clone.Num(movePaths))
}

func shut(p *clone.Program, fds ...clone.Reg) {
	for _, fd := range fds {
		p.Call(unix.SYS_CLOSE, clone.In(fd))
	}
}

// setLabel gives the root of a mount an SELinux label.
func setLabel(p *clone.Program, mount clone.Reg, label string) {
	dir := p.Reg("dir") // a mount's own descriptor is as one of O_PATH
	p.Call(unix.SYS_OPENAT, clone.In(mount), p.Str("."), clone.Num(unix.O_DIRECTORY|unix.O_CLOEXEC)).Save(dir)
	p.Call(unix.SYS_FSETXATTR, clone.In(dir), p.Str("security.selinux"), p.Str(label), clone.Num(len(label)), clone.Num(0))
	shut(p, dir)
}

// A FileSystem is what fsopen(2) and its following calls make a mount of.
type FileSystem struct {
	Type   string
	Source string
	Flags  []string // words without a value
	Data   []string // KEY=VALUE, or KEY
	Attr   uint64   // MOUNT_ATTR_*
}

// Make makes a new detached mount.
func (f FileSystem) Make(p *clone.Program) clone.Reg { return f.make(p) }

// MakeIfAllowed is Make, but where the kernel refuses the mount for want of
// privilege (EPERM), the register holds an errno's negative.
func (f FileSystem) MakeIfAllowed(p *clone.Program) clone.Reg {
	// Of what was refused, no descriptor is had, or no mount can be made.
	return f.make(p, unix.EPERM, unix.EBADF, unix.EINVAL)
}

func (f FileSystem) make(p *clone.Program, ignore ...unix.Errno) clone.Reg {
	mount := p.Reg("mount")
	f.makeAs(p, mount, ignore...)
	return mount
}

// makeAs is Make into a register that is there.
func (f FileSystem) makeAs(p *clone.Program, mount clone.Reg, ignore ...unix.Errno) {
	fs := p.Reg("fs")
	p.Call(unix.SYS_FSOPEN, p.Str(f.Type), clone.Num(unix.FSOPEN_CLOEXEC)).Ignore(ignore...).Save(fs)
	if f.Source != "" {
		fsconfig(p, fs, unix.FSCONFIG_SET_STRING, p.Str("source"), p.Str(f.Source)).Ignore(ignore...)
	}
	configure(p, fs, slices.Concat(f.Flags, f.Data), ignore...)
	fsconfig(p, fs, unix.FSCONFIG_CMD_CREATE, clone.Num(0), clone.Num(0)).Ignore(ignore...)
	p.Call(unix.SYS_FSMOUNT, clone.In(fs), clone.Num(unix.FSMOUNT_CLOEXEC), clone.Num(uintptr(f.Attr))).Ignore(ignore...).Log(fs).Save(mount)
	p.Call(unix.SYS_CLOSE, clone.In(fs)).Ignore(ignore...)
}

// long says whether an option has more than fsconfig(2) takes.
func (f FileSystem) long() bool { return slices.ContainsFunc(f.Data, tooLong) }

// on makes a new mount on the directory target by mount(2), which takes options
// of any length. It is told of the place as the working directory, not by path;
// the result is the mount at path.
func (f FileSystem) on(p *clone.Program, root, target clone.Reg, path string) clone.Reg {
	flags := uintptr(0)
	for _, w := range f.Flags {
		flags |= superFlag(w)
	}
	for _, a := range []struct{ attr, flag uintptr }{
		{unix.MOUNT_ATTR_RDONLY, unix.MS_RDONLY}, {unix.MOUNT_ATTR_NOSUID, unix.MS_NOSUID}, {unix.MOUNT_ATTR_NODEV, unix.MS_NODEV},
		{unix.MOUNT_ATTR_NOEXEC, unix.MS_NOEXEC}, {unix.MOUNT_ATTR_NOATIME, unix.MS_NOATIME}, {unix.MOUNT_ATTR_STRICTATIME, unix.MS_STRICTATIME},
		{unix.MOUNT_ATTR_NODIRATIME, unix.MS_NODIRATIME}, {unix.MOUNT_ATTR_NOSYMFOLLOW, unix.MS_NOSYMFOLLOW},
	} {
		if uintptr(f.Attr)&a.attr != 0 {
			flags |= a.flag
		}
	}
	mount := p.Reg("mount")
	p.Call(unix.SYS_FCHDIR, clone.In(target))
	p.Call(unix.SYS_MOUNT, p.Str(f.Source), p.Str("."), p.Str(f.Type), clone.Num(flags), p.Str(strings.Join(f.Data, ",")))
	p.OpenIn(root, path, clone.MustExist, 0, unix.O_PATH|unix.O_DIRECTORY, 0, mount)
	return mount
}

// superFlag is the flag of mount(2) for a word of superWords, or ro.
func superFlag(word string) uintptr {
	switch word {
	case "ro":
		return unix.MS_RDONLY
	case "sync":
		return unix.MS_SYNCHRONOUS
	case "dirsync":
		return unix.MS_DIRSYNC
	case "lazytime":
		return unix.MS_LAZYTIME
	case "mand":
		return unix.MS_MANDLOCK
	}
	return 0
}

// reconfigure changes options of the file system that is mounted there.
func reconfigure(p *clone.Program, mount clone.Reg, words []string) {
	fs := p.Reg("fs")
	p.Call(unix.SYS_FSPICK, clone.In(mount), p.Str(""), clone.Num(unix.FSPICK_CLOEXEC|unix.FSPICK_EMPTY_PATH)).Save(fs)
	configure(p, fs, words)
	fsconfig(p, fs, unix.FSCONFIG_CMD_RECONFIGURE, clone.Num(0), clone.Num(0))
	shut(p, fs)
}

func configure(p *clone.Program, fs clone.Reg, words []string, ignore ...unix.Errno) {
	for _, word := range words {
		if key, value, ok := strings.Cut(word, "="); ok {
			fsconfig(p, fs, unix.FSCONFIG_SET_STRING, p.Str(key), p.Str(value)).Ignore(ignore...)
		} else {
			fsconfig(p, fs, unix.FSCONFIG_SET_FLAG, p.Str(word), clone.Num(0)).Ignore(ignore...)
		}
	}
}

func fsconfig(p *clone.Program, fs clone.Reg, cmd int, key, value clone.Arg) *clone.Insn {
	return p.Call(unix.SYS_FSCONFIG, clone.In(fs), clone.Num(cmd), key, value, clone.Num(0)).Log(fs)
}
