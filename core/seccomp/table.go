package seccomp

import (
	"slices"

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

// row finds a name's row in the table, sooner if it is a little behind another row.
func row(name string, before int) (int, bool) {
	const little = 4
	from, to := 0, len(table)
	for i := before; i < min(before+little, len(table)); i++ {
		switch {
		case table[i].name == name:
			return i, true
		case table[i].name < name:
			from = i + 1
		}
	}
	for from < to {
		if i := int(uint(from+to) / 2); table[i].name < name {
			from = i + 1
		} else {
			to = i
		}
	}
	return from, from < len(table) && table[from].name == name
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
	name string
	mask uint64 // of the first argument's bits that say it
}

// muxes are the two of Linux, from muxIPC on. Both take the call as an int, so that on 64-bit
// ABIs too only the low word counts, and ipc keeps a version in its upper half
// (ipc/syscall.c).
var muxes = [...]mux{muxIPC: {"ipc", 0xffff}, muxSocketcall: {"socketcall", 0xffffffff}}

const (
	muxIPC = 1 + iota
	muxSocketcall
)

// muxed is the mux that makes the call too, 0 for none, and what its first argument is then.
// The numbers are those of linux/net.h and linux/ipc.h.
func muxed(name string) (mux, call uint8) {
	switch name {
	case "socket":
		return muxSocketcall, 1
	case "bind":
		return muxSocketcall, 2
	case "connect":
		return muxSocketcall, 3
	case "listen":
		return muxSocketcall, 4
	case "accept":
		return muxSocketcall, 5
	case "getsockname":
		return muxSocketcall, 6
	case "getpeername":
		return muxSocketcall, 7
	case "socketpair":
		return muxSocketcall, 8
	case "send":
		return muxSocketcall, 9
	case "recv":
		return muxSocketcall, 10
	case "sendto":
		return muxSocketcall, 11
	case "recvfrom":
		return muxSocketcall, 12
	case "shutdown":
		return muxSocketcall, 13
	case "setsockopt":
		return muxSocketcall, 14
	case "getsockopt":
		return muxSocketcall, 15
	case "sendmsg":
		return muxSocketcall, 16
	case "recvmsg":
		return muxSocketcall, 17
	case "accept4":
		return muxSocketcall, 18
	case "recvmmsg":
		return muxSocketcall, 19
	case "sendmmsg":
		return muxSocketcall, 20
	case "semop":
		return muxIPC, 1
	case "semget":
		return muxIPC, 2
	case "semctl":
		return muxIPC, 3
	case "semtimedop":
		return muxIPC, 4
	case "msgsnd":
		return muxIPC, 11
	case "msgrcv":
		return muxIPC, 12
	case "msgget":
		return muxIPC, 13
	case "msgctl":
		return muxIPC, 14
	case "shmat":
		return muxIPC, 21
	case "shmdt":
		return muxIPC, 22
	case "shmget":
		return muxIPC, 23
	case "shmctl":
		return muxIPC, 24
	}
	return 0, 0
}

// muxNumbers are those of the muxes in column col, -1 for none.
func muxNumbers(col int) (nr [len(muxes)]int32) {
	for i := range muxes {
		nr[i] = -1
		if at, ok := row(muxes[i].name, 0); ok {
			nr[i] = table[at].nr[col]
		}
	}
	return nr
}

// named is what is known of a call's name.
type named struct {
	*entry
	mux  uint8 // that makes the call too, 0 for none
	call uint8 // what is left of the mux's first argument then
}

// find finds a name in the table, first behind the one that was found before, of which it
// gives and takes the row: profiles mostly name calls in that order.
func find(name string, before *int) (named, bool) {
	at, ok := row(name, *before)
	if !ok {
		return named{}, false
	}
	*before = at
	n := named{entry: &table[at]}
	n.mux, n.call = muxed(name)
	return n, true
}

// in tells whether the ABI of column col, with those muxes, has the call in one way or the
// other.
func (n *named) in(col int, muxes *[len(muxes)]int32) bool {
	return n.nr[col] >= 0 || muxes[n.mux] >= 0
}

// way is one way to make a call: directly, or as a call of a mux.
type way struct {
	nr   uint32
	mux  uint8 // 0 for a direct call
	call uint8
}

// ways are those that column col has for a call: none, its own number, its mux, or both, the
// direct one first.
func (n *named) ways(col int) (list []way) {
	if n.nr[col] >= 0 {
		list = append(list, way{nr: abis[col].base + uint32(n.nr[col])})
	}
	if nr := muxNumbers(col)[n.mux]; nr >= 0 {
		list = append(list, way{uint32(nr), n.mux, n.call})
	}
	return list
}
