package clone

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The rules of child.go hold in this file.

// copyTree is Program.CopyTree. Its recursion is a stack in the arena.
//
//go:norace
//go:nocheckptr
//go:noinline
func copyTree(base unsafe.Pointer, src, dst uintptr) syscall.Errno {
	c := at[copyState](base, (*header)(base).copy)
	if e := enter(base, 0, src, dst, 0); e != 0 {
		return e
	}
	for depth := uintptr(0); ; {
		l := (*copyLevel)(unsafe.Add(unsafe.Pointer(c), depth*unsafe.Sizeof(copyLevel{})))
		if l.pos >= l.n {
			n, e := rawSyscall6(unix.SYS_GETDENTS64, l.src, uintptr(unsafe.Pointer(&l.buf)), unsafe.Sizeof(l.buf), 0, 0, 0)
			if e != 0 {
				return e
			}
			l.pos, l.n = 0, n
			if n == 0 {
				leave(base, l)
				if depth == 0 {
					return 0
				}
				depth--
				continue
			}
		}
		ent := unsafe.Add(unsafe.Pointer(&l.buf), l.pos)
		l.pos += uintptr(*(*uint16)(unsafe.Add(ent, direntReclen)))
		name := uintptr(ent) + direntName
		if c0, c1, c2 := ch(ent, direntName), ch(ent, direntName+1), ch(ent, direntName+2); c0 == '.' && (c1 == 0 || c1 == '.' && c2 == 0) {
			continue
		}
		isDir, e := copyName(base, l, name)
		if e != 0 {
			return e
		}
		if isDir {
			if depth++; depth == copyDepth {
				return unix.ELOOP
			}
			if e := enter(base, depth, l.src, l.dst, name); e != 0 {
				return e
			}
		}
	}
}

// enter opens the directory name, or with name 0 the directories themselves,
// in src and dst as level depth.
//
//go:norace
//go:nocheckptr
//go:noinline
func enter(base unsafe.Pointer, depth, src, dst, name uintptr) (e syscall.Errno) {
	c := at[copyState](base, (*header)(base).copy)
	l := (*copyLevel)(unsafe.Add(unsafe.Pointer(c), depth*unsafe.Sizeof(copyLevel{})))
	if name == 0 {
		s := at[scratch](base, (*header)(base).scratch)
		s.link[0], s.link[1] = '.', 0
		name = uintptr(unsafe.Pointer(&s.link))
	}
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	l.src, e = rawSyscall6(unix.SYS_OPENAT, src, name, flags, 0, 0, 0)
	if e != 0 {
		return e
	}
	l.dst, e = rawSyscall6(unix.SYS_OPENAT, dst, name, flags, 0, 0, 0)
	l.pos, l.n = 0, 0
	return e
}

// leave gives the directory that was filled its owner, mode and times, and
// closes it. Its source was open, so none of this can fail for a reason that
// the copy could mend.
//
//go:norace
//go:nocheckptr
//go:noinline
func leave(base unsafe.Pointer, l *copyLevel) {
	if statx(base, l.src) == 0 {
		setOwner(base, l.dst, 0)
		setTimes(base, l.dst, 0)
	}
	closeUnless(l.src, 0)
	closeUnless(l.dst, 0)
}

