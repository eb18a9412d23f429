package container

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/moby/sys/user"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/files"
	"ocibox/core/namespace"
	"ocibox/core/plan"
)

// notRunning is the error about a container without an init. containerd looks
// for these words to tell it from other failures.
func (c *Container) notRunning() error {
	return fault.Op(nil, "%s: container not running", c.ID)
}

// open gives a pidfd of the container's init, and of no other process that has
// its pid now. Without an init the error is notRunning.
func (c *Container) open() (int, error) {
	pidfd, err := c.opened()
	if err == nil && pidfd < 0 {
		err = c.notRunning()
	}
	return pidfd, err
}

// ending says whether the init has ended or is about to: it leaves its
// namespaces before the kernel kills what is in its pid namespace, and is a
// process, not a zombie, until that is gone (do_exit in the kernel's exit.c).
func (c *Container) ending() bool {
	if alive, err := c.alive(); err != nil || !alive {
		return err == nil
	}
	_, err := namespace.Of(c.Pid, namespace.ByType(specs.MountNamespace))
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH)
}

// target finds out what a process has to join to be in the container: as with runc,
// where the init is of the kinds of namespaces that config.json names. What it tells is
// the init's if that still runs afterwards.
func (c *Container) target(spec *specs.Spec) (plan.Target, error) {
	t := plan.Target{RootFS: c.Rootfs}
	// What was made for the container is not the caller's; what is named by its path may
	// be. A user namespace cannot be joined from inside, setns(2). One that the init has
	// made itself tells what root is in its mount namespace, which it may have made then.
	look := uint64(unix.CLONE_NEWUSER)
	if spec.Linux != nil {
		for _, n := range spec.Linux.Namespaces {
			switch k := namespace.ByType(n.Type); {
			case k == nil: // which is refused
			case n.Path != "" || k.Flag == unix.CLONE_NEWUSER:
				look |= k.Flag
			default:
				t.Joins |= k.Flag
			}
		}
	}
	if err := c.compare(look, &t); err != nil {
		return t, err
	}
	if t.Joins&unix.CLONE_NEWNS != 0 {
		t.RootFS = "/proc/" + strconv.Itoa(c.Pid) + "/root"
	}
	if t.Joins&unix.CLONE_NEWUSER != 0 {
		word, err := files.Read(fmt.Sprintf("/proc/%d/setgroups", c.Pid))
		if err != nil {
			return t, err
		}
		t.NoSetgroups = bytes.HasPrefix(word, []byte("deny"))
		if t.UIDs, err = readMap(c.Pid, "uid_map"); err != nil {
			return t, err
		}
		if t.GIDs, err = readMap(c.Pid, "gid_map"); err != nil {
			return t, err
		}
	}
	var nproc unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &nproc); err != nil {
		return t, fault.Op(err, "read the limit of processes")
	}
	t.Nproc = nproc.Max
	return t, nil
}

// compare adds to the target those of the kinds in which the init is not where the caller
// is.
func (c *Container) compare(kinds uint64, t *plan.Target) error {
	own, err := namespace.Numbers(os.Getpid(), kinds)
	if err != nil {
		return err
	}
	its, err := namespace.Numbers(c.Pid, kinds)
	var e *fault.Error
	if errors.Is(err, unix.EACCES) && errors.As(err, &e) && c.waits() {
		e.Hint = "the init of a container hides until it is started, from all but root: start it first"
	}
	if err != nil {
		return err
	}
	for i := range namespace.Kinds {
		switch k := &namespace.Kinds[i]; {
		case own[i] == 0: // this kernel has none of the kind, or it is not asked for
		case its[i] == 0:
			return c.notRunning() // it has left them
		case its[i] != own[i]:
			t.Joins |= k.Flag
		}
	}
	return nil
}

// readMap reads /proc/PID/uid_map or gid_map, user_namespaces(7).
func readMap(pid int, name string) ([]specs.LinuxIDMapping, error) {
	lines, err := user.ParseIDMapFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		return nil, err
	}
	m := []specs.LinuxIDMapping{}
	for _, l := range lines {
		m = append(m, specs.LinuxIDMapping{ContainerID: uint32(l.ID), HostID: uint32(l.ParentID), Size: uint32(l.Count)})
	}
	return m, nil
}

// Init is the pid of the container's init, which runs. Without one the error is
// that the container is not running.
func (c *Container) Init() (int, error) {
	alive, err := c.alive()
	if err == nil && !alive {
		err = c.notRunning()
	}
	return c.Pid, err
}
