package seccomp

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestCallName(t *testing.T) {
	for _, c := range []struct {
		arch, nr  uint32
		call, abi string
	}{
		{unix.AUDIT_ARCH_X86_64, 59, "execve", "x86_64"},
		{unix.AUDIT_ARCH_X86_64, 520 | x32Bit, "execve", "x32"},
		{unix.AUDIT_ARCH_I386, 11, "execve", "x86"},
		{unix.AUDIT_ARCH_AARCH64, 221, "execve", "aarch64"},
		{unix.AUDIT_ARCH_ARM, 11, "execve", "arm"},
		{unix.AUDIT_ARCH_RISCV64, 435, "clone3", "riscv64"},
		{unix.AUDIT_ARCH_X86_64, 9999, "", "x86_64"},
		{1, 1, "", ""},
	} {
		if call, abi := CallName(c.arch, c.nr), ABIName(c.arch, c.nr); call != c.call || abi != c.abi {
			t.Errorf("%#x %d is %q of %q, want %q of %q", c.arch, c.nr, call, abi, c.call, c.abi)
		}
	}
	if !IsCall("clone3") || IsCall("no_such_call") {
		t.Error("IsCall")
	}
}
