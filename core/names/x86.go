//go:build amd64 || 386

package names

// x/sys has O_LARGEFILE as 0 where open(2) always sets it (asm/fcntl.h).
const (
	largeFile = 0o100000
	map32Bit  = 0x40
)
