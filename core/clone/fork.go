package clone

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/early"
)

// cloneArgs is struct clone_args of clone3(2), as of Linux 5.7.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

//go:linkname runtimeBeforeFork syscall.runtime_BeforeFork
func runtimeBeforeFork()

//go:linkname runtimeAfterFork syscall.runtime_AfterFork
func runtimeAfterFork()

//go:linkname runtimeAfterForkInChild syscall.runtime_AfterForkInChild
func runtimeAfterForkInChild()

// stackRoom is what there is of the stack that the child runs on, at least, and
// more than its functions take, all of them together, in any build: with -N -l
// that is 8.5 KB. (//go:nosplit would limit them to 800 bytes.)
const stackRoom = 16 << 10

// forking is what fork3 asks of forkOnSystemStack: one fork at a time, which
// syscall.ForkLock sees to.
var forking struct {
	base unsafe.Pointer
	args *cloneArgs
	pid  uintptr
	err  syscall.Errno
}

// fork3 is clone3 whose child runs the program at base. As in the Go runtime's
// own fork, signals are blocked around it, so that no handler runs in the child.
// The child runs on the system stack, which for the first thread of a process is
// the one that the kernel made, and so does without the Go heap.
func fork3(base unsafe.Pointer, args *cloneArgs) (uintptr, syscall.Errno) {
	forking.base, forking.args = base, args
	first := unix.Getpid() == unix.Gettid()
	if first {
		adviseHeap(unix.MADV_DONTFORK)
	}
	runtimeBeforeFork()
	if !first {
		_, _, _ = syscall.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, early.Slack(), 0, 0, 0, 0) // for the child
	}
	onSystemStack(forkOnSystemStack)
	runtimeAfterFork()
	if first {
		adviseHeap(unix.MADV_DOFORK) // for children that are not made by the first thread
	}
	forking.base, forking.args = nil, nil
	return forking.pid, forking.err
}

// onSystemStack calls f on the stack of the thread, not of the goroutine.
//
//go:noescape
func onSystemStack(f func())

// forkOnSystemStack returns in the parent alone.
//
//go:norace
//go:nocheckptr
//go:noinline
func forkOnSystemStack() {
	pid, _, e := syscall.RawSyscall6(unix.SYS_CLONE3, uintptr(unsafe.Pointer(forking.args)), unsafe.Sizeof(*forking.args), 0, 0, 0, 0)
	if e != 0 || pid != 0 {
		forking.pid, forking.err = pid, e
		return
	}
	runtimeAfterForkInChild()
	run(forking.base)
}

// adviseHeap tells whether a child is to have the Go heap, with the goroutines'
// stacks and the system stacks of all threads but the first. Without it nothing
// of that is copied, neither at once nor when the parent writes to it, and none is
// held by a container that waits for its start. The runtime takes it by regions of
// 64 MiB, or of 4 MiB on 32 bits; this is about the one that the caller's stack is
// in.
func adviseHeap(advice int) {
	const region = 4 << 20 << (4 * (wordSize / 8))
	var mark byte
	from := uintptr(unsafe.Pointer(&mark)) &^ (region - 1)
	// A child works as well with it.
	_, _, _ = syscall.RawSyscall6(unix.SYS_MADVISE, from, region, uintptr(advice), 0, 0, 0)
}
