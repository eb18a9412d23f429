package proc

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// monitorSlack is in nanoseconds.
const monitorSlack = "5000000"

// monitorReach is how many numbers after this process's the thread is looked for
// in: others may make processes at the same time.
const monitorReach = 16

// CalmMonitor has the thread by which the Go runtime watches the others wake
// every 5 ms and not, as it does while a program is young, every 70 µs: that was
// a seventh of the CPU time of a container's run. What it does is the later for it: to
// let others run where one waits in a system call. It is the first thread that the
// runtime makes. Only who has CAP_SYS_NICE may say so of another thread than the
// calling one, proc_pid_timerslack_ns(5); for others it stays as it is.
func CalmMonitor() {
	for tid := os.Getpid() + 1; tid <= os.Getpid()+monitorReach; tid++ {
		if unix.Access("/proc/self/task/"+strconv.Itoa(tid), unix.F_OK) != nil {
			continue // another's
		}
		// A thread has it as if it were a process.
		fd, err := unix.Open("/proc/"+strconv.Itoa(tid)+"/timerslack_ns", unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return
		}
		_, _ = unix.Write(fd, []byte(monitorSlack)) // it goes without
		unix.Close(fd)
		return
	}
}
