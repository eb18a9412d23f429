//go:build 386 || arm

package clone

import "golang.org/x/sys/unix"

// System calls whose first form takes 16-bit ids or 32-bit times, where the
// kernel has a wider one under another name.
const (
	SysSetresuid = unix.SYS_SETRESUID32
	SysSetresgid = unix.SYS_SETRESGID32
	SysSetgroups = unix.SYS_SETGROUPS32
	SysFchown    = unix.SYS_FCHOWN32
	sysUtimensat = unix.SYS_UTIMENSAT_TIME64
	sysMmap      = unix.SYS_MMAP2
)

// mmapUnit is what mmap2(2) counts the offset in.
const mmapUnit = 4096
