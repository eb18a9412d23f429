package early

import (
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// unpin gives the calling thread its processors back. A mask that a thread was given is
// kept by the kernel beside those that its cgroup allows, and limits what a cgroup may
// allow it later. So the mask is of all processors there can be, unless the thread was
// given one before.
func unpin() {
	given := processors
	for i := range processors {
		processors[i] = 0xff
	}
	setAffinity(0, &processors)
	var now affinity
	_, _, e := unix.RawSyscall(unix.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(now), uintptr(unsafe.Pointer(&now)))
	if e != 0 || now != given {
		processors = given
		setAffinity(0, &processors)
	}
}

// Pin puts the first thread, which the caller is on, back on the processor that entry has
// chosen, until Unpin is called: for a command that makes a process and waits for it, the
// two of which work in turn. What it makes is not pinned.
func Pin() {
	if pinned && !held {
		held = true
		setAffinity(0, &one)
	}
}

// Unpin is for who waits longer, on the first thread.
func Unpin() {
	if held {
		held = false
		setAffinity(unix.Getpid(), &processors)
	}
}

// held is whether Pin was called, and not Unpin since.
var held bool

// Stay is called by a command that stays and works on more threads than the first: all of
// them may run on any of the processors from here on, that begin a thread anew as well.
func Stay() {
	if !pinned {
		return
	}
	held = false
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return // they go on where they are
	}
	for _, task := range tasks {
		if tid, err := strconv.Atoi(task.Name()); err == nil {
			setAffinity(tid, &processors)
		}
	}
}

// setAffinity may fail where a processor has gone: what is left is the kernel's choice.
func setAffinity(tid int, mask *affinity) {
	_, _, _ = unix.RawSyscall(unix.SYS_SCHED_SETAFFINITY, uintptr(tid), unsafe.Sizeof(*mask), uintptr(unsafe.Pointer(mask)))
}
