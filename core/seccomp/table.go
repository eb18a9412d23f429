package seccomp

import (
	"iter"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// LINUX_LIBC_DEV is the folder that gen takes.
//
//go:generate go run ./gen -root $LINUX_LIBC_DEV

// Columns of the table.
const (
	colX86_64 = iota
	colX86
	colX32
	colAARCH64
	colARM
	colRISCV64
	colS390X
	colPPC64LE
	columns
)

// entry is a row of the table.
type entry struct {
	name string
	nr   [columns]int32 // by column, -1 where there is no such call
}

// row finds a name's row in the table.
func row(name string) (int, bool) {
	return slices.BinarySearchFunc(table[:], name, func(e entry, name string) int { return strings.Compare(e.name, name) })
}

// x32Bit is set in every number of x32, which shares x86_64's audit value
// (__X32_SYSCALL_BIT, asm/unistd.h).
const x32Bit = 1 << 30

// abi is a way to make system calls that has numbers of its own.
type abi struct {
	arch      specs.Arch
	audit     uint32 // seccomp_data.arch, linux/audit.h
	base      uint32 // added to a number of the table
	word32    bool   // arguments are 32 bits wide: high words are not looked at
	bigEndian bool
}

// abis holds the ABI of each column.
var abis = [columns]abi{
	colX86_64:  {arch: specs.ArchX86_64, audit: unix.AUDIT_ARCH_X86_64},
	colX86:     {arch: specs.ArchX86, audit: unix.AUDIT_ARCH_I386, word32: true},
	colX32:     {arch: specs.ArchX32, audit: unix.AUDIT_ARCH_X86_64, base: x32Bit, word32: true},
	colAARCH64: {arch: specs.ArchAARCH64, audit: unix.AUDIT_ARCH_AARCH64},
	colARM:     {arch: specs.ArchARM, audit: unix.AUDIT_ARCH_ARM, word32: true},
	colRISCV64: {arch: specs.ArchRISCV64, audit: unix.AUDIT_ARCH_RISCV64},
	colS390X:   {arch: specs.ArchS390X, audit: unix.AUDIT_ARCH_S390X, bigEndian: true},
	colPPC64LE: {arch: specs.ArchPPC64LE, audit: unix.AUDIT_ARCH_PPC64LE},
}

// column is the column of an architecture of the specification.
func column(a specs.Arch) (int, bool) {
	i := slices.IndexFunc(abis[:], func(b abi) bool { return b.arch == a })
	return i, i >= 0
}

// kin are the columns of what a kernel that runs programs of goarch can run,
// goarch's own first. 31-bit s390 is none: Linux 7 has no such calls, and its
// headers no numbers for them.
func kin(goarch string) []int {
	switch goarch {
	case "amd64":
		return []int{colX86_64, colX86, colX32}
	case "386":
		return []int{colX86, colX86_64, colX32}
	case "arm64":
		return []int{colAARCH64, colARM}
	case "arm":
		return []int{colARM, colAARCH64}
	case "riscv64":
		return []int{colRISCV64}
	case "s390x":
		return []int{colS390X}
	case "ppc64le":
		return []int{colPPC64LE}
	}
	return nil
}

// mux is a system call whose first argument says which of its calls is meant.
type mux struct {
	name  string
	mask  uint64 // of the first argument's bits that say it
	calls []string
}

// muxes are the two of Linux. Both take the call as an int, so that on 64-bit
// ABIs too only the low word counts, and ipc keeps a version in its upper half
// (ipc/syscall.c). The numbers are those of linux/net.h and linux/ipc.h.
var muxes = [...]mux{
	{"socketcall", 0xffffffff, []string{
		1: "socket", 2: "bind", 3: "connect", 4: "listen", 5: "accept", 6: "getsockname", 7: "getpeername", 8: "socketpair",
		9: "send", 10: "recv", 11: "sendto", 12: "recvfrom", 13: "shutdown", 14: "setsockopt", 15: "getsockopt",
		16: "sendmsg", 17: "recvmsg", 18: "accept4", 19: "recvmmsg", 20: "sendmmsg",
	}},
	{"ipc", 0xffff, []string{
		1: "semop", 2: "semget", 3: "semctl", 4: "semtimedop",
		11: "msgsnd", 12: "msgrcv", 13: "msgget", 14: "msgctl",
		21: "shmat", 22: "shmdt", 23: "shmget", 24: "shmctl",
	}},
}

// named is what is known of a call's name.
type named struct {
	*entry
	mux  *entry // that makes the call too, nil for none
	mask uint64 // of the mux's first argument
	call uint64 // what is left of it then
}

// find finds a name in the table.
func find(name string) (named, bool) {
	at, ok := row(name)
	if !ok {
		return named{}, false
	}
	n := named{entry: &table[at]}
	for _, m := range muxes {
		if call := slices.Index(m.calls, name); call >= 0 {
			if at, ok := row(m.name); ok {
				n.mux, n.mask, n.call = &table[at], m.mask, uint64(call)
			}
		}
	}
	return n, true
}

// in tells whether the ABI of column col has the call in one way or the other.
func (n *named) in(col int) bool {
	return n.nr[col] >= 0 || n.mux != nil && n.mux.nr[col] >= 0
}

// way is one way to make a call: directly, or as a call of a mux.
type way struct {
	nr   uint32
	mask uint64 // of the first argument, 0 for a direct call
	call uint64 // what is left of the first argument
}

// ways yields those that column col has for a call: none, its own number, its
// mux, or both, the direct one first.
func (n *named) ways(col int) iter.Seq[way] {
	return func(yield func(way) bool) {
		if n.nr[col] >= 0 && !yield(way{nr: abis[col].base + uint32(n.nr[col])}) {
			return
		}
		if n.mux != nil && n.mux.nr[col] >= 0 {
			yield(way{uint32(n.mux.nr[col]), n.mask, n.call})
		}
	}
}
