// Package rdt puts a container into a group of resctrl, the kernel's file
// system for Intel RDT and its like: Documentation/filesystems/resctrl.rst of
// the kernel; runtime-spec, config-linux.md, "IntelRdt".
package rdt

import (
	"os"
	"strings"

	"ocibox/core/fault"
)

// Find gives the mount point of resctrl in the caller's mount namespace.
func Find() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", fault.Op(err, "look for resctrl")
	}
	if at := mountPoint(string(mounts)); at != "" {
		return at, nil
	}
	types, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return "", fault.Op(err, "look for resctrl")
	}
	return "", absent(string(types))
}

// mountPoint reads mountinfo, proc_pid_mountinfo(5). The last mount is on top.
func mountPoint(mountinfo string) (at string) {
	for line := range strings.Lines(mountinfo) {
		own, fs, _ := strings.Cut(line, " - ")
		f := strings.Fields(own)
		const root, point = 3, 4
		if len(f) > point && f[root] == "/" && strings.HasPrefix(fs, "resctrl ") {
			at = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(f[point])
		}
	}
	return at
}

// absent says what is missing, by /proc/filesystems, filesystems(5).
func absent(filesystems string) error {
	for line := range strings.Lines(filesystems) {
		if strings.TrimSpace(strings.TrimPrefix(line, "nodev")) == "resctrl" {
			return fault.Op(nil, "no resctrl file system is mounted").WithHint("mount -t resctrl resctrl /sys/fs/resctrl")
		}
	}
	return fault.Op(nil, "no resctrl file system is mounted").WithHint("this kernel has none for this processor: /proc/filesystems does not list resctrl")
}
