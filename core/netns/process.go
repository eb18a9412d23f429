package netns

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/namespace"
	"ocibox/core/proc"
)

// processFile is the network namespace of a process, by 0 that of the calling
// thread.
func processFile(pid int) string {
	if pid == 0 {
		return "/proc/thread-self/ns/net"
	}
	return fmt.Sprintf("/proc/%d/ns/net", pid)
}

// identity is the namespace that path refers to.
func identity(path string) (namespace.ID, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return namespace.ID{}, err
	}
	return namespace.ID{Dev: uint64(st.Dev), Ino: st.Ino}, nil
}

// NamesOf are the names that the network namespace of process pid has; by 0
// those of the calling thread's.
func NamesOf(pid int) ([]string, error) {
	id, err := identity(processFile(pid))
	if err != nil {
		return nil, fault.Op(err, "look at the network namespace of process %d", pid)
	}
	names, err := Names()
	if err != nil {
		return nil, err
	}
	var own []string
	for _, name := range names {
		// One that is deleted meanwhile has no name any more.
		if other, err := identity(file(name)); err == nil && other == id {
			own = append(own, name)
		}
	}
	return own, nil
}

// Pids are the processes that are in the network namespace of that name, as far
// as the caller may look into them, in ascending order.
func Pids(name string) ([]int, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	id, err := identity(file(name))
	if err != nil {
		return nil, fault.Op(err, "open network namespace %s", name)
	}
	all, err := proc.Pids()
	if err != nil {
		return nil, err
	}
	var in []int
	for _, pid := range all {
		other, err := identity(processFile(pid))
		switch {
		case err == nil && other == id:
			in = append(in, pid)
		case err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) && !errors.Is(err, unix.ESRCH):
			return nil, fault.Op(err, "look at process %d", pid)
		}
	}
	return in, nil
}
