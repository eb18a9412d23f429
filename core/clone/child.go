package clone

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Everything in this file, in open.go, copy.go, spawn.go and image.go runs in the child
// between clone3 and execve, on the copy of the one thread that cloned. The Go
// runtime's other threads are gone, and their locks may be held for ever. So,
// for each function here:
//
//   - no allocation, no map, no interface, no defer, no panic, no call but of
//     these functions and rawSyscall6;
//   - no store of a Go pointer, which could meet a write barrier: memory is
//     reached from base by offset, and words are uintptr;
//   - norace and nocheckptr, so that no instrumentation calls anything either;
//   - it touches nothing but the arena and its own stack frame, on the thread's
//     system stack, which does not grow. There may be no heap, and no stack of a
//     goroutine: fork3.
//
// TestChildCalls disassembles them and fails on any other call.

// Words that the parent sends: go on.
const wordGo = 1

const (
	maxSymlinks = 40  // as the kernel's own MAXSYMLINKS
	maxAgain    = 128 // openat2 says EAGAIN when a rename raced with ".."
	exitFailed  = 1
	tellMode    = unix.S_IFMT // for a file type, in an opStat
)

//go:norace
//go:nocheckptr
func at[T any](base unsafe.Pointer, off uintptr) *T { return (*T)(unsafe.Add(base, off)) }

// run carries out the program in the arena at base. It does not return.
//
//go:norace
//go:nocheckptr
//go:noinline
func run(base unsafe.Pointer) {
	h := (*header)(base)
	for ; h.pc < h.ncode; h.pc++ {
		in := (*Insn)(unsafe.Add(base, h.code+uintptr(h.pc)*insnSize))
		if in.cond != 0 && (reg(base, in.cond) == in.value) == (in.flags&negated != 0) {
			h.state = stateSkipped
			continue
		}
		h.state, h.errno = stateRunning, 0
		ret, errno := step(base, in)
		h.errno = uint32(errno)
		if errno != 0 && !ignored(in, errno) {
			fail(base, in, errno)
		}
		if errno != 0 {
			ret = -uintptr(errno)
		}
		if in.save != 0 {
			setReg(base, in.save, ret)
		}
		h.state = stateDone
	}
	exit(exitFailed)
}

//go:norace
//go:nocheckptr
//go:noinline
func step(base unsafe.Pointer, in *Insn) (uintptr, syscall.Errno) {
	// No switch is of eight cases or more, which would be a table far from here in the program, and
	// a page fault more in every child.
	if in.op == opCall {
		r, e := rawSyscall6(uintptr(in.nr), arg(base, in, 0), arg(base, in, 1), arg(base, in, 2), arg(base, in, 3), arg(base, in, 4), arg(base, in, 5))
		return r, e
	}
	switch in.op {
	case opOpen:
		return openIn(base, in)
	case opStat:
		return fileType(base, in)
	case opWait:
		return 0, wait(base, arg(base, in, 0))
	case opReport:
		return 0, report(base, msgReached, 0)
	case opFork:
		return 0, fork(base, in)
	case opExec:
		return 0, exec(base, in)
	case opImage:
		return 0, image(base, in)
	}
	switch in.op {
	case opAccept:
		return accept(base, in)
	case opFind:
		return 0, find(base, in)
	case opSendFD:
		return 0, sendFD(base, in)
	case opReceive:
		return receiveFD(base, arg(base, in, 0))
	case opOwner:
		return owner(base, in)
	case opAmbient:
		return 0, ambient(base)
	case opSpawn:
		return 0, spawn(base, in)
	}
	if in.op == opCopy {
		return 0, copyTree(base, arg(base, in, 0), arg(base, in, 1))
	}
	return 0, unix.ENOSYS
}

//go:norace
//go:nocheckptr
//go:noinline
func reg(base unsafe.Pointer, r Reg) uintptr {
	return *(*uintptr)(unsafe.Add(base, (*header)(base).regs+uintptr(r)*wordSize))
}

//go:norace
//go:nocheckptr
//go:noinline
func setReg(base unsafe.Pointer, r Reg, v uintptr) {
	*(*uintptr)(unsafe.Add(base, (*header)(base).regs+uintptr(r)*wordSize)) = v
}

