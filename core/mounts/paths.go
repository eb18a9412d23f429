package mounts

import (
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
)

const maskedPaths = "linux.maskedPaths"

// null opens the host's /dev/null, which Mask hides files under: whatever the
// container's root has in that place is not asked.
func null(p *clone.Program) clone.Reg {
	fd := p.Reg("null")
	p.Call(unix.SYS_OPENAT, clone.Cwd, p.Str("/dev/null"), clone.Num(unix.O_PATH|unix.O_CLOEXEC)).Save(fd)
	p.Must(fd, unix.S_IFCHR, 1, 3, unix.ENXIO)
	return fd
}

// emptyDir is what a directory is hidden under.
var emptyDir = FileSystem{Type: "tmpfs", Source: "tmpfs", Attr: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC}

// openIfThere opens a path; the register holds an errno's negative if nothing
// is there.
func openIfThere(p *clone.Program, root clone.Reg, path string) clone.Reg {
	fd := p.Reg("target")
	p.OpenIn(root, path, clone.MustExist, 0, unix.O_PATH, 0, fd).Ignore(unix.ENOENT, unix.ENOTDIR)
	return fd
}

// Mask hides paths: a file under null, a directory under an empty read-only
// tmpfs, one for all of them. What is not there needs no hiding.
func Mask(p *clone.Program, root clone.Reg, paths []string, null clone.Reg) {
	if len(paths) == 0 {
		return
	}
	empty := p.RegOfNone("empty")
	for i, path := range paths {
		p.Begin(fault.At(maskedPaths, i), path)
		target, isDir := openIfThere(p, root, path), p.Reg("isdir")
		p.IsDir(target, isDir)
		mount := p.Reg("mount")
		// The first has the tmpfs made, and the others get a copy of its mount. (Before Linux
		// 6.15 there is none of a mount that is not attached.)
		p.When(isDir, 1, func() { cloneInto(p, empty, false, mount).Ignore(unix.EBADF) })
		p.When(mount, errno(unix.EBADF), func() {
			emptyDir.makeAs(p, empty)
			attach(p, empty, target)
		})
		p.When(isDir, 0, func() {
			cloneInto(p, null, false, mount)
			// The inode is the host's own: not to be changed from inside.
			// Read-only leaves what a device does with a write as it is.
			setAttr(p, clone.In(mount), "", false, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC})
		})
		p.WhenNot(isDir, errno(unix.EBADF), func() {
			attach(p, mount, target).Ignore(unix.EBADF)
			p.Call(unix.SYS_CLOSE, clone.In(mount)).Ignore(unix.EBADF)
			shut(p, target)
		})
	}
	p.Call(unix.SYS_CLOSE, clone.In(empty)).Ignore(unix.EBADF)
}

// ReadOnly puts a read-only copy of what is there onto each path.
func ReadOnly(p *clone.Program, root clone.Reg, paths []string) {
	for i, path := range paths {
		p.Begin(fault.At("linux.readonlyPaths", i), path)
		target, isDir := openIfThere(p, root, path), p.Reg("isdir")
		p.IsDir(target, isDir)
		p.WhenNot(isDir, errno(unix.EBADF), func() {
			mount := cloneFD(p, target, true, "mount")
			setAttr(p, clone.In(mount), "", false, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
			attach(p, mount, target)
			shut(p, mount, target)
		})
	}
}
