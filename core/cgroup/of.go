package cgroup

import (
	"fmt"
	"os"
	"strings"

	"ocibox/core/fault"
	"ocibox/core/files"
)

// Of tells the directories of the cgroups that a process is in, as far as their
// hierarchies are mounted here: that in version 2, or "", and those in version 1.
// One that lies outside of the caller's cgroup namespace is an error.
func Of(pid int) (unified string, legacy []string, err error) {
	data, err := files.Read(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", nil, fault.Op(err.(*os.PathError).Err, "look for the cgroups of process %d", pid)
	}
	its := parseOwn(string(data))
	for _, l := range append(its.legacy, legacyOwn{path: its.unified}) {
		if l.path == "/.." || strings.HasPrefix(l.path, "/../") {
			return "", nil, fault.Op(nil, "process %d is in %s, outside of the caller's cgroup namespace", pid, l.path)
		}
	}
	mountinfo, err := files.Read("/proc/self/mountinfo")
	if err != nil {
		return "", nil, fault.Op(err, "look for cgroups")
	}
	h, err := system.find(parseMounts(string(mountinfo)), its)
	if err != nil {
		return "", nil, err
	}
	if h.Unified == nil && len(h.Legacy) == 0 {
		return "", nil, fault.Op(nil, "no cgroups are mounted")
	}
	if h.Unified != nil {
		unified = h.Unified.Own
	}
	for _, t := range h.Legacy {
		legacy = append(legacy, t.Own)
	}
	return unified, legacy, nil
}
