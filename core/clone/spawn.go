package clone

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The rules of child.go hold in this file. The process that spawn makes shares
// the arena, and its maker waits for it: nobody else writes there meanwhile.

// spawn is Program.Spawn. An end of the program that is a failure it reports
// by itself.
//
//go:norace
//go:nocheckptr
//go:noinline
func spawn(base unsafe.Pointer, in *Insn) syscall.Errno {
	s := at[scratch](base, (*header)(base).scratch)
	a := (*spawnArgs)(unsafe.Add(base, arg(base, in, 3)-uintptr(base)))
	stdin, e := spawnInput(base, a)
	if e != 0 {
		return e
	}
	s.errno = 0
	// Not clone3(2): a filter cannot look into its argument, so most refuse it.
	flags, stack := uintptr(unix.CLONE_PIDFD)|uintptr(unix.SIGCHLD), uintptr(0)
	if stackFirst {
		flags, stack = stack, flags
	}
	pid, e := rawSyscall6(unix.SYS_CLONE, flags, stack, uintptr(unsafe.Pointer(&s.poll.fd)), 0, 0, 0)
	if e == 0 && pid == 0 {
		s.errno = uint32(spawned(base, in, stdin))
		exit(exitFailed)
	}
	rawSyscall6(unix.SYS_CLOSE, stdin, 0, 0, 0, 0, 0)
	if e != 0 {
		return e
	}
	e = spawnWait(base, a.seconds)
	if e != 0 {
		// Its group too, which it may not have made yet. Nobody else has its
		// pid before it is waited for.
		rawSyscall6(unix.SYS_KILL, -pid, uintptr(unix.SIGKILL), 0, 0, 0, 0)
		rawSyscall6(unix.SYS_KILL, pid, uintptr(unix.SIGKILL), 0, 0, 0, 0)
	}
	for {
		_, e := rawSyscall6(unix.SYS_WAIT4, pid, uintptr(unsafe.Pointer(&s.status)), 0, 0, 0, 0)
		if e == 0 {
			break
		}
		if e != unix.EINTR {
			return e
		}
	}
	rawSyscall6(unix.SYS_CLOSE, uintptr(s.poll.fd), 0, 0, 0, 0, 0)
	switch {
	case e == unix.ETIMEDOUT:
		(*header)(base).errno = uint32(a.seconds)
		report(base, msgTimeout, 0)
	case e != 0:
		return e
	case s.errno != 0:
		return syscall.Errno(s.errno)
	case s.status != 0:
		(*header)(base).errno = s.status
		report(base, msgExited, 0)
	default:
		return 0
	}
	exit(exitFailed)
	return 0
}

// spawned makes the new process what the program is to find, and executes it.
//
//go:norace
//go:nocheckptr
//go:noinline
func spawned(base unsafe.Pointer, in *Insn, stdin uintptr) syscall.Errno {
	s := at[scratch](base, (*header)(base).scratch)
	rawSyscall6(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0, 0)
	rawSyscall6(unix.SYS_SETSID, 0, 0, 0, 0, 0, 0)
	s.sigset = 0
	rawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&s.sigset)), 0, unsafe.Sizeof(s.sigset), 0, 0)
	for fd := uintptr(0); fd < 3; fd++ {
		from := stdin
		if fd > 0 {
			from = arg(base, in, 3+fd)
		}
		if from == fd {
			// As it is, or where its maker had none: it was made there.
			rawSyscall6(unix.SYS_FCNTL, fd, unix.F_SETFD, 0, 0, 0, 0)
			continue
		}
		if _, e := rawSyscall6(unix.SYS_DUP3, from, fd, 0, 0, 0, 0); e != 0 {
			return e
		}
	}
	// Behind a Sweep, all others are close-on-exec.
	for fd := uintptr(3); fd < uintptr((*header)(base).inherit); fd++ {
		rawSyscall6(unix.SYS_CLOSE, fd, 0, 0, 0, 0, 0)
	}
	_, e := rawSyscall6(unix.SYS_EXECVE, arg(base, in, 0), arg(base, in, 1), arg(base, in, 2), 0, 0, 0)
	return e
}

// spawnInput is a file in memory with the program's standard input.
//
//go:norace
//go:nocheckptr
//go:noinline
func spawnInput(base unsafe.Pointer, a *spawnArgs) (uintptr, syscall.Errno) {
	fd, e := rawSyscall6(unix.SYS_MEMFD_CREATE, a.name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL, 0, 0, 0, 0)
	if e == unix.EINVAL { // before Linux 6.3
		fd, e = rawSyscall6(unix.SYS_MEMFD_CREATE, a.name, unix.MFD_CLOEXEC, 0, 0, 0, 0)
	}
	if e != 0 {
		return 0, e
	}
	digits := unsafe.Pointer(&at[scratch](base, (*header)(base).scratch).text)
	pid, _ := rawSyscall6(unix.SYS_GETPID, 0, 0, 0, 0, 0, 0)
	first := uintptr(maxDigits)
	for first == maxDigits || pid != 0 {
		first--
		setCh(digits, first, byte('0'+pid%10))
		pid /= 10
	}
	if e := writeAll(fd, a.before, a.nbefore); e != 0 {
		return 0, e
	}
	if e := writeAll(fd, uintptr(digits)+first, maxDigits-first); e != 0 {
		return 0, e
	}
	if e := writeAll(fd, a.after, a.nafter); e != 0 {
		return 0, e
	}
	_, e = rawSyscall6(unix.SYS_LSEEK, fd, 0, unix.SEEK_SET, 0, 0, 0)
	return fd, e
}

//go:norace
//go:nocheckptr
//go:noinline
func writeAll(fd, from, n uintptr) syscall.Errno {
	for n > 0 {
		m, e := rawSyscall6(unix.SYS_WRITE, fd, from, n, 0, 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return e
		}
		from, n = from+m, n-m
	}
	return 0
}

// spawnWait waits for the end of the process of scratch.poll, or ETIMEDOUT.
//
//go:norace
//go:nocheckptr
//go:noinline
func spawnWait(base unsafe.Pointer, seconds uintptr) syscall.Errno {
	s := at[scratch](base, (*header)(base).scratch)
	s.poll.events = unix.POLLIN
	s.left[0], s.left[1] = seconds, 0
	left := uintptr(unsafe.Pointer(&s.left))
	if seconds == 0 {
		left = 0
	}
	for {
		// The kernel takes what has passed off the time, ppoll(2).
		n, e := rawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&s.poll)), 1, left, 0, 0, 0)
		switch {
		case e == unix.EINTR:
			continue
		case e == 0 && n == 0:
			return unix.ETIMEDOUT
		}
		return e
	}
}
