package clone

import "syscall"

// kernel makes a system call, and returns what the kernel does: an errno as a number below 0.
func kernel(nr, a, b, c, d, e, f uintptr) uintptr

// rawSyscall6 is that of package syscall, which lies in two other places of the program:
// each of them is a page fault more in every child, when it begins and after each fork.
//
//go:norace
//go:nocheckptr
//go:noinline
func rawSyscall6(nr, a, b, c, d, e, f uintptr) (uintptr, syscall.Errno) {
	r := kernel(nr, a, b, c, d, e, f)
	if r > ^uintptr(4095) {
		return ^uintptr(0), syscall.Errno(-r)
	}
	return r, 0
}
