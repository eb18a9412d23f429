package mounts

import (
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
)

// Isolate ends the propagation of mounts from the new mount namespace to the
// host's; those of the host still come in, for binds that are slaves.
func Isolate(p *clone.Program) {
	setAttr(p, clone.Cwd, "/", true, unix.MountAttr{Propagation: unix.MS_SLAVE})
}

// Root makes a mount of the directory path, on top of it, and returns its
// descriptor.
func Root(p *clone.Program, path string) clone.Reg {
	dir := OpenRoot(p, path, "rootfs")
	root := cloneFD(p, dir, true, "root")
	attach(p, root, dir)
	shut(p, dir)
	return root
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

// Pivot makes root the root directory and detaches everything else.
// pivot_root(".", ".") stacks the old root over the new one, pivot_root(2).
func Pivot(p *clone.Program, root clone.Reg) {
	p.Call(unix.SYS_FCHDIR, clone.In(root))
	p.Call(unix.SYS_PIVOT_ROOT, p.Str("."), p.Str("."))
	p.Call(unix.SYS_UMOUNT2, p.Str("."), clone.Num(unix.MNT_DETACH))
}

// Chroot makes the directory root the root directory.
func Chroot(p *clone.Program, root clone.Reg) {
	p.Call(unix.SYS_FCHDIR, clone.In(root))
	p.Call(unix.SYS_CHROOT, p.Str("."))
}
