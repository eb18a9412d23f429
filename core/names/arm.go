//go:build arm64 || arm

package names

const (
	largeFile = 0o400000 // asm/fcntl.h
	map32Bit  = 0        // it is x86's
)
