//go:build amd64 || arm64 || riscv64

package decode

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ocibox/core/names"
	"ocibox/core/seccomp"
)

// memory is a process's, from address base on.
type memory []byte

const base = 0x10000

func (m memory) read(_ int, addr uint64, b []byte) int {
	if addr < base || addr >= base+uint64(len(m)) {
		return 0
	}
	return copy(b, m[addr-base:])
}

// put appends data and returns its address.
func (m *memory) put(data ...byte) uint64 {
	for len(*m)%8 != 0 {
		*m = append(*m, 0)
	}
	at := base + uint64(len(*m))
	*m = append(*m, data...)
	return at
}

func words(values ...uint64) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

func options(m *memory) *Options {
	return &Options{Read: m.read, Limit: 32, Link: func(pid int, link string) string {
		if link == "fd/3" {
			return "/proc/7/uid_map"
		}
		return ""
	}}
}

// whole is a call from its entry to its exit.
func whole(o *Options, nr uint64, ret int64, args ...uint64) string {
	var all [6]uint64
	copy(all[:], args)
	c := NewCall(7, native, nr, all)
	text := o.Enter(c)
	c.Ret, c.Failed = ret, ret < 0
	rest, result := o.Exit(c)
	return text + rest + " " + result
}

func TestCalls(t *testing.T) {
	var m memory
	path := m.put([]byte("/etc/passwd\x00")...)
	text := m.put([]byte("0 1000 1\n\x01\x012\xff\"\\")...)
	how := m.put(words(unix.O_PATH|unix.O_CLOEXEC, 0, unix.RESOLVE_IN_ROOT)...)
	clone := m.put(words(unix.CLONE_NEWUSER|unix.CLONE_NEWNS|unix.CLONE_PIDFD, 0, 0, 0, uint64(unix.SIGCHLD), 0, 0, 0, 0, 0, 0)...)
	pidfd := m.put(5, 0, 0, 0)
	copy(m[clone-base+8:], words(pidfd))
	attr := m.put(words(unix.MOUNT_ATTR_RDONLY, 0, unix.MS_PRIVATE, 3)...)
	header := m.put(words(unix.LINUX_CAPABILITY_VERSION_3)...)
	caps := m.put(words(1<<32|1<<unix.CAP_KILL, 0, 1<<unix.CAP_BPF)...)
	status := m.put(0, 3, 0, 0)
	argv := m.put(words(path, path, 0)...)
	filter := m.put(words(0x15|1<<24|uint64(unix.AUDIT_ARCH_X86_64)<<32, 6|uint64(unix.SECCOMP_RET_ERRNO|1)<<32)...)
	fprog := m.put(words(2, filter)...)
	rights := m.put(words(20, uint64(unix.SOL_SOCKET)|uint64(unix.SCM_RIGHTS)<<32, 4)...)
	iov := m.put(words(path, 4)...)
	message := m.put(words(0, 0, iov, 1, rights, 24, 0)...)
	unixAddr := m.put(append([]byte{unix.AF_UNIX, 0}, "/run/x.sock\x00"...)...)
	inet := m.put(unix.AF_INET, 0, 0, 80, 10, 0, 0, 1)
	const at = ^uint64(99) // AT_FDCWD
	for _, c := range []struct{ want, got string }{
		{`openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3`, whole(options(&m), unix.SYS_OPENAT, 3, at, path, unix.O_CLOEXEC)},
		{`openat(AT_FDCWD, "/etc/passwd", O_WRONLY|O_CREAT, 0644) = -1 EACCES (Permission denied)`, whole(options(&m), unix.SYS_OPENAT, -13, at, path, unix.O_CREAT|unix.O_WRONLY, 0o644)},
		{`openat(AT_FDCWD, 0x5, O_RDONLY) = -1 EFAULT (Bad address)`, whole(options(&m), unix.SYS_OPENAT, -14, at, 5)},
		{`write(3, "0 1000 1\n\1\0012\377\"\\", 15) = 15`, whole(options(&m), unix.SYS_WRITE, 15, 3, text, 15)},
		{`read(3, 0x10010, 5) = -1 EINTR (Interrupted system call)`, whole(options(&m), unix.SYS_READ, -4, 3, text, 5)},
		{`read(3, "0 1", 5) = 3`, whole(options(&m), unix.SYS_READ, 3, 3, text, 5)},
		{`read(3, 0x10010, 5) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)`, whole(options(&m), unix.SYS_READ, -512, 3, text, 5)},
		{`openat2(3, "/etc/passwd", {flags=O_RDONLY|O_CLOEXEC|O_PATH, resolve=RESOLVE_IN_ROOT}, 24) = 4`, whole(options(&m), unix.SYS_OPENAT2, 4, 3, path, how, 24)},
		{`clone3({flags=CLONE_PIDFD|CLONE_NEWNS|CLONE_NEWUSER, pidfd=0x10090, exit_signal=SIGCHLD, stack=NULL, stack_size=0} => {pidfd=[5]}, 88) = 9`, whole(options(&m), unix.SYS_CLONE3, 9, clone, 88)},
		{`unshare(CLONE_NEWTIME|CLONE_NEWUTS) = 0`, whole(options(&m), unix.SYS_UNSHARE, 0, unix.CLONE_NEWTIME|unix.CLONE_NEWUTS)},
		{`mount_setattr(-1, "/etc/passwd", AT_RECURSIVE, {attr_set=MOUNT_ATTR_RDONLY, attr_clr=0, propagation=MS_PRIVATE, userns_fd=3}, 32) = 0`, whole(options(&m), unix.SYS_MOUNT_SETATTR, 0, ^uint64(0), path, unix.AT_RECURSIVE, attr, 32)},
		{`capset({version=_LINUX_CAPABILITY_VERSION_3, pid=0}, {effective=1<<CAP_KILL, permitted=1<<CAP_CHOWN, inheritable=1<<CAP_BPF}) = 0`, whole(options(&m), unix.SYS_CAPSET, 0, header, caps)},
		{`wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], 0, NULL) = 8`, whole(options(&m), unix.SYS_WAIT4, 8, ^uint64(0), status)},
		{`execve("/etc/passwd", ["/etc/passwd", "/etc/passwd"], 0x100e0 /* 2 vars */) = 0`, whole(options(&m), unix.SYS_EXECVE, 0, path, argv, argv)},
		{`prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) = 0`, whole(options(&m), unix.SYS_PRCTL, 0, unix.PR_SET_NO_NEW_PRIVS, 1)},
		{`seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, {len=2, filter=0x100f8}) = 0`, whole(options(&m), unix.SYS_SECCOMP, 0, 1, unix.SECCOMP_FILTER_FLAG_LOG, fprog)},
		{`sendmsg(4, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="/etc", iov_len=4}], msg_iovlen=1, msg_control=[{cmsg_len=20, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[4]}], msg_controllen=24, msg_flags=0}, MSG_NOSIGNAL) = 4`, whole(options(&m), unix.SYS_SENDMSG, 4, 4, message, unix.MSG_NOSIGNAL)},
		{`connect(4, {sa_family=AF_UNIX, sun_path="/run/x.sock"}, 14) = 0`, whole(options(&m), unix.SYS_CONNECT, 0, 4, unixAddr, 14)},
		{`connect(4, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("10.0.0.1")}, 8) = 0`, whole(options(&m), unix.SYS_CONNECT, 0, 4, inet, 8)},
		{`setresuid(-1, 0, 1000) = 0`, whole(options(&m), unix.SYS_SETRESUID, 0, ^uint64(0), 0, 1000)},
		{`exit_group(3) = ?`, whole(options(&m), unix.SYS_EXIT_GROUP, 0, 3)},
		{`syscall_0x7fff(0x1, 0, 0, 0, 0, 0) = -1 ENOSYS (Function not implemented)`, whole(options(&m), 0x7fff, -38, 1)},
	} {
		if c.got != c.want {
			t.Errorf("%s\nwant %s", c.got, c.want)
		}
	}
	o := options(&m)
	o.Paths, o.Verbose = true, true
	if got, want := whole(o, unix.SYS_WRITE, 8, 3, text, 8), `write(3</proc/7/uid_map>, "0 1000 1", 8) = 8`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	want := `seccomp(SECCOMP_SET_MODE_FILTER, 0, {len=2, filter=[BPF_JUMP(BPF_JMP|BPF_K|BPF_JEQ, 0xc000003e, 0, 0x1), BPF_STMT(BPF_RET|BPF_K, SECCOMP_RET_ERRNO|0x1)]}) = 0`
	if got := whole(o, unix.SYS_SECCOMP, 0, 1, 0, fprog); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// The table has every call that there is, each once, and nothing that is not
// known.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	special := printer{Options: options(&memory{}), c: &Call{Args: [6]uint64{}, word: 8}}
	for line := range strings.Lines(table[1:]) {
		fields := strings.Fields(line)
		name := fields[0]
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
		for _, letter := range fields[1] {
			if letter != '-' && !slices.ContainsFunc(classes[:], func(c class) bool { return c.letter == string(letter) }) {
				t.Errorf("%s: there is no class %c", name, letter)
			}
		}
		for _, kind := range fields[2:] {
			if kind[0] == '=' {
				continue
			}
			kind, _, _ = strings.Cut(strings.TrimPrefix(kind, ">"), ":")
			if !known(&special, kind) && names.Find(kind) == nil {
				t.Errorf("%s: nothing knows %q", name, kind)
			}
		}
	}
	for _, arch := range []uint32{unix.AUDIT_ARCH_X86_64, unix.AUDIT_ARCH_AARCH64, unix.AUDIT_ARCH_RISCV64, unix.AUDIT_ARCH_I386} {
		for nr := range uint32(512) {
			if name := seccomp.CallName(arch, nr); name != "" && !seen[name] {
				t.Errorf("%s is not described", name)
			}
		}
	}
}

