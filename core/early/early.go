// Package early is what is done before the Go runtime starts, and what has to be minded
// of it. The function entry is the binary's entry point in place of the runtime's own,
// where scripts/build says so, and goes on there. By it
//
//   - the runtime has one thread that runs Go, as with GOMAXPROCS=1: it starts two
//     threads less, and what runs here waits for the kernel, not for a processor;
//   - its monitor, the thread by which it watches the others, wakes every 5 ms and
//     not, as it does while a program is young, every 70 µs: threads inherit the
//     timer slack of who makes them (prctl(2), PR_SET_TIMERSLACK);
//   - all its threads are on one processor, sched_setaffinity(2), until Unpin: to wake each
//     other on two is an interrupt each time, and one thread more;
//   - it cannot open files but for the standard ones, until core/nofile is initialised:
//     it would read /proc/self/mountinfo and look for a limit of its cgroup, which is
//     the more the more mounts there are, to set GOMAXPROCS by (nor does it learn the
//     size of huge pages, and so gives no advice on them);
//   - it samples no allocation (runtime.MemProfileRate), for nobody reads the profile.
//
// So a program is started between Plainly and what that returns, to have the slack and the
// processors that this one was started with, and the environment comes from here.
package early

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	_ "ocibox/core/room"
)

// What entry needs.
var (
	//lint:ignore U1000 entry calls it
	first = begin
	stack uintptr // its address
)

// What begin has done.
var (
	slack bool    // the first thread, and all that come from it, have another timer slack
	own   uintptr // in ns: the one that the process was started with, or no such
	// pinned says that the first thread, and all that come from it, have one processor
	// instead of those.
	pinned          bool
	processors, one affinity
	variable        bool // GOMAXPROCS=1 is in the environment
)

// deathSignal is what the process gets when its parent dies, 0 for none.
var deathSignal int32

// affinity is a CPU mask for as many processors as we look after, 1024.
type affinity [128 / wordSize]uintptr

// Here is the first thing that main does: the first thread has its own timer slack
// from here on, and with Unpin its processors.
func Here() {
	if own >= maxSlack {
		own = 0 // for what the kernel has as its default
	}
	if slack {
		calm(own)
	}
	deathSignal = parentDeathSignal()
}

// maxSlack is above any that makes sense.
const maxSlack = 1 << 31

// Exec is syscall.Exec for this program itself. It keeps what is a thread's and not the
// process's, on whatever thread the caller is by now: where a call has taken its time,
// that need not be the first.
func Exec(path string, args, env []string) error {
	Plainly()
	if err := keepDeathSignal(); err != nil {
		return err
	}
	return syscall.Exec(path, args, env)
}

// Plainly is to be called before a program is started, and what it returns after: the
// caller stays on a thread meanwhile that has the process's own timer slack and
// processors, which the program inherits. (runtime.LockOSThread makes a thread more, so
// it is for those alone.)
func Plainly() (after func()) {
	runtime.LockOSThread()
	calm(own)
	Unpin()
	if pinned && unix.Gettid() != unix.Getpid() {
		setAffinity(0, &processors)
	}
	return runtime.UnlockOSThread
}

// Slack is what Plainly sets, for who does so by a plain system call.
func Slack() uintptr { return own }

// Processors is what a child is to have, which the first thread need not have yet; nil where it
// inherits that. Before Unpin those are the process's at its start and no more: a child that
// stays has a mask of all processors in its program, or its maker calls Unpin before.
func Processors() []byte {
	if !pinned {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&processors)), unsafe.Sizeof(processors))
}
