package proc

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// Die ends this process by the signal, without a core, so that its parent sees
// that end. The Go runtime has handlers of its own, which os/signal does not all
// give up. It returns where the signal cannot end the process: that is the init
// of a pid namespace, or the signal is ignored by default.
func Die(sig unix.Signal) error {
	if os.Getpid() == 1 {
		return nil
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fault.Op(err, "setrlimit RLIMIT_CORE")
	}
	var action [4]uint64 // struct sigaction: SIG_DFL
	const size = 8       // of its mask
	if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, size, 0, 0); errno != 0 && errno != unix.EINVAL {
		return fault.Op(errno, "sigaction %s", unix.SignalName(sig))
	}
	// EINVAL: SIGKILL has its action always. It may be blocked, as the caller was
	// started.
	mask := uint64(1) << (sig - 1)
	if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_UNBLOCK, uintptr(unsafe.Pointer(&mask)), 0, size, 0, 0); errno != 0 {
		return fault.Op(errno, "sigprocmask %s", unix.SignalName(sig))
	}
	if err := unix.Kill(os.Getpid(), sig); err != nil {
		return fault.Op(err, "kill")
	}
	switch sig {
	case unix.SIGCHLD, unix.SIGURG, unix.SIGWINCH, unix.SIGCONT, unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
		return nil
	}
	// Another thread may take it, in its own time.
	select {}
}

// Stop stops this process as SIGSTOP does, and returns once it goes on. It is to
// be called on a thread that the caller is locked to.
func Stop() error {
	// To the thread: it does not run on until the stop is over.
	if err := unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP); err != nil {
		return fault.Op(err, "stop")
	}
	return nil
}
