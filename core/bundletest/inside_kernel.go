package bundletest

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Kernel is what the kernel says of a process inside: the program "kernel".
type Kernel struct {
	Files              map[string]string // the contents of those asked for, without the last line end
	Monotonic, Booted  int64             // clocks, in nanoseconds
	Machine            string            // of uname(2)
	Sched              unix.SchedAttr
	IOPrio, MemoryMode int
	MemoryNodes        uint64
	CPUs               []int
}

func kernel(files []string) Kernel {
	k := Kernel{Files: map[string]string{}}
	for _, f := range files {
		k.Files[f] = strings.TrimRight(read(f), "\n")
	}
	k.Monotonic, k.Booted = Clock(unix.CLOCK_MONOTONIC), Clock(unix.CLOCK_BOOTTIME)
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		k.Machine = unix.ByteSliceToString(u.Machine[:])
	}
	if a, err := unix.SchedGetAttr(os.Getpid(), 0); err == nil {
		k.Sched = *a
	}
	const whoProcess = 1
	prio, _, _ := unix.Syscall(unix.SYS_IOPRIO_GET, whoProcess, uintptr(os.Getpid()), 0)
	k.IOPrio = int(prio)
	var mode int32
	var nodes [1024 / 64]uint64
	unix.Syscall6(unix.SYS_GET_MEMPOLICY, uintptr(unsafe.Pointer(&mode)), uintptr(unsafe.Pointer(&nodes)), 1024, 0, 0, 0)
	k.MemoryMode, k.MemoryNodes = int(mode), nodes[0]
	var set unix.CPUSet
	if unix.SchedGetaffinity(os.Getpid(), &set) == nil {
		for n := range 1024 {
			if set.IsSet(n) {
				k.CPUs = append(k.CPUs, n)
			}
		}
	}
	return k
}

// Clock is what a clock shows here, in nanoseconds.
func Clock(id int32) int64 {
	var ts unix.Timespec
	if unix.ClockGettime(id, &ts) != nil {
		return 0
	}
	return ts.Nano()
}

// Kernel runs a container in the foreground and reads what its kernel says.
func (b *Bundle) Kernel(edit func(*specs.Spec), files ...string) Kernel {
	b.t.Helper()
	b.Write(func(s *specs.Spec) {
		s.Process.Args = b.Args("kernel", files...)
		edit(s)
	})
	return ReadKernel(b.t, b.Foreground())
}

// ReadKernel reads what the program "kernel" has written.
func ReadKernel(t *testing.T, text string) Kernel {
	t.Helper()
	var k Kernel
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		t.Fatalf("kernel %q: %v", text, err)
	}
	return k
}
