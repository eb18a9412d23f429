package cgroup

import (
	"errors"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/files"
)

// patience is how long a group may take to freeze, thaw, or end. A process in
// an uninterruptible sleep does none of it.
const patience = 10 * time.Second

// hasEvent says whether a line is in a cgroup's cgroup.events: "frozen 1",
// "populated 0". Nothing is in that of one that is gone.
func hasEvent(dir, line string) (bool, error) {
	data, err := files.Read(dir + "/cgroup.events")
	if gone(err) {
		return false, nil
	}
	if err != nil {
		return false, fault.Op(err, "look at the cgroup")
	}
	return strings.Contains("\n"+string(data), "\n"+line+"\n"), nil
}

// awaitEvent waits until a line is in cgroup.events. The kernel tells of a
// change, poll(2), but no more often than every 10 ms: what comes right after
// another is found out sooner by looking.
func awaitEvent(dir, line string) error {
	fd, err := unix.Open(dir+"/cgroup.events", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fault.Op(err, "wait for the cgroup %s", dir)
	}
	defer unix.Close(fd)
	var buf [256]byte
	deadline := time.Now().Add(patience)
	for look := time.Millisecond; ; look = min(2*look, time.Second) {
		n, err := unix.Pread(fd, buf[:], 0)
		if err != nil {
			return fault.Op(err, "wait for %q of the cgroup %s", line, dir)
		}
		if strings.Contains("\n"+string(buf[:n]), "\n"+line+"\n") {
			return nil
		}
		if time.Now().After(deadline) {
			return fault.Op(nil, "%s: no %q in %v", dir, line, patience)
		}
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}, int(look.Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fault.Op(err, "wait for the cgroup %s", dir)
		}
	}
}
