// Command compat makes calls whose numbers and names are a 32-bit ABI's.
package main

import (
	"runtime"
	"syscall"
)

func main() {
	runtime.LockOSThread()
	call := func(nr uintptr, args ...uintptr) {
		var a [3]uintptr
		copy(a[:], args)
		syscall.RawSyscall(nr, a[0], a[1], a[2])
	}
	syscall.Rmdir("/begin")
	call(syscall.SYS_GETUID)
	call(24)          // getuid, of 16 bits, where it is 386
	call(199)         // getuid32
	call(195, 0, 0)   // stat64
	call(221, 100, 1) // fcntl64
	call(102, 0, 0)   // socketcall
	call(117, 99)     // ipc
	call(404, 0, 0)   // clock_settime64
	call(7, 1, 0, 1)  // waitpid
	syscall.Rmdir("/end")
}
