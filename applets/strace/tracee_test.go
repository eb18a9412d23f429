//go:build amd64 || arm64 || riscv64

package strace

import (
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
)

// role says what this test binary is run as.
const role = "STRACE_TEST_ROLE"

// play is the process that role asks for; it is false for a test run.
func play() bool {
	switch os.Getenv(role) {
	case "applet":
		std := cli.Std{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
		os.Setenv(role, os.Getenv(role+"_OF_TRACEE"))
		os.Unsetenv(role + "_OF_TRACEE")
		os.Exit(cli.Report(std, "strace-lite", Run(std, os.Args[1:])))
	case "calls":
		makeCalls()
	case "exec":
		execFromThread()
	case "sleep":
		time.Sleep(time.Hour)
	default:
		return false
	}
	return true
}

const (
	begin = "/begin-of-the-calls"
	end   = "/end-of-the-calls"
)

// makeCalls makes calls that do the same wherever they are made, and nothing to
// the machine, between two that a reader of the trace can find.
func makeCalls() {
	runtime.LockOSThread()
	raw := func(nr uintptr, args ...any) uintptr {
		var a [6]uintptr
		for i, arg := range args {
			switch v := arg.(type) {
			case int:
				a[i] = uintptr(v)
			case uint64:
				a[i] = uintptr(v)
			case string:
				b := append([]byte(v), 0)
				a[i] = uintptr(unsafe.Pointer(&b[0]))
				keep = append(keep, b)
			case []byte:
				a[i] = uintptr(unsafe.Pointer(&v[0]))
			case []uint64:
				a[i] = uintptr(unsafe.Pointer(&v[0]))
			}
		}
		r, _, _ := syscall.RawSyscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
		return r
	}
	at := func(v any) uint64 {
		switch v := v.(type) {
		case []byte:
			return uint64(uintptr(unsafe.Pointer(&v[0])))
		case []uint64:
			return uint64(uintptr(unsafe.Pointer(&v[0])))
		}
		return 0
	}
	const none = -1
	buf := make([]byte, 4096)
	raw(unix.SYS_UNLINKAT, unix.AT_FDCWD, begin, 0)

	raw(unix.SYS_OPENAT, none, "/nonexistent/a\tb\x01\xff", unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o640)
	passwd := int(raw(unix.SYS_OPENAT, unix.AT_FDCWD, "/etc/passwd", unix.O_RDONLY))
	raw(unix.SYS_READ, passwd, buf, 50)
	raw(unix.SYS_PREAD64, passwd, buf, 5, 3)
	raw(unix.SYS_LSEEK, passwd, 0, 0)
	raw(unix.SYS_FCNTL, passwd, unix.F_GETFD)
	raw(unix.SYS_FCNTL, passwd, unix.F_GETFL)
	raw(unix.SYS_FCNTL, passwd, unix.F_SETFD, 1)
	raw(unix.SYS_FCNTL, passwd, unix.F_GETLK, []uint64{1 << 16, 0, 10, 0})
	raw(unix.SYS_IOCTL, passwd, unix.TCGETS, buf)
	raw(unix.SYS_IOCTL, passwd, unix.TIOCSWINSZ, []uint64{24 | 80<<16})
	raw(unix.SYS_IOCTL, none, unix.TIOCSCTTY, 1)
	raw(unix.SYS_IOCTL, none, 0x12345678, 5)
	raw(unix.SYS_FSTAT, passwd, buf)
	raw(unix.SYS_NEWFSTATAT, unix.AT_FDCWD, "/dev/null", buf, unix.AT_SYMLINK_NOFOLLOW)
	raw(unix.SYS_STATX, unix.AT_FDCWD, "/dev/zero", 0, unix.STATX_BASIC_STATS, buf)
	raw(unix.SYS_STATFS, "/proc", buf)
	raw(unix.SYS_READLINKAT, unix.AT_FDCWD, "/proc/self/exe", buf, 4)
	raw(unix.SYS_FACCESSAT, unix.AT_FDCWD, "/", unix.R_OK|unix.X_OK)
	raw(unix.SYS_OPENAT2, none, "x", []uint64{unix.O_PATH | unix.O_CLOEXEC, 0, unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}, 24)
	raw(unix.SYS_DUP3, none, none, unix.O_CLOEXEC)
	raw(unix.SYS_PIPE2, buf, unix.O_CLOEXEC|unix.O_NONBLOCK)
	pipe := [2]int{int(buf[0]), int(buf[4])}
	text := []byte("a\n\t\x00x\x01b\x011\xff\"q\\ and more than thirty-two bytes of it")
	raw(unix.SYS_WRITE, pipe[1], text, len(text))
	raw(unix.SYS_READ, pipe[0], buf, 100)
	raw(unix.SYS_READ, pipe[0], buf, 100)
	iov := []uint64{at(text), 3, at(text), 5}
	raw(unix.SYS_WRITEV, pipe[1], iov, 2)
	raw(unix.SYS_READV, pipe[0], []uint64{at(buf), 4, at(buf) + 10, 10}, 2)
	raw(unix.SYS_CLOSE_RANGE, 1<<30, 1<<30+1, unix.CLOSE_RANGE_CLOEXEC)

	raw(unix.SYS_MOUNT, "none", "/nonexistent", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=1m")
	raw(unix.SYS_MOUNT, "/a", "/nonexistent/b", 0, unix.MS_BIND|unix.MS_REC, 0)
	raw(unix.SYS_MOUNT, 0, "/nonexistent/b", 0, unix.MS_REC|unix.MS_PRIVATE, 0)
	raw(unix.SYS_UMOUNT2, "/nonexistent/b", unix.MNT_DETACH)
	raw(unix.SYS_FSOPEN, "no-such-fs", unix.FSOPEN_CLOEXEC)
	raw(unix.SYS_FSCONFIG, none, unix.FSCONFIG_SET_STRING, "size", "64m", 0)
	raw(unix.SYS_FSCONFIG, none, unix.FSCONFIG_CMD_CREATE, 0, 0, 0)
	raw(unix.SYS_FSCONFIG, none, unix.FSCONFIG_SET_FD, "fd", 0, none)
	raw(unix.SYS_FSMOUNT, none, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID)
	raw(unix.SYS_OPEN_TREE, none, "/nonexistent", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	raw(unix.SYS_MOVE_MOUNT, none, "", none, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	raw(unix.SYS_MOUNT_SETATTR, none, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, []uint64{unix.MOUNT_ATTR_RDONLY, unix.MOUNT_ATTR_NOEXEC, unix.MS_SLAVE, 5}, 32)
	raw(unix.SYS_PIVOT_ROOT, "/nonexistent/a", "/nonexistent/b")
	raw(unix.SYS_CHROOT, "/nonexistent")
	raw(unix.SYS_MKNODAT, unix.AT_FDCWD, "/nonexistent/x", unix.S_IFCHR|0o666, 1<<8|3)
	raw(unix.SYS_MKDIRAT, unix.AT_FDCWD, "/nonexistent/x", 0o755)

	raw(unix.SYS_SETNS, none, unix.CLONE_NEWNET|unix.CLONE_NEWUSER)
	raw(unix.SYS_UNSHARE, uint64(unix.CLONE_NEWNS|unix.CLONE_NEWUTS|1<<40))
	clone := []uint64{unix.CLONE_NEWNS | unix.CLONE_NEWPID, 0, 0, 0, 17, 0, 1, 0, 0, 0, 0} // a size without a stack
	raw(unix.SYS_CLONE3, clone, 88)
	raw(unix.SYS_CLONE3, clone, 64)
	raw(unix.SYS_PRCTL, unix.PR_SET_NAME, "tracee")
	raw(unix.SYS_PRCTL, unix.PR_GET_NAME, buf)
	raw(unix.SYS_PRCTL, unix.PR_GET_DUMPABLE)
	raw(unix.SYS_PRCTL, unix.PR_CAPBSET_READ, unix.CAP_NET_RAW)
	raw(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	raw(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, unix.CAP_CHOWN, 0, 0)
	raw(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	header := []uint64{unix.LINUX_CAPABILITY_VERSION_3}
	raw(unix.SYS_CAPGET, header, 0)
	raw(unix.SYS_CAPSET, header, []uint64{1<<unix.CAP_KILL | 1<<33, 0, 1 << 7})
	raw(unix.SYS_SETGROUPS, 1<<20, []uint64{0})
	raw(unix.SYS_SETRESUID, none, none, none)
	raw(unix.SYS_SETRESGID, none, none, none)
	raw(unix.SYS_SETHOSTNAME, "name", 1000)
	raw(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_CORE, 0, buf)
	raw(unix.SYS_EXECVE, "/nonexistent", []uint64{at(text), 0}, []uint64{at(text), 0})
	raw(unix.SYS_EXECVEAT, none, "", []uint64{0}, 0, unix.AT_EMPTY_PATH)
	raw(unix.SYS_WAIT4, none, buf, unix.WNOHANG, 0)
	raw(unix.SYS_WAITID, unix.P_PID, 1<<22, buf, unix.WEXITED|unix.WNOHANG, 0)
	raw(unix.SYS_PIDFD_OPEN, none, unix.PIDFD_NONBLOCK)
	raw(unix.SYS_PIDFD_SEND_SIGNAL, none, int(unix.SIGKILL), 0, 0)
	raw(unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, -3, 0)
	raw(unix.SYS_MEMFD_CREATE, "m", unix.MFD_CLOEXEC|1<<20)
	raw(unix.SYS_PERSONALITY, 0xffffffff)
	filter := []uint64{0x20 | 4<<32, 0x15 | 1<<24 | 0xc000003e<<32, 0x06 | 0x7fff0000<<32, 0x06 | 0x50026<<32}
	raw(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 1<<20, []uint64{4, at(filter)})
	raw(unix.SYS_BPF, unix.BPF_PROG_ATTACH, []uint64{1<<32 - 1, 6 | 2<<32, 0}, 24)
	raw(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1)
	raw(unix.SYS_LANDLOCK_RESTRICT_SELF, none, 0)

	pair := make([]byte, 8)
	raw(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0, pair)
	left, right := int(pair[0]), int(pair[4])
	rights := []uint64{24, unix.SOL_SOCKET | unix.SCM_RIGHTS<<32, uint64(passwd) | 1<<32}
	raw(unix.SYS_SENDMSG, left, []uint64{0, 0, at(iov), 2, at(rights), 24, 0}, unix.MSG_NOSIGNAL)
	room := []uint64{at(buf), 64}
	raw(unix.SYS_RECVMSG, right, []uint64{at(buf) + 1024, 110, at(room), 1, at(buf) + 2048, 64, 0}, unix.MSG_CMSG_CLOEXEC)
	path := []byte("\x01\x00/nonexistent/sock\x00")
	raw(unix.SYS_CONNECT, left, path, len(path))
	raw(unix.SYS_BIND, left, []byte("\x01\x00\x00abstract"), 11)
	raw(unix.SYS_GETSOCKNAME, left, buf, []uint64{110})
	raw(unix.SYS_GETSOCKOPT, left, unix.SOL_SOCKET, unix.SO_TYPE, buf, []uint64{4})
	raw(unix.SYS_SETSOCKOPT, left, unix.SOL_SOCKET, unix.SO_PASSCRED, []uint64{1}, 4)
	raw(unix.SYS_CONNECT, left, []byte{unix.AF_INET, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, 16)
	raw(unix.SYS_SENDTO, left, "hi", 2, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	raw(unix.SYS_RECVFROM, right, buf, 100, unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
	raw(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	raw(unix.SYS_SOCKET, unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_UDP)
	raw(unix.SYS_PPOLL, []uint64{uint64(pipe[0]) | 1<<32, uint64(pipe[1]) | 4<<32}, 2, []uint64{0, 0}, 0, 8)

	raw(unix.SYS_RT_SIGACTION, int(unix.SIGUSR2), 0, buf, 8)
	raw(unix.SYS_RT_SIGPROCMASK, 0, []uint64{1<<1 | 1<<14}, buf, 8)
	raw(unix.SYS_RT_SIGPROCMASK, 1, []uint64{1<<1 | 1<<14}, 0, 8)
	raw(unix.SYS_KILL, 1<<22+1, 0)
	raw(unix.SYS_NANOSLEEP, []uint64{0, 1000}, 0)
	raw(unix.SYS_CLOCK_GETRES, 1, buf)
	raw(unix.SYS_MMAP, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, none, 0)
	raw(unix.SYS_MPROTECT, 1, 4096, unix.PROT_READ)
	raw(unix.SYS_UMASK, 0o77)
	raw(unix.SYS_UNAME, buf)

	raw(unix.SYS_UNLINKAT, unix.AT_FDCWD, end, 0)
}

var keep [][]byte

// execFromThread executes this program anew from a thread that is not the
// process's first one.
func execFromThread() {
	runtime.LockOSThread()
	go func() {
		runtime.LockOSThread()
		os.Setenv(role, "calls")
		panic(syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
	}()
	select {}
}
