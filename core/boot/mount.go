// Package boot does what the first process of a machine has to: it mounts what
// programs expect, brings the loopback device up, loads modules, runs a program
// on the console, reaps what loses its parent, and ends the machine.
package boot

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// mount is a file system that the kernel has, and where programs look for it.
type mount struct {
	fs, at string
	flags  uintptr
	data   string
}

const (
	nodev = unix.MS_NOSUID | unix.MS_NODEV
	inert = nodev | unix.MS_NOEXEC
)

// procfs comes first: the rest looks things up in it.
var procfs = mount{"proc", "/proc", inert, ""}

var others = [...]mount{
	{"sysfs", "/sys", inert, ""},
	{"devtmpfs", "/dev", unix.MS_NOSUID, "mode=755"},
	{"devpts", "/dev/pts", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=620,ptmxmode=666"},
	{"tmpfs", "/dev/shm", nodev, "mode=1777"},
	{"tmpfs", "/run", nodev, "mode=755"},
	{"tmpfs", "/tmp", nodev, "mode=1777"},
}

// Proc mounts procfs.
func Proc() error { return procfs.mount() }

// Mount mounts what else there is; cgroups is one of "v2", "v1" and "none". It
// tells warn what could not be mounted, and goes on.
func Mount(cgroups string, warn func(error)) {
	note := func(err error) {
		if err != nil {
			warn(err)
		}
	}
	for _, m := range others {
		note(m.mount())
	}
	switch cgroups {
	case "v2":
		note(unified())
	case "v1":
		legacy(note)
	}
}

// mount makes the directory and mounts the file system there, unless something
// is mounted there already.
func (m mount) mount() error {
	if err := os.MkdirAll(m.at, 0o755); err != nil {
		return fault.Op(err, "make a place to mount %s", m.fs)
	}
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, m.at, 0, 0, &st)
	if err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return nil
	}
	if err := unix.Mount(m.fs, m.at, m.fs, m.flags, m.data); err != nil && !errors.Is(err, unix.EBUSY) {
		return fault.Op(err, "mount %s at %s", m.fs, m.at)
	}
	return nil
}

const cgroupRoot = "/sys/fs/cgroup"

// unified mounts cgroups of version 2, with every controller for those below.
func unified() error {
	m := mount{"cgroup2", cgroupRoot, inert, "nsdelegate,memory_recursiveprot"}
	if err := m.mount(); err != nil {
		return err
	}
	words, err := os.ReadFile(cgroupRoot + "/cgroup.controllers")
	if err != nil {
		return err
	}
	for _, c := range strings.Fields(string(words)) {
		if err := os.WriteFile(cgroupRoot+"/cgroup.subtree_control", []byte("+"+c), 0); err != nil {
			return fault.Op(err, "have the controller %s for cgroups", c)
		}
	}
	return nil
}

// legacy mounts each controller of version 1 in a directory of its own. Those
// that this kernel has for version 2 alone are left out.
func legacy(note func(error)) {
	if err := (mount{"tmpfs", cgroupRoot, inert, "mode=755"}).mount(); err != nil {
		note(err)
		return
	}
	table, err := os.ReadFile("/proc/cgroups")
	if err != nil {
		note(err)
		return
	}
	for line := range strings.Lines(string(table)) {
		name, _, _ := strings.Cut(line, "\t")
		if strings.HasPrefix(name, "#") {
			continue
		}
		at := filepath.Join(cgroupRoot, name)
		if err := (mount{"cgroup", at, inert, name}).mount(); err != nil {
			os.Remove(at)
			if !errors.Is(err, unix.EINVAL) {
				note(err)
			}
		}
	}
}
