package clone

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The rules of child.go hold in this file.

// openIn is Program.OpenIn: it resolves a path below a root that others may be
// changing meanwhile. Every step is one openat2 from the root, and every name
// is made in a directory that such a step has opened.
//
//go:norace
//go:nocheckptr
//go:noinline
func openIn(base unsafe.Pointer, in *Insn) (uintptr, syscall.Errno) {
	s := at[scratch](base, (*header)(base).scratch)
	kind := arg(base, in, 2)
	if kind == MakeLike {
		if e := statx(base, arg(base, in, 3)); e != 0 {
			return 0, e
		}
		kind = MakeFile
		if uintptr(*(*uint16)(unsafe.Add(unsafe.Pointer(&s.stat), statxMode)))&unix.S_IFMT == unix.S_IFDIR {
			kind = MakeDir
		}
	}
	if !copyPath(base, unsafe.Pointer(&s.path), 0, arg(base, in, 1)-uintptr(base)) {
		return 0, unix.ENAMETOOLONG
	}
	for links := 0; links < maxSymlinks; links++ {
		fd, e := openat2(base, arg(base, in, 0), arg(base, in, 4))
		if e != unix.ENOENT || kind == MustExist {
			return fd, e
		}
		if e := makePath(base, in, kind); e != 0 {
			return 0, e
		}
	}
	return 0, unix.ELOOP
}

// makePath makes what scratch.path lacks. It returns 0 with the path made, or
// with the first dangling symlink in it replaced by its target: the caller
// opens again.
//
//go:norace
//go:nocheckptr
//go:noinline
func makePath(base unsafe.Pointer, in *Insn, kind uintptr) (result syscall.Errno) {
	p := unsafe.Pointer(&at[scratch](base, (*header)(base).scratch).path)
	root := arg(base, in, 0)
	parent := root
	for end := uintptr(0); ; {
		start := end
		for ch(p, start) == '/' {
			start++
		}
		if ch(p, start) == 0 {
			break
		}
		end = start
		for ch(p, end) != '/' && ch(p, end) != 0 {
			end++
		}
		rest := end
		for ch(p, rest) == '/' {
			rest++
		}
		border := ch(p, end)
		setCh(p, end, 0)
		// Where all that lead to the last are there, that is what was not found.
		last := ch(p, rest) == 0
		fd, e := root, syscall.Errno(unix.ENOENT)
		if !last {
			fd, e = openat2(base, root, unix.O_PATH|unix.O_CLOEXEC)
		}
		if e == unix.ENOENT {
			perm := uintptr(0o755)
			if last {
				perm = arg(base, in, 5)
			}
			if kind == MakeFile && last {
				_, e = rawSyscall6(unix.SYS_MKNODAT, parent, uintptr(p)+start, unix.S_IFREG|perm, 0, 0, 0)
			} else {
				_, e = rawSyscall6(unix.SYS_MKDIRAT, parent, uintptr(p)+start, perm, 0, 0, 0)
			}
			if e == unix.EEXIST && last {
				// It may be there by now: as what must not be followed, such as the
				// link to the descriptor parent.
				if fd, e = openat2(base, root, unix.O_PATH|unix.O_CLOEXEC); e == 0 {
					closeUnless(fd, root)
					setCh(p, end, border)
					break
				}
				if e == unix.ENOENT {
					e = unix.EEXIST
				}
			}
			if e == unix.EEXIST {
				e = spliceLink(base, parent, start, end, border)
				closeUnless(parent, root)
				return e
			}
			if e == 0 && !last {
				fd, e = openat2(base, root, unix.O_PATH|unix.O_CLOEXEC)
			} else if e == 0 {
				setCh(p, end, border)
				break
			}
		}
		setCh(p, end, border)
		closeUnless(parent, root)
		if e != 0 {
			return e
		}
		parent = fd
	}
	closeUnless(parent, root)
	return 0
}

// spliceLink puts the target of the symlink scratch.path[start:end] in its
// place. It is cut at end, where border belongs. A name that is no symlink was
// made by somebody else just now: nothing to do.
//
//go:norace
//go:nocheckptr
//go:noinline
func spliceLink(base unsafe.Pointer, parent, start, end uintptr, border byte) syscall.Errno {
	s := at[scratch](base, (*header)(base).scratch)
	p, l := unsafe.Pointer(&s.path), unsafe.Pointer(&s.link)
	n, e := rawSyscall6(unix.SYS_READLINKAT, parent, uintptr(p)+start, uintptr(l), pathMax-1, 0, 0)
	setCh(p, end, border)
	if e == unix.EINVAL || e == unix.ENOENT {
		return 0
	}
	if e != 0 {
		return e
	}
	if ch(l, 0) == '/' {
		start = 0
	}
	tail := end
	for ch(p, tail) != 0 {
		tail++
	}
	if start+n+(tail-end) >= pathMax {
		return unix.ENAMETOOLONG
	}
	// Move the tail with its NUL, from the side that is not overwritten.
	to := start + n
	if to > end {
		for i := tail - end; ; i-- {
			setCh(p, to+i, ch(p, end+i))
			if i == 0 {
				break
			}
		}
	} else {
		for i := uintptr(0); i <= tail-end; i++ {
			setCh(p, to+i, ch(p, end+i))
		}
	}
	for i := uintptr(0); i < n; i++ {
		setCh(p, start+i, ch(l, i))
	}
	return 0
}

// openat2 opens scratch.path, or "." for an empty one, below root.
//
//go:norace
//go:nocheckptr
//go:noinline
func openat2(base unsafe.Pointer, root, flags uintptr) (uintptr, syscall.Errno) {
	s := at[scratch](base, (*header)(base).scratch)
	s.how.flags, s.how.mode = uint64(flags), 0
	s.how.resolve = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS
	if s.path[0] == 0 {
		s.path[0], s.path[1] = '.', 0
	}
	for i := 0; ; i++ {
		fd, e := rawSyscall6(unix.SYS_OPENAT2, root, uintptr(unsafe.Pointer(&s.path)), uintptr(unsafe.Pointer(&s.how)), unsafe.Sizeof(s.how), 0, 0)
		if (e == unix.EAGAIN || e == unix.EINTR) && i < maxAgain {
			continue
		}
		return fd, e
	}
}

// copyPath copies the string at offset off of the arena to dst+at, and says
// whether it fits a path.
//
//go:norace
//go:nocheckptr
//go:noinline
func copyPath(base, dst unsafe.Pointer, at, off uintptr) bool {
	for i := uintptr(0); at+i < pathMax; i++ {
		c := ch(base, off+i)
		setCh(dst, at+i, c)
		if c == 0 {
			return true
		}
	}
	return false
}

//go:norace
//go:nocheckptr
func ch(p unsafe.Pointer, i uintptr) byte { return *(*byte)(unsafe.Add(p, i)) }

//go:norace
//go:nocheckptr
func setCh(p unsafe.Pointer, i uintptr, c byte) { *(*byte)(unsafe.Add(p, i)) = c }

//go:norace
//go:nocheckptr
//go:noinline
func closeUnless(fd, keep uintptr) {
	if fd != keep {
		rawSyscall6(unix.SYS_CLOSE, fd, 0, 0, 0, 0, 0)
	}
}
