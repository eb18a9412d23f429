package container

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/caps"
	"ocibox/core/cgroup"
	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/idmap"
)

// needed is the first kernel with all that a container takes.
const needed = "5.14"

// checkKernel says in one line what an older kernel lacks.
func checkKernel() error {
	release := kernelRelease()
	if !before(release, 5, 14) {
		return nil
	}
	missing := ""
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSYMFOLLOW}
	switch unix.MountSetattr(-1, "", unix.AT_EMPTY_PATH, &attr) {
	case unix.ENOSYS: // before 5.12
		missing = "mount_setattr(2)"
	case unix.EINVAL:
		missing = "MOUNT_ATTR_NOSYMFOLLOW of mount_setattr(2)"
	default: // it is not what it says, personality(2)
		return nil
	}
	return fault.Op(nil, "this kernel is %s, which has no %s: ocibox needs Linux %s", release, missing, needed)
}

func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// before says whether a kernel's release is older than major.minor.
func before(release string, major, minor int) bool {
	first, rest, _ := strings.Cut(release, ".")
	a, err := strconv.Atoi(first)
	if end := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' }); end >= 0 {
		rest = rest[:end]
	}
	b, err2 := strconv.Atoi(rest)
	if err != nil || err2 != nil {
		return false
	}
	return a < major || a == major && b < minor
}

// sysctlHint finds a group that the container's user namespace lacks.
func sysctlHint(s *specs.Spec, f *clone.Failure) string {
	if !strings.HasSuffix(f.Step.Object, "ping_group_range") || f.Errno != unix.EINVAL || len(s.Linux.GIDMappings) == 0 {
		return ""
	}
	for _, word := range strings.Fields(s.Linux.Sysctl[f.Step.Object]) {
		gid, err := strconv.ParseUint(word, 10, 32)
		if err != nil {
			return ""
		}
		if _, ok := idmap.HostID(s.Linux.GIDMappings, uint32(gid)); !ok {
			return fmt.Sprintf("gid %d is not in linux.gidMappings", gid)
		}
	}
	return ""
}

// clockHint finds a clock that would show less than nothing.
func clockHint(offsets map[string]specs.LinuxTimeOffset) string {
	clocks := map[string]int32{"monotonic": unix.CLOCK_MONOTONIC, "boottime": unix.CLOCK_BOOTTIME}
	for _, name := range slices.Sorted(maps.Keys(offsets)) {
		var now unix.Timespec
		if err := unix.ClockGettime(clocks[name], &now); err != nil {
			return ""
		}
		if secs := offsets[name].Secs; int64(now.Sec)+secs < 0 {
			return fmt.Sprintf("the %s clock shows %d s, which %d would make negative", name, now.Sec, secs)
		}
	}
	return ""
}

// niceHint says whether it is the capability that is missing, sched(7), or time
// for the policy: with CONFIG_RT_GROUP_SCHED a new cgroup of version 1 has none.
func niceHint(g *cgroup.Group) string {
	own, _, err := caps.Own()
	if err != nil {
		return ""
	}
	initial, err := idmap.InInitialUserns()
	switch {
	case err != nil:
		return ""
	case own&(1<<unix.CAP_SYS_NICE) == 0 || !initial:
	case g != nil && procValue(g.Legacy["cpu"]+"/cpu.rt_runtime_us") == "0":
		return "the container's cgroup has no time for that policy: linux.resources.cpu.realtimeRuntime gives it some"
	default:
		return ""
	}
	return "it takes CAP_SYS_NICE in the host's user namespace, which the caller has not"
}
