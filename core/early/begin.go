package early

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/nofile"
)

// begin is all that is done before the Go runtime starts. entry calls it, so in it and in
// what it calls there is no g, no stack but the kernel's and no thread-local storage: no
// allocation, no store of a pointer, no call but of functions as these and RawSyscall6, each
// nosplit, norace and nocheckptr. TestBegin disassembles them and fails on any other call.
//
//go:nosplit
//go:norace
//go:nocheckptr
//go:noinline
func begin() {
	own, _, _ = syscall.RawSyscall6(unix.SYS_PRCTL, unix.PR_GET_TIMERSLACK, 0, 0, 0, 0, 0)
	_, _, e := syscall.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, 5e6, 0, 0, 0, 0)
	slack = e == 0
	pinned = pin()
	nofile.Lower(3)
	runtime.MemProfileRate = 0
	assign()
}

// pin binds the first thread to the processor that it is on, if it can be told how to give it
// the others back.
//
//go:nosplit
//go:norace
//go:nocheckptr
//go:noinline
func pin() bool {
	_, _, e := syscall.RawSyscall6(unix.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(processors), uintptr(unsafe.Pointer(&processors)), 0, 0, 0)
	if e != 0 {
		return false
	}
	var current uint32
	_, _, e = syscall.RawSyscall6(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&current)), 0, 0, 0, 0, 0)
	const bits = 8 * wordSize
	cpu := uintptr(current)
	if e != 0 || cpu >= bits*uintptr(len(one)) {
		return false
	}
	one[cpu/bits] = 1 << (cpu % bits)
	_, _, e = syscall.RawSyscall6(unix.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(one), uintptr(unsafe.Pointer(&one)), 0, 0, 0)
	return e == 0
}

// assign adds GOMAXPROCS=1 to the environment, unless it has that variable. The kernel has put
// argc, the pointers of argv, 0, those of the environment, 0 and the auxiliary vector on the
// stack: all before the second 0 moves down, by as many words as the stack's alignment takes.
// Of two variables of one name the first one counts.
//
//go:nosplit
//go:norace
//go:nocheckptr
//go:noinline
func assign() {
	n := *word(stack, 0) + 2 // with argc and the first 0
	for ; *word(stack, n) != 0; n++ {
		if starts(*word(stack, n), assignment[:len("GOMAXPROCS=")]) {
			return
		}
	}
	to := stack - stackAlign*wordSize
	for i := range n {
		*word(to, i) = *word(stack, i)
	}
	for i := range stackAlign {
		*word(to, n+i) = uintptr(unsafe.Pointer(&assignment))
	}
	stack, variable = to, true
}

// assignment is the variable.
var assignment = [...]byte{'G', 'O', 'M', 'A', 'X', 'P', 'R', 'O', 'C', 'S', '=', '1', 0}

const (
	wordSize = unsafe.Sizeof(uintptr(0))
	// stackAlign is the stack's alignment in words: entry leaves more free below it.
	stackAlign = 16 / wordSize
)

// starts says whether the string at v starts with prefix.
//
//go:nosplit
//go:norace
//go:nocheckptr
//go:noinline
func starts(v uintptr, prefix []byte) bool {
	for i, c := range prefix {
		if *char(v, uintptr(i)) != c {
			return false
		}
	}
	return true
}

// word is the i-th one from an address, and char the i-th byte.
//
//go:nosplit
//go:norace
//go:nocheckptr
func word(addr, i uintptr) *uintptr { return (*uintptr)(pointer(addr + i*wordSize)) }

//go:nosplit
//go:norace
//go:nocheckptr
func char(addr, i uintptr) *byte { return (*byte)(pointer(addr + i)) }

// pointer is one to what is not Go's.
//
//go:nosplit
//go:norace
//go:nocheckptr
func pointer(addr uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&addr))
}
