package clone

import "golang.org/x/sys/unix"

// callDesc describes a system call: its name and the kinds of its arguments,
// which Linked.arg and names.Find know. "-" is one that is not shown.
type callDesc struct {
	nr   uintptr
	name string
	args string
}

// calls are those that programs are made of.
var calls = [...]callDesc{
	{unix.SYS_CAPSET, "capset", "- capdata"},
	{unix.SYS_CHDIR, "chdir", "str"},
	{unix.SYS_CHROOT, "chroot", "str"},
	{unix.SYS_CLOSE, "close", "fd"},
	{unix.SYS_CLOSE_RANGE, "close_range", "int - closerange"},
	{unix.SYS_DUP3, "dup3", "fd fd open"},
	{unix.SYS_EXIT_GROUP, "exit_group", "int"},
	{unix.SYS_FCHDIR, "fchdir", "fd"},
	{SysFchown, "fchown", "fd int int"},
	{unix.SYS_FCHMODAT, "fchmodat", "fd str oct"},
	{unix.SYS_FCHOWNAT, "fchownat", "fd str int int at"},
	{unix.SYS_FSCONFIG, "fsconfig", "fd fsconfig str str -"},
	{unix.SYS_FSETXATTR, "fsetxattr", "fd str str - -"},
	{unix.SYS_FSMOUNT, "fsmount", "fd fsmount mountattrs"},
	{unix.SYS_FSOPEN, "fsopen", "str fsopen"},
	{unix.SYS_FSPICK, "fspick", "fd str fspick"},
	{unix.SYS_GETPID, "getpid", ""},
	{unix.SYS_IOCTL, "ioctl", "fd ioctl ioctlarg"},
	{unix.SYS_IOPRIO_SET, "ioprio_set", "iowho int ioprio"},
	{unix.SYS_KEYCTL, "keyctl", "keyctl str"},
	{unix.SYS_KILL, "kill", "int int"},
	{unix.SYS_MKDIRAT, "mkdirat", "fd str oct"},
	{unix.SYS_MKNODAT, "mknodat", "fd str filemode dev"},
	{unix.SYS_MOUNT, "mount", "str str str mount str"},
	{unix.SYS_MOUNT_SETATTR, "mount_setattr", "fd str at mountattr -"},
	{unix.SYS_MOVE_MOUNT, "move_mount", "fd str fd str movemount"},
	{unix.SYS_OPENAT, "openat", "fd str open"},
	{unix.SYS_OPENAT2, "openat2", "fd str openhow -"},
	{unix.SYS_OPEN_TREE, "open_tree", "fd str opentree"},
	{unix.SYS_PERSONALITY, "personality", "personality"},
	{unix.SYS_PIVOT_ROOT, "pivot_root", "str str"},
	{unix.SYS_PRCTL, "prctl", "prctl prctlarg prctlarg2"},
	{unix.SYS_PRLIMIT64, "prlimit64", "int rlimits rlimit -"},
	{unix.SYS_READ, "read", "fd - int"},
	{unix.SYS_READLINKAT, "readlinkat", "fd str - int"},
	{unix.SYS_RECVFROM, "recvfrom", "fd - int"},
	{unix.SYS_SCHED_SETAFFINITY, "sched_setaffinity", "int - cpus"},
	{unix.SYS_SCHED_SETATTR, "sched_setattr", "int schedattr -"},
	{unix.SYS_SECCOMP, "seccomp", "seccomp seccompflags filter"},
	{unix.SYS_SETDOMAINNAME, "setdomainname", "str int"},
	{SysSetgroups, "setgroups", "int groups"},
	{unix.SYS_SETHOSTNAME, "sethostname", "str int"},
	{unix.SYS_SETNS, "setns", "fd namespace"},
	{unix.SYS_SET_MEMPOLICY, "set_mempolicy", "mempolicy nodes -"},
	{SysSetresgid, "setresgid", "int int int"},
	{SysSetresuid, "setresuid", "int int int"},
	{unix.SYS_SETSID, "setsid", ""},
	{unix.SYS_SOCKET, "socket", "family socktype int"},
	{unix.SYS_SYMLINKAT, "symlinkat", "str fd str"},
	{unix.SYS_UMASK, "umask", "oct"},
	{unix.SYS_UMOUNT2, "umount2", "str umount"},
	{unix.SYS_UNLINKAT, "unlinkat", "fd str at"},
	{unix.SYS_UNSHARE, "unshare", "namespace"},
	{unix.SYS_WRITE, "write", "fd str int"},
}

func describeCall(nr uintptr) *callDesc {
	for i := range calls {
		if calls[i].nr == nr {
			return &calls[i]
		}
	}
	return nil
}

// shown are the kinds of arguments that an error shows too, as it does strings.
var shown = [...]string{"namespace", "ioctl", "prctl", "keyctl", "rlimits", "personality", "mempolicy", "iowho"}