// known tells whether a kind that is no set of names is printed as something.
func known(p *printer, kind string) bool {
	const plain = " x p d u ld lu fd dirfd path str buf hostname mode openmode uid sig rbuf random cwd fds u32 cpuset optlen socklen optin optout netbuf " +
		"iov riov iovs msghdr rmsghdr sockaddr stat statx statfs dents dents64 openhow mountattr xval epollevent epollgot offset " +
		"sigaction siginfo stack rlimit rlimit64 utsname sysinfo capheader capdata groups schedparam schedattr landlockruleset landlockattr cloneargs bpfattr " +
		"ts tv itv its ts2 rusage "
	return strings.Contains(plain, " "+kind+" ") || p.special(kind, 1, 0, 0)
}

// Whatever a process passes, and whatever its memory holds, its calls are put
// into words of some length.
func TestAnything(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, seed := range []byte{0, 1, 3, 0x7f, 0xff} {
		m := make(memory, 1<<16)
		for i := range m {
			m[i] = seed
			if seed == 3 {
				m[i] = byte(r.Uint32())
			}
		}
		for nr := range uint64(470) {
			for _, arch := range []uint32{native, unix.AUDIT_ARCH_I386} {
				for range 8 {
					o := options(&m)
					o.Verbose, o.Paths, o.Hex = r.Uint32()&1 != 0, r.Uint32()&1 != 0, Hex(r.IntN(3))
					var args [6]uint64
					for i := range args {
						switch r.IntN(4) {
						case 0:
							args[i] = base + uint64(r.IntN(len(m)))
						case 1:
							args[i] = uint64(r.IntN(64))
						case 2:
							args[i] = r.Uint64()
						}
					}
					c := NewCall(7, arch, nr, args)
					text := o.Enter(c)
					c.Ret = int64(args[r.IntN(6)] % (1 << 20))
					if c.Failed = r.IntN(3) == 0; c.Failed {
						c.Ret = -int64(r.IntN(600))
					}
					rest, result := o.Exit(c)
					const most = 4 << 20
					if all := text + rest; !strings.HasPrefix(all, c.Name()+"(") || !strings.HasSuffix(all, ")") || len(all) > most || result == "" {
						t.Fatalf("%.200q (%d bytes), %q", all, len(all), result)
					}
				}
			}
		}
		o := options(&m)
		for range 1000 {
			info := make([]byte, 128)
			for i := range info {
				info[i] = byte(r.Uint32())
			}
			binary.LittleEndian.PutUint32(info, uint32(r.IntN(70)))
			binary.LittleEndian.PutUint32(info[8:], uint32(r.IntN(140)-8))
			if text := o.Siginfo(info); !strings.HasPrefix(text, "{") || !strings.HasSuffix(text, "}") {
				t.Fatal(text)
			}
		}
	}
}