// copyName copies one directory entry; a directory is only made.
//
//go:norace
//go:nocheckptr
//go:noinline
func copyName(base unsafe.Pointer, l *copyLevel, name uintptr) (isDir bool, e syscall.Errno) {
	s := at[scratch](base, (*header)(base).scratch)
	stat := unsafe.Pointer(&s.stat)
	_, e = rawSyscall6(unix.SYS_STATX, l.src, name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, uintptr(stat), 0)
	if e != 0 {
		return false, e
	}
	mode := uintptr(*(*uint16)(unsafe.Add(stat, statxMode)))
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		_, e = rawSyscall6(unix.SYS_MKDIRAT, l.dst, name, 0o700, 0, 0, 0)
		return true, e
	case unix.S_IFREG:
		e = copyFile(l, name)
	case unix.S_IFLNK:
		var n uintptr
		n, e = rawSyscall6(unix.SYS_READLINKAT, l.src, name, uintptr(unsafe.Pointer(&s.link)), pathMax-1, 0, 0)
		if e == 0 {
			setCh(unsafe.Pointer(&s.link), n, 0)
			_, e = rawSyscall6(unix.SYS_SYMLINKAT, uintptr(unsafe.Pointer(&s.link)), l.dst, name, 0, 0, 0)
		}
	default:
		major, minor := uintptr(*(*uint32)(unsafe.Add(stat, statxMajor))), uintptr(*(*uint32)(unsafe.Add(stat, statxMinor)))
		dev := minor&0xff | major&0xfff<<8 | minor&^0xff<<12
		_, e = rawSyscall6(unix.SYS_MKNODAT, l.dst, name, mode, dev, 0, 0)
	}
	if e == 0 {
		setOwner(base, l.dst, name)
		setTimes(base, l.dst, name)
	}
	return false, e
}

// copyFile copies a regular file. Should it be a fifo by now, it is an error
// (sendfile(2)): O_NONBLOCK, or the open would wait for a writer.
//
//go:norace
//go:nocheckptr
//go:noinline
func copyFile(l *copyLevel, name uintptr) syscall.Errno {
	in, e := rawSyscall6(unix.SYS_OPENAT, l.src, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0, 0, 0)
	if e != 0 {
		return e
	}
	out, e := rawSyscall6(unix.SYS_OPENAT, l.dst, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600, 0, 0)
	if e != 0 {
		return e
	}
	for {
		n, err := rawSyscall6(unix.SYS_SENDFILE, out, in, 0, 1<<30, 0, 0)
		if err == unix.EINTR {
			continue
		}
		if e = err; e != 0 || n == 0 {
			break
		}
	}
	closeUnless(in, 0)
	closeUnless(out, 0)
	return e
}

// setOwner gives dir/name, or dir itself with name 0, the owner and the mode
// of scratch.stat. An owner that the user namespace does not map, or that we
// may not give, is left as it is.
//
//go:norace
//go:nocheckptr
//go:noinline
func setOwner(base unsafe.Pointer, dir, name uintptr) {
	s := at[scratch](base, (*header)(base).scratch)
	stat := unsafe.Pointer(&s.stat)
	uid, gid := uintptr(*(*uint32)(unsafe.Add(stat, statxUID))), uintptr(*(*uint32)(unsafe.Add(stat, statxGID)))
	mode := uintptr(*(*uint16)(unsafe.Add(stat, statxMode)))
	if name == 0 {
		rawSyscall6(SysFchown, dir, uid, gid, 0, 0, 0)
		rawSyscall6(unix.SYS_FCHMOD, dir, mode&0o7777, 0, 0, 0, 0)
		return
	}
	rawSyscall6(unix.SYS_FCHOWNAT, dir, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW, 0)
	if mode&unix.S_IFMT != unix.S_IFLNK {
		rawSyscall6(unix.SYS_FCHMODAT, dir, name, mode&0o7777, 0, 0, 0)
	}
}

// setTimes gives dir/name, or dir itself with name 0, the times of scratch.stat.
//
//go:norace
//go:nocheckptr
//go:noinline
func setTimes(base unsafe.Pointer, dir, name uintptr) {
	s := at[scratch](base, (*header)(base).scratch)
	c := at[copyState](base, (*header)(base).copy)
	stat := unsafe.Pointer(&s.stat)
	c.times[0], c.times[1] = *(*int64)(unsafe.Add(stat, statxAtime)), int64(*(*uint32)(unsafe.Add(stat, statxAtime+8)))
	c.times[2], c.times[3] = *(*int64)(unsafe.Add(stat, statxMtime)), int64(*(*uint32)(unsafe.Add(stat, statxMtime+8)))
	flags := uintptr(unix.AT_SYMLINK_NOFOLLOW)
	if name == 0 {
		flags = 0 // EINVAL otherwise: there is no name to follow
	}
	rawSyscall6(sysUtimensat, dir, name, uintptr(unsafe.Pointer(&c.times)), flags, 0, 0)
}
