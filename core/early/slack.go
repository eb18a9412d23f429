package early

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// calm sets the timer slack of the calling thread in ns, or for 0 the one that it began
// with. A failure leaves it.
func calm(ns uintptr) { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, ns, 0, 0, 0) }

// parentDeathSignal is that of the calling thread, PR_GET_PDEATHSIG.
func parentDeathSignal() (sig int32) {
	if unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&sig)), 0, 0, 0) != nil {
		return 0
	}
	return sig
}

// keepDeathSignal gives it to the calling thread, which execve(2) makes the first.
func keepDeathSignal() error {
	if deathSignal == 0 || unix.Gettid() == unix.Getpid() {
		return nil
	}
	parent := unix.Getppid()
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(deathSignal), 0, 0, 0); err != nil {
		return err
	}
	if unix.Getppid() != parent {
		return unix.Kill(unix.Getpid(), unix.Signal(deathSignal)) // it died just now
	}
	return nil
}