func TestClasses(t *testing.T) {
	for _, c := range []struct {
		class     string
		has, lack string
	}{
		{"file", "execve openat mount readlinkat", "read close"}, {"desc", "read close dup3 mmap", "execve"},
		{"process", "clone3 exit_group wait4 kill", "getpid"}, {"network", "socket sendmsg", "read"}, {"net", "bind", "write"},
		{"memory", "mmap brk", "read"}, {"signal", "rt_sigaction kill", "read"}, {"ipc", "shmget", "read"}, {"creds", "setresuid capset", "read"},
		{"clock", "clock_settime", "nanosleep"},
		{Container, "clone clone3 unshare setns mount umount2 fsopen fsconfig fsmount move_mount open_tree mount_setattr pivot_root chroot capset prctl seccomp execve setresuid setgroups sethostname", "read write close mmap"},
	} {
		calls := Class(c.class)
		for name := range strings.FieldsSeq(c.has) {
			if !slices.Contains(calls, name) {
				t.Errorf("%s lacks %s", c.class, name)
			}
		}
		for name := range strings.FieldsSeq(c.lack) {
			if slices.Contains(calls, name) {
				t.Errorf("%s has %s", c.class, name)
			}
		}
		if !slices.Contains(ClassNames(), c.class) {
			t.Errorf("%s is not listed", c.class)
		}
	}
	if calls := Class("none such"); calls != nil {
		t.Error(calls)
	}
	for path, want := range map[string]bool{
		"/proc/12/uid_map": true, "/proc/self/setgroups": true, "/proc/1/attr/apparmor/exec": true, "/sys/fs/cgroup/a/cgroup.procs": true,
		"/tmp/uid_map": false, "/proc/12/mem": false, "socket:[1]": false, "": false,
	} {
		if ContainerFile(path) != want {
			t.Errorf("%q: %v", path, !want)
		}
	}
}

func TestSignal(t *testing.T) {
	for n, want := range map[int]string{2: "SIGINT", 6: "SIGABRT", 29: "SIGIO", 32: "SIGRTMIN", 33: "SIGRT_1", 64: "SIGRT_32", 65: "65", 0: "0"} {
		if got := Signal(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
