package early

import (
	"os"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Unpin gives the first thread its processors back, and so all that come from it later. It is
// for who makes more than one process or waits for long: a process that is made and its
// maker, which waits for it, work in turn.
//
// A mask that a thread was given is kept by the kernel beside those that its cgroup allows,
// and limits what a cgroup may allow it later (Linux 6.2). So the mask is of all processors
// there can be, unless those are more than what it had: whether it was given a mask, the
// kernel does not tell.
func Unpin() {
	if !pinned || free {
		return
	}
	free = true
	given := processors
	for i := range processors {
		processors[i] = ^uintptr(0)
	}
	first := unix.Getpid()
	setAffinity(first, &processors)
	var now affinity
	_, _, e := unix.RawSyscall(unix.SYS_SCHED_GETAFFINITY, uintptr(first), unsafe.Sizeof(now), uintptr(unsafe.Pointer(&now)))
	if e != 0 || now != given {
		processors = given
		setAffinity(first, &processors)
	}
}

// Sleep is time.Sleep for who looks again and again what others have done, who may be in need of
// the one processor.
func Sleep(d time.Duration) {
	Unpin()
	time.Sleep(d)
}

// free is whether Unpin was called.
var free bool

// Stay is called by a command that stays and works on more threads than the first: all of
// them may run on any of the processors from here on, and so those that they make.
func Stay() {
	Unpin()
	if !pinned {
		return
	}
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		return // the numbers there are of another pid namespace
	}
	for seen := 0; ; {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil || len(tasks) == seen {
			return // or they go on where they are
		}
		seen = len(tasks)
		for _, task := range tasks {
			if tid, err := strconv.Atoi(task.Name()); err == nil {
				setAffinity(tid, &processors)
			}
		}
	}
}

// setAffinity may fail where no processor of the mask is left to the cgroup.
func setAffinity(tid int, mask *affinity) {
	_, _, _ = unix.RawSyscall(unix.SYS_SCHED_SETAFFINITY, uintptr(tid), unsafe.Sizeof(*mask), uintptr(unsafe.Pointer(mask)))
}
