// Program tells, as a Go literal a line, what it has of core/early.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"ocibox/core/early"
)

func main() {
	before := os.Getenv("GOMAXPROCS")
	early.Here()
	slack := func(path string) string {
		data, err := os.ReadFile(path)
		if err != nil {
			return err.Error()
		}
		return strings.TrimSpace(string(data))
	}
	if len(os.Args) > 1 && os.Args[1] == "child" {
		fmt.Print(slack("/proc/self/timerslack_ns"))
		return
	}
	run := func() []byte {
		defer early.Plainly()()
		out, err := exec.Command("/proc/self/exe", "child").CombinedOutput()
		if err != nil {
			out = []byte(err.Error())
		}
		return out
	}
	child := run()
	elsewhere := make(chan []byte)
	go func() {
		runtime.LockOSThread() // so that it ends with this
		elsewhere <- run()
	}()
	// The oldest thread but the first is the runtime's monitor.
	monitor := "none"
	if tasks, err := os.ReadDir("/proc/self/task"); err == nil && len(tasks) > 1 {
		monitor = slack("/proc/" + tasks[1].Name() + "/timerslack_ns")
	}
	fmt.Printf("procs %d\nbefore %q\nargs %q\nenv %q\nslack %q\nA %q\nchild %q\nelsewhere %q\nmonitor %q\n",
		runtime.GOMAXPROCS(0), before, os.Args, early.Environ(), slack("/proc/self/timerslack_ns"), early.Getenv("A"), child, <-elsewhere, monitor)
}
