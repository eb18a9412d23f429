package proc

import (
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// Inode is the number of a pidfd's inode, which names a process for good, as its pid
// does not: none has had it before since the boot, nor will have it. It is 0 where pidfds
// have no inodes of their own, before Linux 6.9.
func Inode(pidfd int) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(pidfd, &fs); err != nil {
		return 0, fault.Op(err, "look at a pidfd's file system")
	}
	if fs.Type != unix.PID_FS_MAGIC {
		return 0, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(pidfd, &st); err != nil {
		return 0, fault.Op(err, "look at a pidfd")
	}
	return st.Ino, nil
}

// Ended says whether the process of a pidfd has ended, be it a zombie.
func Ended(pidfd int) (bool, error) {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, 0)
		switch {
		case err == nil:
			return n > 0, nil
		case err != unix.EINTR:
			return false, fault.Op(err, "poll a pidfd")
		}
	}
}
