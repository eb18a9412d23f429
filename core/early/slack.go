package early

import "golang.org/x/sys/unix"

// calm sets the timer slack of the calling thread in ns, or for 0 the one that the
// process was started with. A failure leaves it.
func calm(ns uintptr) { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, ns, 0, 0, 0) }

// current is the calling thread's, 0 where the kernel does not tell.
func current() uintptr {
	ns, _, errno := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_GET_TIMERSLACK, 0, 0, 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return ns
}
