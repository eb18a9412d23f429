package mounts

import (
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/clone"
)

// Isolate ends the propagation of mounts from the new mount namespace to the
// host's; those of the host still come in, for binds that are slaves. A root
// that is to be shared gets no such cut: its bind mounts stay the peers of what
// they are made from. Only the root of the mount namespace is made private then:
// pivot_root(2) puts it elsewhere.
func Isolate(p *clone.Program, root *Prop) {
	if root.Shared() {
		setAttr(p, clone.Cwd, "/", false, unix.MountAttr{Propagation: unix.MS_PRIVATE})
		return
	}
	setAttr(p, clone.Cwd, "/", true, unix.MountAttr{Propagation: unix.MS_SLAVE})
}

// Shared says whether the propagation is shared.
func (p *Prop) Shared() bool { return p != nil && p.Type == unix.MS_SHARED }

// makeRoot makes a mount of the directory path, on top of it, and returns its
// descriptor. A shared one is made private for the time being: pivot_root(2)
// takes no other, nor one in a shared mount.
func makeRoot(p *clone.Program, path string, shared bool) clone.Reg {
	dir := OpenRoot(p, path, "rootfs")
	root := cloneFD(p, dir, true, "root")
	if shared {
		setAttr(p, clone.In(root), "", true, unix.MountAttr{Propagation: unix.MS_PRIVATE})
		isolateMount(p, dir)
	}
	attach(p, root, dir)
	shut(p, dir)
	return root
}

// maxParents is how many directories isolateMount looks at: one that is deeper
// in its mount is EINVAL.
const maxParents = 32

// isolateMount makes the mount that the directory dir is in private. That takes
// the mount's own root, mount_setattr(2): the directory, or one of those above.
func isolateMount(p *clone.Program, dir clone.Reg) {
	found := p.Reg("found")
	for i := range maxParents {
		up := strings.TrimSuffix(strings.Repeat("../", i), "/")
		try := setAttr(p, clone.In(dir), up, false, unix.MountAttr{Propagation: unix.MS_PRIVATE}).Save(found)
		if i > 0 {
			try.Unless(found, 0)
		}
		if i < maxParents-1 {
			try.Ignore(unix.EINVAL)
		}
	}
}

// Stack moves the root mount onto the root of the mount namespace. Paths are
// still resolved below it: the root directory is where it was.
func Stack(p *clone.Program, root clone.Reg) {
	top := p.Reg("top")
	p.Call(unix.SYS_OPENAT, clone.Cwd, p.Str("/"), clone.Num(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)).Save(top)
	attach(p, root, top)
	shut(p, top)
}

// Lift puts a copy of the root directory, with all that is mounted below, on top
// of the mount that has none below it, in a mount namespace that is the child's
// own, and makes that the root directory: pivot_root(2) can take the copy from
// its place. Of what is below, the mounts of proc and sysfs, at the paths kernel,
// are taken away: a user namespace inside could have those anew in which nothing
// is masked.
func Lift(p *clone.Program, prop *Prop, kernel []string) {
	Isolate(p, prop)
	lifted := Clone(p, "/", unix.AT_RECURSIVE, "lifted")
	step := p.Here()
	Uncover(p, kernel, prop.Shared())
	p.Begin(step.Field, step.Object)
	Stack(p, lifted)
	Chroot(p, lifted)
	shut(p, lifted)
}

// Unchroot makes a mount of the root directory, which is none after a chroot(2),
// and pivots to it: out of a mount namespace that is the child's own goes all
// that is outside of the directory.
func Unchroot(p *clone.Program, prop *Prop) {
	was, ns := p.Reg("was"), p.Reg("ns.mnt")
	p.Call(unix.SYS_OPENAT, clone.Cwd, p.Str("/"), clone.Num(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)).Save(was)
	// Who enters a mount namespace, also the own, has its root: out of a
	// directory of a shared mount, nothing could be done about its propagation.
	p.Call(unix.SYS_OPENAT, clone.Cwd, p.Str("/proc/self/ns/mnt"), clone.Num(unix.O_RDONLY|unix.O_CLOEXEC)).Save(ns)
	p.Call(unix.SYS_SETNS, clone.In(ns), clone.Num(unix.CLONE_NEWNS))
	Isolate(p, prop)
	root := cloneFD(p, was, true, "root")
	if prop.Shared() {
		setAttr(p, clone.In(root), "", false, unix.MountAttr{Propagation: unix.MS_PRIVATE})
	}
	Stack(p, root)
	Pivot(p, root, prop.Shared())
	shut(p, was, ns, root)
}

