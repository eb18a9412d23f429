package proc

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The runtime's first thread, and no other, has another slack than before.
func TestCalmMonitor(t *testing.T) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have [2]unix.CapUserData
	if err := unix.Capget(&hdr, &have[0]); err != nil {
		t.Fatal(err)
	}
	if have[0].Effective&(1<<unix.CAP_SYS_NICE) == 0 {
		t.Skip("no CAP_SYS_NICE")
	}
	threads, err := Threads(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	first := 0
	for _, tid := range threads {
		if tid > os.Getpid() && (first == 0 || tid < first) {
			first = tid
		}
	}
	if first == 0 || first > os.Getpid()+monitorReach {
		t.Skip("others took the pids that follow this one")
	}
	slack := func(tid int) string {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/timerslack_ns", tid))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	CalmMonitor()
	if got := slack(first); got != monitorSlack {
		t.Errorf("thread %d of %d: %s ns", first, os.Getpid(), got)
	}
	if got := slack(os.Getpid()); got == monitorSlack {
		t.Error("the main thread has it")
	}
}