// arg is argument i of the instruction: its register or its word read, and of what is in the
// data the address.
//
//go:norace
//go:nocheckptr
//go:noinline
func arg(base unsafe.Pointer, in *Insn, i uintptr) uintptr {
	v := *(*uint32)(unsafe.Add(unsafe.Pointer(in), unsafe.Offsetof(in.args)+i*4))
	kind := argKind(in.kinds >> (kindBits * i & 15) & (1<<kindBits - 1))
	if kind == argNumber {
		return uintptr(int32(v))
	}
	if kind == argReg {
		return reg(base, Reg(v))
	}
	data := (*header)(base).data + uintptr(v)
	if kind == argWide {
		return *at[uintptr](base, data)
	}
	return uintptr(base) + data
}

//go:norace
//go:nocheckptr
//go:noinline
func ignored(in *Insn, e syscall.Errno) bool {
	n := uint16(e)
	return in.ignore[0] == n || in.ignore[1] == n || in.ignore[2] == n
}

//go:norace
//go:nocheckptr
//go:noinline
func exit(status uintptr) {
	for {
		rawSyscall6(unix.SYS_EXIT_GROUP, status, 0, 0, 0, 0, 0)
	}
}

// wait returns when the parent has sent a word, and exits when it is gone.
//
//go:norace
//go:nocheckptr
//go:noinline
func wait(base unsafe.Pointer, fd uintptr) syscall.Errno {
	s := at[scratch](base, (*header)(base).scratch)
	for {
		n, e := rawSyscall6(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&s.word)), 1, 0, 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e == 0 && n == 0 {
			exit(exitFailed)
		}
		return e
	}
}

// report sends a message, with the label and nlog bytes of scratch.text after
// it.
//
//go:norace
//go:nocheckptr
//go:noinline
func report(base unsafe.Pointer, kind uint32, nlog uintptr) syscall.Errno {
	h := (*header)(base)
	s := at[scratch](base, h.scratch)
	s.msg.kind, s.msg.pc, s.msg.errno = kind, h.pc, h.errno
	s.iov[0].base, s.iov[0].len = uintptr(unsafe.Pointer(&s.msg)), unsafe.Sizeof(s.msg)
	s.iov[1].base, s.iov[1].len = 0, 0
	if h.labeled != 0 && h.pc >= h.labeled {
		l := at[label](base, uintptr(h.labels)+uintptr(h.pc-h.labeled)*unsafe.Sizeof(label{}))
		s.iov[1].base, s.iov[1].len = uintptr(base)+uintptr(l.at), uintptr(l.size)
	}
	s.iov[2].base, s.iov[2].len = uintptr(unsafe.Pointer(&s.text)), nlog
	s.hdr.iov, s.hdr.iovlen = uintptr(unsafe.Pointer(&s.iov)), 3
	s.hdr.control, s.hdr.controllen = 0, 0
	return send(base, reg(base, Reg(h.report)))
}

//go:norace
//go:nocheckptr
//go:noinline
func send(base unsafe.Pointer, fd uintptr) syscall.Errno {
	s := at[scratch](base, (*header)(base).scratch)
	for {
		_, e := rawSyscall6(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&s.hdr)), unix.MSG_NOSIGNAL, 0, 0, 0)
		if e != unix.EINTR {
			return e
		}
	}
}

// fail reports the failed instruction with the log of its fs context, and
// exits.
//
//go:norace
//go:nocheckptr
//go:noinline
func fail(base unsafe.Pointer, in *Insn, e syscall.Errno) {
	s := at[scratch](base, (*header)(base).scratch)
	var n uintptr
	if in.log != 0 {
		// Each read takes one message; ENODATA ends them.
		for n < pathMax {
			m, e := rawSyscall6(unix.SYS_READ, reg(base, in.log), uintptr(unsafe.Pointer(&s.text))+n, pathMax-n, 0, 0, 0)
			if e != 0 || m == 0 {
				break
			}
			n += m
		}
	}
	report(base, msgFailed, n)
	exit(exitFailed)
}

