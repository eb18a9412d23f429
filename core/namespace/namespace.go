// Package namespace names, opens and checks namespaces.
package namespace

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// A Kind is one of the kernel's eight kinds of namespace.
type Kind struct {
	Type specs.LinuxNamespaceType // its name in config.json
	Proc string                   // its name in /proc/PID/ns
	Flag uint64                   // CLONE_NEW*
}

// Kinds are all of them, in the order in which they are joined once the user
// namespace is: the mount namespace last, since paths are resolved in it.
var Kinds = [...]Kind{
	{specs.UserNamespace, "user", unix.CLONE_NEWUSER},
	{specs.CgroupNamespace, "cgroup", unix.CLONE_NEWCGROUP},
	{specs.IPCNamespace, "ipc", unix.CLONE_NEWIPC},
	{specs.UTSNamespace, "uts", unix.CLONE_NEWUTS},
	{specs.NetworkNamespace, "net", unix.CLONE_NEWNET},
	{specs.TimeNamespace, "time", unix.CLONE_NEWTIME},
	{specs.PIDNamespace, "pid", unix.CLONE_NEWPID},
	{specs.MountNamespace, "mnt", unix.CLONE_NEWNS},
}

// ByType finds the kind that config.json calls t, or nil.
func ByType(t specs.LinuxNamespaceType) *Kind {
	for i := range Kinds {
		if Kinds[i].Type == t {
			return &Kinds[i]
		}
	}
	return nil
}

// byFlag finds the kind of a CLONE_NEW* flag, or nil.
func byFlag(flag uint64) *Kind {
	for i := range Kinds {
		if Kinds[i].Flag == flag {
			return &Kinds[i]
		}
	}
	return nil
}

// Open opens the namespace that path refers to, such as /proc/1/ns/net or a
// bind mount of it, close-on-exec, and makes sure that it is of kind k.
func Open(path string, k *Kind) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, fault.Op(err, "open %s namespace %s", k.Proc, path)
	}
	return check(fd, path, k)
}

// check closes fd unless it is a namespace of kind k.
func check(fd int, path string, k *Kind) (int, error) {
	is, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
	switch {
	case err != nil:
		err = fault.Op(nil, "%s is not a namespace", path).WithHint("a namespace file is /proc/PID/ns/%s or a bind mount of one", k.Proc)
	case uint64(is) != k.Flag:
		name := "unknown"
		if other := byFlag(uint64(is)); other != nil {
			name = other.Proc
		}
		err = fault.Op(nil, "%s is a %s namespace, not a %s namespace", path, name, k.Proc)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
