package clone

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The rules of child.go hold in this file.

// imageArgs are arguments of opImage: struct prctl_mm_map of prctl(2),
// PR_SET_MM_MAP, of which only the last word matters, and the segments.
type imageArgs struct {
	addresses [11]uint64
	auxv      uint64 // a pointer, not used
	auxvSize  uint32
	exe       uint32
	n         uintptr // segments that follow
}

// mapSize is that of struct prctl_mm_map.
const mapSize = unsafe.Offsetof(imageArgs{}.n)

// An imageSegment is a part of the program's file in memory, of whole pages.
type imageSegment struct {
	start, size, prot, offset uintptr
}

const imageSegmentSize = unsafe.Sizeof(imageSegment{})

// image is Program.Sheltered. What is executed meanwhile is mapped anew in its
// place, with the same content.
//
//go:norace
//go:nocheckptr
//go:noinline
func image(base unsafe.Pointer, in *insn) syscall.Errno {
	exe := arg(base, in, 0)
	off := arg(base, in, 1) - uintptr(base)
	a := at[imageArgs](base, off)
	off += unsafe.Sizeof(*a)
	for n := a.n; n > 0; n-- {
		s := at[imageSegment](base, off)
		off += imageSegmentSize
		if s.prot&unix.PROT_WRITE == 0 {
			if _, _, e := syscall.RawSyscall6(sysMmap, s.start, s.size, s.prot, unix.MAP_PRIVATE|unix.MAP_FIXED, exe, s.offset/mmapUnit); e != 0 {
				return e
			}
			continue
		}
		// It has been written to: its content moves out of the file's mapping.
		private, _, e := syscall.RawSyscall6(sysMmap, 0, s.size, s.prot, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, ^uintptr(0), 0)
		if e != 0 {
			return e
		}
		for at := uintptr(0); at < s.size; at += wordSize {
			// Both as offsets from the arena: no pointer is made of a number.
			*(*uintptr)(unsafe.Add(base, private-uintptr(base)+at)) = *(*uintptr)(unsafe.Add(base, s.start-uintptr(base)+at))
		}
		if _, _, e := syscall.RawSyscall6(unix.SYS_MREMAP, private, s.size, s.size, unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED, s.start, 0); e != 0 {
			return e
		}
	}
	a.exe = uint32(exe)
	if _, _, e := syscall.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_MM, unix.PR_SET_MM_MAP, uintptr(unsafe.Pointer(a)), mapSize, 0, 0); e != 0 {
		return e
	}
	_, _, e := syscall.RawSyscall6(unix.SYS_CLOSE, exe, 0, 0, 0, 0, 0)
	return e
}
