// Program tells, as a Go literal a line, what it has of core/start.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"ocibox/core/start"
)

func main() {
	before := os.Getenv("GOMAXPROCS")
	start.Here()
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
	child, err := exec.Command("/proc/self/exe", "child").CombinedOutput()
	if err != nil {
		child = []byte(err.Error())
	}
	// The oldest thread but the first is the runtime's monitor.
	monitor := "none"
	if tasks, err := os.ReadDir("/proc/self/task"); err == nil && len(tasks) > 1 {
		monitor = slack("/proc/" + tasks[1].Name() + "/timerslack_ns")
	}
	fmt.Printf("procs %d\nbefore %q\nargs %q\nenv %q\nslack %q\nchild %q\nmonitor %q\n",
		runtime.GOMAXPROCS(0), before, os.Args, os.Environ(), slack("/proc/self/timerslack_ns"), child, monitor)
}
