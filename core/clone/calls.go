package clone

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// callDesc describes a system call: its name and the kinds of its arguments,
// which Linked.arg and flagSet know. "-" is one that is not shown.
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

// flags is a set of names for the values of an argument: an or of bits, or
// one of several values. named says that an error shows it too.
type flags struct {
	kind  string
	bits  bool
	named bool
	names []flag
}

type flag struct {
	value uintptr
	name  string
}

func (f *flags) format(v uintptr) string {
	var s []string
	for _, n := range f.names {
		switch {
		case v == n.value:
			return strings.Join(append(s, n.name), "|")
		case f.bits && n.value != 0 && v&n.value == n.value:
			s = append(s, n.name)
			v &^= n.value
		}
	}
	if v != 0 || len(s) == 0 {
		s = append(s, num(v))
	}
	return strings.Join(s, "|")
}

func num(v uintptr) string {
	if v < 10 {
		return strconv.Itoa(int(v))
	}
	return "0x" + strconv.FormatUint(uint64(v), 16)
}

func flagSet(kind string) *flags {
	for _, f := range flagSets {
		if f.kind == kind {
			return f
		}
	}
	return nil
}

var flagSets = [...]*flags{&openFlags, &atFlags, &openTreeFlags, &moveMountFlags, &fsopenFlags, &fspickFlags, &fsmountFlags, &fsconfigs,
	&mountAttrs, &propagation, &namespaceFlags, &closeRange, &umounts, &ioctls, &prctls, &keyctls, &rlimits, &fileTypes, &families, &sockTypes,
	&resolves, &personalities, &memPolicies, &ioWhos, &seccomps, &seccompFlags}

var openFlags = flags{"open", true, false, []flag{
	{unix.O_PATH, "O_PATH"}, {unix.O_RDWR, "O_RDWR"}, {unix.O_WRONLY, "O_WRONLY"},
	{unix.O_DIRECTORY, "O_DIRECTORY"}, {unix.O_NOFOLLOW, "O_NOFOLLOW"}, {unix.O_NOCTTY, "O_NOCTTY"},
	{unix.O_NONBLOCK, "O_NONBLOCK"}, {unix.O_CLOEXEC, "O_CLOEXEC"},
}}

var atFlags = flags{"at", true, false, []flag{
	{unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"}, {unix.AT_RECURSIVE, "AT_RECURSIVE"}, {unix.AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"},
}}

