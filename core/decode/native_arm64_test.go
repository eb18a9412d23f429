package decode

import "golang.org/x/sys/unix"

const native = unix.AUDIT_ARCH_AARCH64