//go:norace
//go:nocheckptr
//go:noinline
func sendFD(base unsafe.Pointer, in *Insn) syscall.Errno {
	s := at[scratch](base, (*header)(base).scratch)
	s.iov[0].base, s.iov[0].len = arg(base, in, 2), arg(base, in, 3)
	s.cmsg.level, s.cmsg.typ = unix.SOL_SOCKET, unix.SCM_RIGHTS
	s.cmsg.fd = int32(arg(base, in, 1))
	s.cmsg.len = unsafe.Offsetof(s.cmsg.fd) + 4
	s.hdr.iov, s.hdr.iovlen = uintptr(unsafe.Pointer(&s.iov)), 1
	s.hdr.control, s.hdr.controllen = uintptr(unsafe.Pointer(&s.cmsg)), unsafe.Sizeof(s.cmsg)
	return send(base, arg(base, in, 0))
}

// receiveFD is Program.Receive.
//
//go:norace
//go:nocheckptr
//go:noinline
func receiveFD(base unsafe.Pointer, sock uintptr) (uintptr, syscall.Errno) {
	s := at[scratch](base, (*header)(base).scratch)
	for {
		s.iov[0].base, s.iov[0].len = uintptr(unsafe.Pointer(&s.text)), unsafe.Sizeof(s.text)
		s.hdr.iov, s.hdr.iovlen = uintptr(unsafe.Pointer(&s.iov)), 1
		s.hdr.control, s.hdr.controllen = uintptr(unsafe.Pointer(&s.cmsg)), unsafe.Sizeof(s.cmsg)
		n, e := rawSyscall6(unix.SYS_RECVMSG, sock, uintptr(unsafe.Pointer(&s.hdr)), unix.MSG_CMSG_CLOEXEC, 0, 0, 0)
		switch {
		case e == unix.EINTR:
		case e != 0:
			return 0, e
		case n == 0:
			return 0, unix.EPIPE
		case s.hdr.controllen < unsafe.Offsetof(s.cmsg.fd)+4:
			return 0, unix.EMFILE
		default:
			return uintptr(s.cmsg.fd), 0
		}
	}
}

// fork goes on in a new process; the old one exits. It says nothing: the arena
// is the new one's from here on, and the kernel has put its pid there.
//
//go:norace
//go:nocheckptr
//go:noinline
func fork(base unsafe.Pointer, in *Insn) syscall.Errno {
	pid, e := rawSyscall6(unix.SYS_CLONE3, arg(base, in, 0), arg(base, in, 1), 0, 0, 0, 0)
	if e != 0 || pid == 0 {
		return e
	}
	exit(0)
	return 0
}

// accept returns the first connection that says go, and sends reports there
// from now on.
//
//go:norace
//go:nocheckptr
//go:noinline
func accept(base unsafe.Pointer, in *Insn) (uintptr, syscall.Errno) {
	s := at[scratch](base, (*header)(base).scratch)
	for {
		fd, e := rawSyscall6(unix.SYS_ACCEPT4, arg(base, in, 0), 0, 0, unix.SOCK_CLOEXEC, 0, 0)
		if e == unix.EINTR || e == unix.ECONNABORTED {
			continue
		}
		if e != 0 {
			return 0, e
		}
		for {
			n, e := rawSyscall6(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&s.word)), 1, 0, 0, 0)
			if e == unix.EINTR {
				continue
			}
			if e == 0 && n == 1 && s.word[0] == wordGo {
				(*header)(base).report = uint32(in.save)
				return fd, 0
			}
			break
		}
		rawSyscall6(unix.SYS_CLOSE, fd, 0, 0, 0, 0, 0)
	}
}

// exec returns only when no path could be executed.
//
//go:norace
//go:nocheckptr
//go:noinline
func exec(base unsafe.Pointer, in *Insn) syscall.Errno {
	result := syscall.Errno(unix.ENOENT)
	off := arg(base, in, 0) - uintptr(base)
	for ; ; off += wordSize {
		path := *(*uintptr)(unsafe.Add(base, off))
		if path == 0 {
			return result
		}
		_, e := rawSyscall6(unix.SYS_EXECVE, path, arg(base, in, 1), arg(base, in, 2), 0, 0, 0)
		switch e {
		case unix.ENOENT, unix.ENOTDIR:
		case unix.EACCES:
			result = e
		default:
			return e
		}
	}
}

