package namespace

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Refused finds the setting for which clone3(2) or unshare(2) did not make
// namespaces of these CLONE_NEW* flags, namespaces(7); "" if none was found.
func Refused(e error, flags uint64) string {
	switch {
	case errors.Is(e, unix.ENOSPC), errors.Is(e, unix.EUSERS):
		var limits []string
		for _, k := range Kinds {
			path := "/proc/sys/user/max_" + k.Proc + "_namespaces"
			if v := sysctl(path); flags&k.Flag != 0 && v != "" {
				limits = append(limits, fmt.Sprintf("%s is %s", path, v))
			}
		}
		return "a limit on namespaces is reached: " + strings.Join(limits, ", ")
	case errors.Is(e, unix.EPERM) && flags&unix.CLONE_NEWUSER != 0:
		for _, s := range []struct{ path, value string }{
			{"/proc/sys/kernel/unprivileged_userns_clone", "0"},
			{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"},
		} {
			if sysctl(s.path) == s.value {
				return fmt.Sprintf("%s is %s: plain users may not make user namespaces here", s.path, s.value)
			}
		}
		var root unix.Statx_t
		if err := unix.Statx(unix.AT_FDCWD, "/", 0, 0, &root); err == nil && root.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 && root.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
			return "the root directory is that of a chroot, in which no user namespace can be made"
		}
	}
	return ""
}

func sysctl(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