// OpenRoot opens the directory path, which must not be a symlink.
func OpenRoot(p *clone.Program, path, name string) clone.Reg {
	dir := p.Reg(name)
	p.Call(unix.SYS_OPENAT, clone.Cwd, p.Str(path), clone.Num(unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC)).Save(dir)
	return dir
}

// ReadOnlyRoot makes the root mount read-only, not what is mounted below it.
func ReadOnlyRoot(p *clone.Program, root clone.Reg) {
	setAttr(p, clone.In(root), "", false, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
}

// Propagate sets the propagation of the root mount, and of all below it if
// that is asked for. It comes last: pivot_root(2) takes no shared root, and
// what is unbindable cannot be copied for a path that is made read-only.
func Propagate(p *clone.Program, root clone.Reg, prop Prop) {
	setAttr(p, clone.In(root), "", prop.Recursive, unix.MountAttr{Propagation: prop.Type})
}

// Pivot makes root the root directory and detaches everything else.
// pivot_root(".", ".") stacks the old root over the new one, pivot_root(2).
// Mounts that are shared, as Isolate left them, are the host's peers: they are
// made slaves before they go, so that the host's do not go with them.
func Pivot(p *clone.Program, root clone.Reg, shared bool) {
	var old clone.Reg
	if shared {
		old = OpenRoot(p, "/", "old")
	}
	p.Call(unix.SYS_FCHDIR, clone.In(root))
	p.Call(unix.SYS_PIVOT_ROOT, p.Str("."), p.Str("."))
	if shared {
		setAttr(p, clone.In(old), "", true, unix.MountAttr{Propagation: unix.MS_SLAVE})
		shut(p, old)
	}
	p.Call(unix.SYS_UMOUNT2, p.Str("."), clone.Num(unix.MNT_DETACH))
}

// Uncover takes mounts of the host away, by their absolute paths. Those that are
// locked (mount_namespaces(7)), and those whose end would show up on the host
// because mounts are shared with it, are laid an empty directory over.
func Uncover(p *clone.Program, paths []string, shared bool) {
	for _, path := range paths {
		gone := p.Reg("gone")
		p.Begin("", path)
		cover := func() {
			target := OpenRoot(p, path, "target")
			setAttr(p, clone.In(target), "", false, unix.MountAttr{Propagation: unix.MS_PRIVATE})
			mount := emptyDir.Make(p)
			attach(p, mount, target)
			shut(p, mount, target)
		}
		if shared {
			cover()
			continue
		}
		p.Call(unix.SYS_UMOUNT2, p.Str(path), clone.Num(unix.MNT_DETACH)).Ignore(unix.EINVAL, unix.EPERM).Save(gone)
		p.WhenNot(gone, 0, cover)
	}
}

// ReadPropagation is the propagation that a word of propWords asks for, or nil.
func ReadPropagation(word string) *Prop {
	var o Options
	if !o.prop(word) {
		return nil
	}
	return &o.Prop[0]
}

// Chroot makes the directory root the root directory. After Stack, it stands in
// for pivot_root(2) where that cannot be had; but the host's mounts stay below, and a process
// with CAP_SYS_ADMIN in the container can get at them.
func Chroot(p *clone.Program, root clone.Reg) {
	p.Call(unix.SYS_FCHDIR, clone.In(root))
	p.Call(unix.SYS_CHROOT, p.Str("."))
}
