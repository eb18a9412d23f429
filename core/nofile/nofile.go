// Package nofile remembers the limit on open files with which the process
// started. Package syscall raises the soft limit to the hard one when it is
// initialised, and a container must not inherit that. A package without
// imports, whose path sorts before "syscall", is initialised earlier.
package nofile

import "unsafe"

//go:linkname rawSyscall6 syscall.RawSyscall6
func rawSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr)

const rlimitNofile = 7 // RLIMIT_NOFILE on every architecture we build for

var limit struct{ soft, hard uint64 } // struct rlimit64 of prlimit(2)

var known bool

// lowered says that limit is known, and is not the process's at the moment.
var lowered bool

// Lower has the process open no descriptor from n up until this package is initialised. It
// is called before the Go runtime starts: the rules of core/early's begin hold in it.
//
//go:nosplit
//go:norace
//go:nocheckptr
//go:noinline
func Lower(n uint64) {
	_, _, errno := rawSyscall6(sysPrlimit64, 0, rlimitNofile, 0, uintptr(unsafe.Pointer(&limit)), 0, 0)
	if errno != 0 {
		return
	}
	few := limit
	few.soft = n
	_, _, errno = rawSyscall6(sysPrlimit64, 0, rlimitNofile, uintptr(unsafe.Pointer(&few)), 0, 0, 0)
	lowered = errno == 0
}

func init() {
	set, get := unsafe.Pointer(nil), unsafe.Pointer(&limit)
	if lowered {
		set, get = get, nil
	}
	_, _, errno := rawSyscall6(sysPrlimit64, 0, rlimitNofile, uintptr(set), uintptr(get), 0, 0)
	known = errno == 0
}

// AtStart is the limit, soft and hard, that the process was started with.
func AtStart() (soft, hard uint64, ok bool) { return limit.soft, limit.hard, known }
