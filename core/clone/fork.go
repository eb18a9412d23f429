package clone

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
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

// stackRoom is more than twice the stack that the child's functions take, all
// of them together, in any build: with -N -l that is 8.5 KB. (//go:nosplit would limit them to 800 bytes.)
const stackRoom = 24 << 10

// fork3 is clone3 whose child runs the program at base. As in the Go runtime's
// own fork, signals are blocked around it, so that no handler runs in the
// child, and from BeforeFork on the stack must not grow. So there has to be
// room before: reserve makes it, and it is still there if the stack has not
// moved since.
//
//go:norace
//go:nocheckptr
//go:noinline
func fork3(base unsafe.Pointer, args *cloneArgs) (uintptr, syscall.Errno) {
	var mark byte
	for {
		before := uintptr(unsafe.Pointer(&mark))
		reserve()
		runtimeBeforeFork()
		if before == uintptr(unsafe.Pointer(&mark)) {
			break
		}
		runtimeAfterFork()
	}
	pid, _, e := syscall.RawSyscall6(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0, 0, 0, 0)
	if e != 0 || pid != 0 {
		runtimeAfterFork()
		return pid, e
	}
	runtimeAfterForkInChild()
	// BeforeFork made every check for stack room fail; there is room.
	runtimeAfterFork()
	run(base)
	return 0, 0
}

//go:noinline
func reserve() byte {
	var room [stackRoom]byte
	return touch(&room)
}

//go:noinline
func touch(room *[stackRoom]byte) byte { return room[0] }

// Reserve makes room on the stack for all that is to come, at once: it grows by
// copies of what is there, which is little at first.
func Reserve()
