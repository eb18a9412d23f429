//go:build ppc64le

package names

const (
	largeFile = 0o200000 // asm/fcntl.h
	map32Bit  = 0        // it is x86's
)
