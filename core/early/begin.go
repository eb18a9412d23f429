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
	policy, _, e := syscall.RawSyscall6(unix.SYS_SCHED_GETSCHEDULER, 0, 0, 0, 0, 0, 0)
	if e == 0 && policy == unix.SCHED_NORMAL {
		batch = setScheduler(0, unix.SCHED_BATCH) == 0
	}
	nofile.Lower(3)
	runtime.MemProfileRate = 0
	hide()
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

// hide leaves, of the environment, those variables to the Go runtime and its packages that
// they read themselves: they copy it, and have a use for none of the others. The kernel has
// put argc, the pointers of argv, 0, those of the environment, 0 and the auxiliary vector on
// the stack. The environment's go behind that vector, and those of the variables that are
// left between the two zeros, for which what is before them moves down.
//
//go:nosplit
//go:norace
//go:nocheckptr
//go:noinline
func hide() {
	args := *word(stack, 0) + 2 // words of it, with argc and the 0
	env := stack + args*wordSize
	all, few, alone := uintptr(0), uintptr(1), true
	for ; *word(env, all) != 0; all++ {
		if v := *word(env, all); kept(v) {
			few++
			alone = alone && !starts(v, assignment[:len("GOMAXPROCS=")])
		}
	}
	if !alone {
		few--
	}
	few = (few + stackAlign - 1) &^ (stackAlign - 1)
	if few > gap {
		return
	}
	vector := uintptr(3) // words of it, with the 0 before and the two at its end
	for *word(env, all+vector-2) != 0 {
		vector += 2
	}
	reverse(env, all)
	reverse(env+all*wordSize, vector)
	reverse(env, all+vector)
	environment, variables = env+vector*wordSize, all
	left := stack - few*wordSize
	for i := range args {
		*word(left, i) = *word(stack, i)
	}
	stack = left
	// Of two variables of one name the first one counts.
	left, last := left+args*wordSize, uintptr(unsafe.Pointer(&assignment))
	if alone {
		*word(left, 0) = last
		left += wordSize
	}
	for i := range all {
		if v := *word(environment, i); kept(v) {
			last = v
			*word(left, 0) = v
			left += wordSize
		}
	}
	for ; left < env; left += wordSize {
		*word(left, 0) = last
	}
}

// assignment is what the runtime reads besides, if there is no variable of that name.
var assignment = [...]byte{'G', 'O', 'M', 'A', 'X', 'P', 'R', 'O', 'C', 'S', '=', '1', 0}

// What hide has to do with.
const (
	wordSize   = unsafe.Sizeof(uintptr(0))
	stackAlign = 16 / wordSize // in words
	// gap is how many words entry leaves free below stack.
	gap = 64
)

// kept says whether the Go runtime or one of its packages reads the variable: package runtime
// those that begin with GO, package os PWD, package time TZ.
//
//go:nosplit
//go:norace
//go:nocheckptr
//go:noinline
func kept(v uintptr) bool {
	c := *char(v, 0)
	return c == 'G' && *char(v, 1) == 'O' ||
		c == 'P' && *char(v, 1) == 'W' && *char(v, 2) == 'D' && *char(v, 3) == '=' ||
		c == 'T' && *char(v, 1) == 'Z' && *char(v, 2) == '='
}

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

// reverse turns the order of n words around.
//
//go:nosplit
//go:norace
//go:nocheckptr
//go:noinline
func reverse(from, n uintptr) {
	for i := uintptr(0); 2*i+1 < n; i++ {
		a, b := word(from, i), word(from, n-1-i)
		*a, *b = *b, *a
	}
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

//go:nosplit
//go:norace
//go:nocheckptr
//go:noinline
func setScheduler(tid, policy uintptr) syscall.Errno {
	priority := int32(0) // struct sched_param
	_, _, e := syscall.RawSyscall6(unix.SYS_SCHED_SETSCHEDULER, tid, policy, uintptr(unsafe.Pointer(&priority)), 0, 0, 0)
	return e
}