var openTreeFlags = flags{"opentree", true, false, []flag{
	{unix.OPEN_TREE_CLONE, "OPEN_TREE_CLONE"}, {unix.OPEN_TREE_CLOEXEC, "OPEN_TREE_CLOEXEC"}, {unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"},
	{unix.AT_RECURSIVE, "AT_RECURSIVE"}, {unix.AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"},
}}

var moveMountFlags = flags{"movemount", true, false, []flag{
	{unix.MOVE_MOUNT_F_EMPTY_PATH, "MOVE_MOUNT_F_EMPTY_PATH"}, {unix.MOVE_MOUNT_T_EMPTY_PATH, "MOVE_MOUNT_T_EMPTY_PATH"},
}}

var fsopenFlags = flags{"fsopen", true, false, []flag{{unix.FSOPEN_CLOEXEC, "FSOPEN_CLOEXEC"}}}
var fspickFlags = flags{"fspick", true, false, []flag{
	{unix.FSPICK_CLOEXEC, "FSPICK_CLOEXEC"}, {unix.FSPICK_EMPTY_PATH, "FSPICK_EMPTY_PATH"},
}}
var fsmountFlags = flags{"fsmount", true, false, []flag{{unix.FSMOUNT_CLOEXEC, "FSMOUNT_CLOEXEC"}}}

var fsconfigs = flags{"fsconfig", false, false, []flag{
	{unix.FSCONFIG_SET_FLAG, "FSCONFIG_SET_FLAG"}, {unix.FSCONFIG_SET_STRING, "FSCONFIG_SET_STRING"},
	{unix.FSCONFIG_CMD_CREATE, "FSCONFIG_CMD_CREATE"}, {unix.FSCONFIG_CMD_RECONFIGURE, "FSCONFIG_CMD_RECONFIGURE"},
}}

var mountAttrs = flags{"mountattrs", true, false, []flag{
	{unix.MOUNT_ATTR_RDONLY, "MOUNT_ATTR_RDONLY"}, {unix.MOUNT_ATTR_NOSUID, "MOUNT_ATTR_NOSUID"},
	{unix.MOUNT_ATTR_NODEV, "MOUNT_ATTR_NODEV"}, {unix.MOUNT_ATTR_NOEXEC, "MOUNT_ATTR_NOEXEC"},
	{unix.MOUNT_ATTR__ATIME, "MOUNT_ATTR__ATIME"},
	{unix.MOUNT_ATTR_NOATIME, "MOUNT_ATTR_NOATIME"}, {unix.MOUNT_ATTR_STRICTATIME, "MOUNT_ATTR_STRICTATIME"},
	{unix.MOUNT_ATTR_NODIRATIME, "MOUNT_ATTR_NODIRATIME"}, {unix.MOUNT_ATTR_NOSYMFOLLOW, "MOUNT_ATTR_NOSYMFOLLOW"},
	{unix.MOUNT_ATTR_IDMAP, "MOUNT_ATTR_IDMAP"},
}}

var propagation = flags{"propagation", true, false, []flag{
	{unix.MS_SHARED, "MS_SHARED"}, {unix.MS_SLAVE, "MS_SLAVE"}, {unix.MS_PRIVATE, "MS_PRIVATE"}, {unix.MS_UNBINDABLE, "MS_UNBINDABLE"},
}}

var namespaceFlags = flags{"namespace", true, true, []flag{
	{unix.CLONE_NEWUSER, "CLONE_NEWUSER"}, {unix.CLONE_NEWNS, "CLONE_NEWNS"}, {unix.CLONE_NEWPID, "CLONE_NEWPID"},
	{unix.CLONE_NEWIPC, "CLONE_NEWIPC"}, {unix.CLONE_NEWUTS, "CLONE_NEWUTS"}, {unix.CLONE_NEWNET, "CLONE_NEWNET"},
	{unix.CLONE_NEWCGROUP, "CLONE_NEWCGROUP"}, {unix.CLONE_NEWTIME, "CLONE_NEWTIME"},
}}

// ambients are the second argument of prctl(PR_CAP_AMBIENT).
var ambients = flags{"ambient", false, false, []flag{
	{unix.PR_CAP_AMBIENT_RAISE, "PR_CAP_AMBIENT_RAISE"}, {unix.PR_CAP_AMBIENT_CLEAR_ALL, "PR_CAP_AMBIENT_CLEAR_ALL"},
}}

var closeRange = flags{"closerange", true, false, []flag{{unix.CLOSE_RANGE_CLOEXEC, "CLOSE_RANGE_CLOEXEC"}}}
var umounts = flags{"umount", true, false, []flag{{unix.MNT_DETACH, "MNT_DETACH"}}}

var ioctls = flags{"ioctl", false, true, []flag{
	{unix.TIOCSPTLCK, "TIOCSPTLCK"}, {unix.TIOCGPTPEER, "TIOCGPTPEER"}, {unix.TIOCSWINSZ, "TIOCSWINSZ"},
	{unix.TIOCSCTTY, "TIOCSCTTY"}, {unix.SIOCSIFFLAGS, "SIOCSIFFLAGS"},
}}

var prctls = flags{"prctl", false, true, []flag{
	{unix.PR_CAPBSET_DROP, "PR_CAPBSET_DROP"}, {unix.PR_CAP_AMBIENT, "PR_CAP_AMBIENT"}, {unix.PR_SET_DUMPABLE, "PR_SET_DUMPABLE"},
	{unix.PR_SET_KEEPCAPS, "PR_SET_KEEPCAPS"}, {unix.PR_SET_NO_NEW_PRIVS, "PR_SET_NO_NEW_PRIVS"},
}}

var keyctls = flags{"keyctl", false, true, []flag{{unix.KEYCTL_JOIN_SESSION_KEYRING, "KEYCTL_JOIN_SESSION_KEYRING"}}}

var rlimits = flags{"rlimits", false, true, []flag{
	{unix.RLIMIT_CPU, "RLIMIT_CPU"}, {unix.RLIMIT_FSIZE, "RLIMIT_FSIZE"}, {unix.RLIMIT_DATA, "RLIMIT_DATA"},
	{unix.RLIMIT_STACK, "RLIMIT_STACK"}, {unix.RLIMIT_CORE, "RLIMIT_CORE"}, {unix.RLIMIT_RSS, "RLIMIT_RSS"},
	{unix.RLIMIT_NPROC, "RLIMIT_NPROC"}, {unix.RLIMIT_NOFILE, "RLIMIT_NOFILE"}, {unix.RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK"},
	{unix.RLIMIT_AS, "RLIMIT_AS"}, {unix.RLIMIT_LOCKS, "RLIMIT_LOCKS"}, {unix.RLIMIT_SIGPENDING, "RLIMIT_SIGPENDING"},
	{unix.RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE"}, {unix.RLIMIT_NICE, "RLIMIT_NICE"}, {unix.RLIMIT_RTPRIO, "RLIMIT_RTPRIO"},
	{unix.RLIMIT_RTTIME, "RLIMIT_RTTIME"},
}}

var fileTypes = flags{"filetype", false, false, []flag{
	{unix.S_IFDIR, "S_IFDIR"}, {unix.S_IFREG, "S_IFREG"}, {unix.S_IFLNK, "S_IFLNK"}, {unix.S_IFCHR, "S_IFCHR"},
	{unix.S_IFBLK, "S_IFBLK"}, {unix.S_IFIFO, "S_IFIFO"}, {unix.S_IFSOCK, "S_IFSOCK"},
}}

var resolves = flags{"resolve", true, false, []flag{
	{unix.RESOLVE_BENEATH, "RESOLVE_BENEATH"}, {unix.RESOLVE_NO_XDEV, "RESOLVE_NO_XDEV"}, {unix.RESOLVE_NO_MAGICLINKS, "RESOLVE_NO_MAGICLINKS"},
}}

// Of personality(2), sched(7) and ioprio_set(2), x/sys has not all names.
var personalities = flags{"personality", false, true, []flag{{0, "PER_LINUX"}, {8, "PER_LINUX32"}}}

var schedPolicies = flags{"schedpolicy", false, false, []flag{
	{unix.SCHED_NORMAL, "SCHED_OTHER"}, {unix.SCHED_FIFO, "SCHED_FIFO"}, {unix.SCHED_RR, "SCHED_RR"}, {unix.SCHED_BATCH, "SCHED_BATCH"},
	{4, "SCHED_ISO"}, {unix.SCHED_IDLE, "SCHED_IDLE"}, {unix.SCHED_DEADLINE, "SCHED_DEADLINE"},
}}

var schedFlags = flags{"schedflags", true, false, []flag{
	{unix.SCHED_FLAG_RESET_ON_FORK, "SCHED_FLAG_RESET_ON_FORK"}, {unix.SCHED_FLAG_RECLAIM, "SCHED_FLAG_RECLAIM"},
	{unix.SCHED_FLAG_DL_OVERRUN, "SCHED_FLAG_DL_OVERRUN"}, {unix.SCHED_FLAG_KEEP_POLICY, "SCHED_FLAG_KEEP_POLICY"},
	{unix.SCHED_FLAG_KEEP_PARAMS, "SCHED_FLAG_KEEP_PARAMS"}, {unix.SCHED_FLAG_UTIL_CLAMP_MIN, "SCHED_FLAG_UTIL_CLAMP_MIN"},
	{unix.SCHED_FLAG_UTIL_CLAMP_MAX, "SCHED_FLAG_UTIL_CLAMP_MAX"},
}}

var ioClasses = flags{"ioclass", false, false, []flag{
	{0, "IOPRIO_CLASS_NONE"}, {1, "IOPRIO_CLASS_RT"}, {2, "IOPRIO_CLASS_BE"}, {3, "IOPRIO_CLASS_IDLE"},
}}
var ioWhos = flags{"iowho", false, false, []flag{{1, "IOPRIO_WHO_PROCESS"}}}

// memPolicies are bits, then the modes from the last down: format takes the
// first that is all of what is left, or is in it.
var memPolicies = flags{"mempolicy", true, true, []flag{
	{unix.MPOL_F_STATIC_NODES, "MPOL_F_STATIC_NODES"}, {unix.MPOL_F_RELATIVE_NODES, "MPOL_F_RELATIVE_NODES"},
	{unix.MPOL_F_NUMA_BALANCING, "MPOL_F_NUMA_BALANCING"},
	{unix.MPOL_WEIGHTED_INTERLEAVE, "MPOL_WEIGHTED_INTERLEAVE"}, {unix.MPOL_PREFERRED_MANY, "MPOL_PREFERRED_MANY"},
	{unix.MPOL_LOCAL, "MPOL_LOCAL"}, {unix.MPOL_INTERLEAVE, "MPOL_INTERLEAVE"}, {unix.MPOL_BIND, "MPOL_BIND"},
	{unix.MPOL_PREFERRED, "MPOL_PREFERRED"}, {unix.MPOL_DEFAULT, "MPOL_DEFAULT"},
}}

var seccomps = flags{"seccomp", false, false, []flag{{unix.SECCOMP_SET_MODE_FILTER, "SECCOMP_SET_MODE_FILTER"}}}
var seccompFlags = flags{"seccompflags", true, false, []flag{
	{unix.SECCOMP_FILTER_FLAG_TSYNC, "SECCOMP_FILTER_FLAG_TSYNC"}, {unix.SECCOMP_FILTER_FLAG_LOG, "SECCOMP_FILTER_FLAG_LOG"},
	{unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"}, {unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, "SECCOMP_FILTER_FLAG_NEW_LISTENER"},
	{unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH, "SECCOMP_FILTER_FLAG_TSYNC_ESRCH"},
	{unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"},
}}

var families = flags{"family", false, false, []flag{{unix.AF_UNIX, "AF_UNIX"}}}
var sockTypes = flags{"socktype", true, false, []flag{{unix.SOCK_DGRAM, "SOCK_DGRAM"}, {unix.SOCK_CLOEXEC, "SOCK_CLOEXEC"}}}
