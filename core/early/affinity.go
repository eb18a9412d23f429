package early

import (
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// unpin gives the calling thread its processors back. A mask that a thread was given is
// kept by the kernel beside those that its cgroup allows, and limits what a cgroup may
// allow it later (Linux 6.2). So the mask is of all processors there can be, unless those are
// more than what it had: whether it was given a mask, the kernel does not tell.
func unpin() {
	given := processors
	for i := range processors {
		processors[i] = ^uintptr(0)
	}
	setAffinity(0, &processors)
	var now affinity
	_, _, e := unix.RawSyscall(unix.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(now), uintptr(unsafe.Pointer(&now)))
	if e != 0 || now != given {
		processors = given
		setAffinity(0, &processors)
	}
}

// Pin puts the first thread, if the caller is on that, back on the processor that entry has
// chosen, until Unpin is called: for a command that makes a process and waits for it, the
// two of which work in turn. What it makes is not pinned.
func Pin() {
	if pinned && !held && unix.Gettid() == unix.Getpid() {
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
// them may run on any of the processors from here on, by the usual policy, and so those that
// they make.
func Stay() {
	Unpin()
	if !pinned && !batch {
		return
	}
	for seen := 0; ; {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil || len(tasks) == seen {
			return // or they go on where they are
		}
		seen = len(tasks)
		for _, task := range tasks {
			tid, err := strconv.Atoi(task.Name())
			if err != nil {
				continue
			}
			if pinned {
				setAffinity(tid, &processors)
			}
			if batch {
				_ = setScheduler(uintptr(tid), unix.SCHED_NORMAL)
			}
		}
	}
}

// setAffinity may fail where no processor of the mask is left to the cgroup.
func setAffinity(tid int, mask *affinity) {
	_, _, _ = unix.RawSyscall(unix.SYS_SCHED_SETAFFINITY, uintptr(tid), unsafe.Sizeof(*mask), uintptr(unsafe.Pointer(mask)))
}
