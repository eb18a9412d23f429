package plan

import (
	"fmt"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// writeProc writes value to a file of /proc/PID in one write(2).
func writeProc(pid int, name, value string) error {
	path := fmt.Sprintf("/proc/%d/%s", pid, name)
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fault.Op(err, "open %s", path)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(value)); err != nil {
		return fault.Op(err, "write %q to %s", value, path)
	}
	return nil
}
