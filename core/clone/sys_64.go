//go:build amd64 || arm64 || riscv64 || s390x || ppc64le

package clone

import "golang.org/x/sys/unix"

// System calls whose first form takes 16-bit ids or 32-bit times, where the
// kernel has a wider one under another name.
const (
	SysSetresuid = unix.SYS_SETRESUID
	SysSetresgid = unix.SYS_SETRESGID
	SysSetgroups = unix.SYS_SETGROUPS
	SysFchown    = unix.SYS_FCHOWN
	sysUtimensat = unix.SYS_UTIMENSAT
	sysMmap      = unix.SYS_MMAP
)

// mmapUnit is what mmap(2) counts the offset in.
const mmapUnit = 1
