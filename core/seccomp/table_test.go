package seccomp

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTable(t *testing.T) {
	sorted := slices.IsSortedFunc(table[:], func(a, b entry) int { return strings.Compare(a.name, b.name) })
	if len(table) < 500 || !sorted {
		t.Errorf("%d names, sorted %v", len(table), sorted)
	}
	// x86_64, x86, x32, aarch64, arm, riscv64, s390x, ppc64le
	for name, want := range map[string][columns]int32{
		"read":             {0, 3, 0, 63, 3, 63, 3, 3},
		"write":            {1, 4, 1, 64, 4, 64, 4, 4},
		"openat":           {257, 295, 257, 56, 322, 56, 288, 286},
		"execve":           {59, 11, 520, 221, 11, 221, 11, 11},
		"execveat":         {322, 358, 545, 281, 387, 281, 354, 362},
		"clone":            {56, 120, 56, 220, 120, 220, 120, 120},
		"clone3":           {435, 435, 435, 435, 435, 435, 435, 435},
		"socket":           {41, 359, 41, 198, 281, 198, 359, 326},
		"socketcall":       {-1, 102, -1, -1, -1, -1, 102, 102},
		"ipc":              {-1, 117, -1, -1, -1, -1, 117, 117},
		"mmap":             {9, 90, 9, 222, -1, 222, 90, 90},
		"mmap2":            {-1, 192, -1, -1, 192, -1, -1, -1},
		"ioctl":            {16, 54, 514, 29, 54, 29, 54, 54},
		"futex":            {202, 240, 202, 98, 240, 98, 238, 221},
		"futex_time64":     {-1, 422, -1, -1, 422, -1, -1, -1},
		"seccomp":          {317, 354, 317, 277, 383, 277, 348, 358},
		"io_uring_setup":   {425, 425, 425, 425, 425, 425, 425, 425},
		"exit_group":       {231, 252, 231, 94, 248, 94, 248, 234},
		"cacheflush":       {-1, -1, -1, -1, 0xf0002, -1, -1, -1},
		"set_tls":          {-1, -1, -1, -1, 0xf0005, -1, -1, -1},
		"sync_file_range2": {-1, -1, -1, -1, 341, -1, -1, 308},
	} {
		if at, ok := row(name, 0); !ok || table[at].nr != want {
			t.Errorf("%s: %v, want %v", name, table[at].nr, want)
		}
	}
	if at, ok := row("no_such_call", 0); ok {
		t.Errorf("no_such_call is %v", table[at])
	}
}

// golang.org/x/sys made its numbers from the same headers by other means.
func TestTableOfThisMachine(t *testing.T) {
	family := kin(runtime.GOARCH)
	if family == nil {
		t.Skip("there is no table for ", runtime.GOARCH)
	}
	for name, want := range map[string]int32{
		"acct": unix.SYS_ACCT, "bpf": unix.SYS_BPF, "brk": unix.SYS_BRK, "capset": unix.SYS_CAPSET, "chroot": unix.SYS_CHROOT,
		"clone": unix.SYS_CLONE, "close_range": unix.SYS_CLOSE_RANGE, "connect": unix.SYS_CONNECT, "delete_module": unix.SYS_DELETE_MODULE,
		"epoll_pwait2": unix.SYS_EPOLL_PWAIT2, "fsopen": unix.SYS_FSOPEN, "getpgid": unix.SYS_GETPGID, "keyctl": unix.SYS_KEYCTL,
		"kexec_load": unix.SYS_KEXEC_LOAD, "landlock_add_rule": unix.SYS_LANDLOCK_ADD_RULE, "mount": unix.SYS_MOUNT,
		"mount_setattr": unix.SYS_MOUNT_SETATTR, "mseal": unix.SYS_MSEAL, "name_to_handle_at": unix.SYS_NAME_TO_HANDLE_AT,
		"open_by_handle_at": unix.SYS_OPEN_BY_HANDLE_AT, "perf_event_open": unix.SYS_PERF_EVENT_OPEN, "personality": unix.SYS_PERSONALITY,
		"pidfd_getfd": unix.SYS_PIDFD_GETFD, "pivot_root": unix.SYS_PIVOT_ROOT, "prctl": unix.SYS_PRCTL, "process_vm_readv": unix.SYS_PROCESS_VM_READV,
		"ptrace": unix.SYS_PTRACE, "reboot": unix.SYS_REBOOT, "setns": unix.SYS_SETNS, "statx": unix.SYS_STATX, "swapon": unix.SYS_SWAPON,
		"umount2": unix.SYS_UMOUNT2, "unshare": unix.SYS_UNSHARE, "userfaultfd": unix.SYS_USERFAULTFD, "vmsplice": unix.SYS_VMSPLICE,
	} {
		if at, ok := row(name, 0); !ok || table[at].nr[family[0]] != want {
			t.Errorf("%s: %d, want %d", name, table[at].nr[family[0]], want)
		}
	}
}

// Every call of a mux is a name of the table, so that a rule for it is found, and no other is
// a mux's.
func TestMuxes(t *testing.T) {
	found := 0
	for i, m := range muxes {
		for call, name := range naiveSubcalls[m.name] {
			if n, ok := find(name, new(int)); !ok || int(n.mux) != i || uint64(n.call) != call {
				t.Errorf("%s: %+v", name, n)
			}
			found++
		}
	}
	if want := len(naiveSubcalls["ipc"]) + len(naiveSubcalls["socketcall"]); found != want {
		t.Errorf("%d calls, want %d", found, want)
	}
	for i := range table {
		if mux, _ := muxed(table[i].name); mux != 0 {
			found--
		}
	}
	if found != 0 {
		t.Errorf("of %d calls it is not told, or of too many", found)
	}
}

// A row is found wherever the last one was.
func TestRow(t *testing.T) {
	for i := range table {
		for before := range len(table) {
			if at, ok := row(table[i].name, before); !ok || at != i {
				t.Fatalf("%s after row %d: %d, %v", table[i].name, before, at, ok)
			}
		}
		for _, name := range []string{table[i].name + "!", table[i].name[:len(table[i].name)-1] + "\x01"} {
			for before := range len(table) {
				if at, ok := row(name, before); ok {
					t.Fatalf("%q after row %d: %d", name, before, at)
				}
			}
		}
	}
}
