package container

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/plan"
)

// lookAtRoot says why pivot_root(2) refuses to take the root directory's mount
// from its place: because that has none below, as the initramfs has not before
// Linux 7.0, or the directory is no mount, as after a chroot(2).
func lookAtRoot(h *plan.Host) error {
	const what = "look at the root directory"
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, "/", 0, unix.STATX_MNT_ID, &st); err != nil {
		return fault.Op(err, what)
	}
	if st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		h.Chrooted = true
		return nil
	}
	// Only such a file system can be an initramfs. There may be many mounts.
	var fs unix.Statfs_t
	if err := unix.Statfs("/", &fs); err != nil {
		return fault.Op(err, what)
	}
	if t := uint32(fs.Type); t != unix.RAMFS_MAGIC && t != unix.TMPFS_MAGIC {
		return nil
	}
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fault.Op(err, what)
	}
	h.Bottom = isBottom(string(data), st.Mnt_id)
	return nil
}

// isBottom looks in mountinfo, proc_pid_mountinfo(5), whether the mount of this
// number is its own parent.
func isBottom(mountinfo string, id uint64) bool {
	want := strconv.FormatUint(id, 10)
	for line := range strings.Lines(mountinfo) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == f[1] && f[0] == want {
			return true
		}
	}
	return false
}
