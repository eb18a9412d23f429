// Package start is what is done before the Go runtime starts: the function entry
// is the binary's entry point in place of the runtime's own, where scripts/build
// says so, and goes on there. By it
//
//   - the runtime has one thread that runs Go, as with GOMAXPROCS=1: it starts two
//     threads less, and what runs here waits for the kernel, not for a processor;
//   - its monitor, the thread by which it watches the others, wakes every 5 ms and
//     not, as it does while a program is young, every 70 µs: threads inherit the
//     timer slack of who makes them (prctl(2), PR_SET_TIMERSLACK).
package start

import (
	"os"
	"runtime"

	_ "ocibox/core/room"
)

// What entry has done.
var (
	slack    bool // the first thread, and all that come from it, have another timer slack
	variable bool // GOMAXPROCS=1 is in the environment
)

// Here is the first thing that main does: the first thread has its own timer slack
// from here on, and the environment is as it was. The caller stays on that thread,
// for what it starts to inherit this; other goroutines start no program.
func Here() {
	runtime.LockOSThread()
	if slack {
		calm(0)
	}
	if variable {
		os.Unsetenv("GOMAXPROCS")
	}
}
