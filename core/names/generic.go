//go:build !(amd64 || 386 || arm64 || arm || ppc64le)

package names

const (
	largeFile = 0o100000 // asm-generic/fcntl.h
	map32Bit  = 0        // it is x86's
)