// find is Program.Find.
//
//go:norace
//go:nocheckptr
//go:noinline
func find(base unsafe.Pointer, in *Insn) syscall.Errno {
	off := arg(base, in, 0) - uintptr(base)
	cwd := unix.AT_FDCWD
	for ; ; off += wordSize {
		path := *(*uintptr)(unsafe.Add(base, off))
		if path == 0 {
			return unix.ENOENT
		}
		_, e := rawSyscall6(unix.SYS_FACCESSAT, uintptr(cwd), path, unix.F_OK, 0, 0, 0)
		if e != unix.ENOENT && e != unix.ENOTDIR {
			return 0
		}
	}
}

// fileType is Program.Must, and Program.IsDir where nothing is wanted, and
// Program.Mode.
//
//go:norace
//go:nocheckptr
//go:noinline
func fileType(base unsafe.Pointer, in *Insn) (uintptr, syscall.Errno) {
	if e := statx(base, arg(base, in, 0)); e != 0 {
		return 0, e
	}
	s := at[scratch](base, (*header)(base).scratch)
	b := unsafe.Pointer(&s.stat)
	mode := uintptr(*(*uint16)(unsafe.Add(b, statxMode)))
	kind := mode & unix.S_IFMT
	want := arg(base, in, 1)
	if want == tellMode {
		return mode &^ unix.S_IFMT, 0
	}
	if want == 0 {
		if kind == unix.S_IFDIR {
			return 1, 0
		}
		return 0, 0
	}
	isDev := want == unix.S_IFCHR || want == unix.S_IFBLK
	if kind != want || isDev && (uintptr(*(*uint32)(unsafe.Add(b, statxMajor))) != arg(base, in, 2) ||
		uintptr(*(*uint32)(unsafe.Add(b, statxMinor))) != arg(base, in, 3)) {
		return 0, syscall.Errno(arg(base, in, 4))
	}
	return 0, 0
}

//go:norace
//go:nocheckptr
//go:noinline
func statx(base unsafe.Pointer, fd uintptr) syscall.Errno {
	s := at[scratch](base, (*header)(base).scratch)
	s.link[0] = 0
	_, e := rawSyscall6(unix.SYS_STATX, fd, uintptr(unsafe.Pointer(&s.link)), unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, uintptr(unsafe.Pointer(&s.stat)), 0)
	return e
}

// owner is Program.Owner.
//
//go:norace
//go:nocheckptr
//go:noinline
func owner(base unsafe.Pointer, in *Insn) (uintptr, syscall.Errno) {
	if e := statx(base, arg(base, in, 0)); e != 0 {
		return 0, e
	}
	b := unsafe.Pointer(&at[scratch](base, (*header)(base).scratch).stat)
	if arg(base, in, 1) != 0 {
		return uintptr(*(*uint32)(unsafe.Add(b, statxGID))), 0
	}
	return uintptr(*(*uint32)(unsafe.Add(b, statxUID))), 0
}

// ambient is Program.RaiseAmbient.
//
//go:norace
//go:nocheckptr
//go:noinline
func ambient(base unsafe.Pointer) syscall.Errno {
	b := unsafe.Pointer(&at[scratch](base, (*header)(base).scratch).stat)
	// capget(2): a header, then the effective, permitted and inheritable words
	// of the capabilities up to 31, and those of the others.
	set := unsafe.Add(b, 8)
	*(*uint32)(b), *(*uint32)(unsafe.Add(b, 4)) = unix.LINUX_CAPABILITY_VERSION_3, 0
	if _, e := rawSyscall6(unix.SYS_CAPGET, uintptr(b), uintptr(set), 0, 0, 0, 0); e != 0 {
		return e
	}
	for word := uintptr(0); word < 24; word += 12 {
		*(*uint32)(unsafe.Add(set, word+8)) = *(*uint32)(unsafe.Add(set, word+4))
	}
	if _, e := rawSyscall6(unix.SYS_CAPSET, uintptr(b), uintptr(set), 0, 0, 0, 0); e != 0 {
		return e
	}
	for n := uintptr(0); n < 64; n++ {
		if *(*uint32)(unsafe.Add(set, n/32*12+4))&(1<<(n&31)) == 0 {
			continue
		}
		if _, e := rawSyscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, n, 0, 0, 0); e != 0 {
			return e
		}
	}
	return 0
}
