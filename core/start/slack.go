package start

import "golang.org/x/sys/unix"

// calm sets the timer slack of the calling thread in ns, or for 0 the one that the
// process was started with. A failure leaves it.
func calm(ns uintptr) { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, ns, 0, 0, 0) }
