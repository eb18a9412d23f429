package seccomp

import (
	"errors"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// flag is a word of linux.seccomp.flags.
type flag struct {
	name specs.LinuxSeccompFlag
	bits uint // of seccomp(2)
	with uint // without which the kernel does not take it
}

var flags = [...]flag{
	// seccomp(2) takes TSYNC beside a listener, and says with an errno that a
	// thread could not follow, only with TSYNC_ESRCH (Linux 5.7).
	{"SECCOMP_FILTER_FLAG_TSYNC", unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH, 0},
	{specs.LinuxSeccompFlagLog, unix.SECCOMP_FILTER_FLAG_LOG, 0},
	{specs.LinuxSeccompFlagSpecAllow, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, 0},
	{specs.LinuxSeccompFlagWaitKillableRecv, unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER},
}

// Missing lists those of the flags that the kernel does not know.
func Missing(set uint) []string {
	var names []string
	for _, f := range flags {
		if set&f.bits != 0 && !known(f.bits|f.with) {
			names = append(names, string(f.name))
		}
	}
	return names
}

// known asks the kernel, which looks at the flags first, and then in vain for a
// filter: seccomp(2), EFAULT.
func known(bits uint) bool {
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(bits), 0)
	return !errors.Is(errno, unix.EINVAL)
}

// Names are the words of a profile.
type Names struct{ Actions, Operators, Archs, Flags []string }

// Words lists all that Compile takes, and makes rules of.
func Words() Names {
	var n Names
	for _, a := range actions {
		n.Actions = append(n.Actions, string(a.name))
	}
	for _, o := range operators {
		n.Operators = append(n.Operators, string(o.name))
	}
	for _, a := range abis {
		n.Archs = append(n.Archs, string(a.arch))
	}
	for _, f := range flags {
		n.Flags = append(n.Flags, string(f.name))
	}
	return n
}
