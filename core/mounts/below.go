package mounts

import (
	"os"
	"strings"
)

// Below lists the mount points below dir, proc_pid_mountinfo(5).
func Below(dir string) []string {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil // it is only asked for to explain something
	}
	var below []string
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], strings.TrimSuffix(dir, "/")+"/") {
			below = append(below, f[4])
		}
	}
	return below
}
