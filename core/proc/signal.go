package proc

import (
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// maskSize is the kernel's sizeof(sigset_t) on every architecture that we build for.
const maskSize = 8

// Default has the kernel do with a signal what it does by default, behind the back
// of the Go runtime, which has handlers of its own for most. It is of use for a
// signal that os/signal is not asked about.
func Default(sig unix.Signal) error { return setAction(sig, 0) }

// Ignore has the kernel ignore a signal, as Default does.
func Ignore(sig unix.Signal) error { return setAction(sig, 1) }

func setAction(sig unix.Signal, handler uintptr) error {
	// struct sigaction begins with the handler, on every one of them.
	action := [8]uintptr{handler}
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, maskSize, 0, 0)
	if errno != 0 && errno != unix.EINVAL { // SIGKILL and SIGSTOP have their action always
		return fault.Op(errno, "sigaction %s", unix.SignalName(sig))
	}
	return nil
}

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
	if err := Default(sig); err != nil {
		return err
	}
	// It may be blocked, as the caller was started: in this thread it is not.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	mask := uint64(1) << (sig - 1)
	if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_UNBLOCK, uintptr(unsafe.Pointer(&mask)), 0, maskSize, 0, 0); errno != 0 {
		return fault.Op(errno, "sigprocmask %s", unix.SignalName(sig))
	}
	if err := unix.Tgkill(os.Getpid(), unix.Gettid(), sig); err != nil {
		return fault.Op(err, "kill")
	}
	switch sig {
	case unix.SIGCHLD, unix.SIGURG, unix.SIGWINCH, unix.SIGCONT, unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
		return nil
	}
	// The others end first, which may take its time. A wait that is Go's own, with
	// nothing else to do, is a deadlock to it.
	for {
		_ = unix.Pause() // until it has ended
	}
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
