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

// maskSize is the kernel's sizeof(sigset_t) on every architecture that we build for.
const maskSize = 8

// stackRoom is what there is of the stack that the child runs on, at least, and
// more than its functions take, all of them together, in any build: with -N -l
// that is 8.5 KB. (//go:nosplit would limit them to 800 bytes.)
const stackRoom = 16 << 10

// forking is what fork3 asks of forkOnSystemStack: one fork at a time, which
// syscall.ForkLock sees to.
var forking struct {
	base  unsafe.Pointer
	size  uintptr // of the arena
	args  *cloneArgs
	slack uintptr
	// The mask of signals that all of the program's threads have, and the child.
	mask uint64
	// The child's CPU mask, of ncpus bytes.
	cpus, ncpus uintptr
	heap        uintptr // a region
	// Around the arena, with their sizes: where the Go runtime has what it knows of the
	// heap.
	below, nbelow, above, nabove uintptr
	pid                          uintptr
	err                          syscall.Errno
}

// fork3 is clone3 whose child runs the program at base. As in the Go runtime's
// own fork, signals are blocked around it, so that no handler runs in the child.
// The child runs on the system stack, which for the first thread of a process is
// the one that the kernel made, and so does without the Go heap. The arena has size
// bytes. Unless setsCPUs, the child gets the processors that this one was started with.
func fork3(base unsafe.Pointer, size uintptr, args *cloneArgs, setsCPUs bool) (uintptr, syscall.Errno) {
	forking.base, forking.size, forking.args, forking.slack = base, size, args, early.Slack()
	forking.heap = heapRegion()
	forking.ncpus = 0
	if cpus := early.Processors(); len(cpus) > 0 && !setsCPUs {
		forking.cpus, forking.ncpus = uintptr(unsafe.Pointer(&cpus[0])), uintptr(len(cpus)) // of a variable
	}
	setMetadata(uintptr(base), size, forking.heap)
	_, _ = rawSyscall6(unix.SYS_RT_SIGPROCMASK, 0, 0, uintptr(unsafe.Pointer(&forking.mask)), maskSize, 0, 0)
	runtimeBeforeFork()
	onSystemStack(forkOnSystemStack)
	runtimeAfterFork()
	forking.base, forking.args = nil, nil
	return forking.pid, forking.err
}

// onSystemStack calls f on the stack of the thread, not of the goroutine.
//
//go:noescape
func onSystemStack(f func())

// forkOnSystemStack returns in the parent alone. It is on one thread meanwhile: on the
// first, the child gets no heap, and there is no other thread's child before it may be
// had again.
//
//go:norace
//go:nocheckptr
//go:noinline
func forkOnSystemStack() {
	// The arena may have been there when another's child was made.
	advise(uintptr(forking.base), forking.size, unix.MADV_DOFORK)
	pid, _ := rawSyscall6(unix.SYS_GETPID, 0, 0, 0, 0, 0, 0)
	tid, _ := rawSyscall6(unix.SYS_GETTID, 0, 0, 0, 0, 0, 0)
	first := pid == tid
	if first {
		advise(forking.heap, region, unix.MADV_DONTFORK)
		advise(forking.below, forking.nbelow, unix.MADV_DONTFORK)
		advise(forking.above, forking.nabove, unix.MADV_DONTFORK)
	} else {
		_, _ = rawSyscall6(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, forking.slack, 0, 0, 0, 0) // for the child
	}
	child, e := rawSyscall6(unix.SYS_CLONE3, uintptr(unsafe.Pointer(forking.args)), unsafe.Sizeof(*forking.args), 0, 0, 0, 0)
	if e == 0 && child == 0 {
		if forking.ncpus > 0 {
			_, _ = rawSyscall6(unix.SYS_SCHED_SETAFFINITY, 0, forking.ncpus, forking.cpus, 0, 0, 0)
		}
		// The kernel has cleared the handlers already (CLONE_CLEAR_SIGHAND).
		_, _ = rawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&forking.mask)), 0, maskSize, 0, 0)
		run(forking.base)
	}
	forking.pid, forking.err = child, e
	if first {
		advise(forking.heap, region, unix.MADV_DOFORK) // for children that are not made by the first thread
	}
}

// region is what the Go runtime takes memory by for the heap, for the goroutines'
// stacks and for the system stacks of all threads but the first.
const region = 4 << 20 << (4 * (wordSize / 8)) // 64 MiB, or 4 MiB on 32 bits

// heapRegion is the one that the caller's stack is in. A child without it has none of
// it copied, neither at once nor when the parent writes to it next, and holds none
// while it waits for a container's start.
func heapRegion() uintptr {
	var mark byte
	return uintptr(unsafe.Pointer(&mark)) &^ (region - 1)
}

// advise may fail: a child works as well with what it need not have. What is not
// mapped between mappings is ENOMEM, in the end.
//
//go:norace
//go:nocheckptr
//go:noinline
func advise(from, size uintptr, advice uintptr) {
	if size > 0 {
		_, _ = rawSyscall6(unix.SYS_MADVISE, from, size, advice, 0, 0, 0)
	}
}

// setMetadata finds where the Go runtime has mapped what it knows of the heap, some 20
// mappings of which few pages are there: no child needs them. The kernel puts them
// where it puts the arena, and those of other programs, below the stack; the heap is
// elsewhere. Where libc is linked in, for the race detector, what is there is that of
// threads, too.
func setMetadata(base, size, heap uintptr) {
	const around, belowStack = 1 << 31, 64 << 20
	forking.nbelow, forking.nabove = 0, 0
	stack := execName()
	if wordSize < 8 || withLibc || stack < base+belowStack || base < around || heap+region > base-around && heap < base+around {
		return
	}
	page := uintptr(unix.Getpagesize())
	end := (base + size + page - 1) &^ (page - 1)
	forking.below, forking.nbelow = base-around, around
	if to := min(end+around, stack-belowStack) &^ (page - 1); to > end {
		forking.above, forking.nabove = end, to-end
	}
}
