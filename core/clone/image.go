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
	page      uintptr // size
}

// mapSize is that of struct prctl_mm_map.
const mapSize = unsafe.Offsetof(imageArgs{}.n)

// An imageSegment is a part of the program's file in memory, of whole pages.
type imageSegment struct {
	start, size, prot, offset uintptr
}

const imageSegmentSize = unsafe.Sizeof(imageSegment{})

// image is Program.Sheltered. What is executed meanwhile is mapped anew in its
// place, with the same content. So is what has been written to, with the content
// that it had at first, but for its last page, which it shares with variables that
// start as zero: those of the thread are among them, and no others are looked at.
//
//go:norace
//go:nocheckptr
//go:noinline
func image(base unsafe.Pointer, in *Insn) syscall.Errno {
	exe := arg(base, in, 0)
	off := arg(base, in, 1) - uintptr(base)
	a := at[imageArgs](base, off)
	off += unsafe.Sizeof(*a)
	for n := a.n; n > 0; n-- {
		s := at[imageSegment](base, off)
		off += imageSegmentSize
		size := s.size
		if s.prot&unix.PROT_WRITE != 0 {
			size -= a.page
			if e := moveOut(base, s.start+size, a.page, s.prot); e != 0 {
				return e
			}
		}
		if size == 0 {
			continue
		}
		if _, e := rawSyscall6(sysMmap, s.start, size, s.prot, unix.MAP_PRIVATE|unix.MAP_FIXED, exe, s.offset/mmapUnit); e != 0 {
			return e
		}
	}
	a.exe = uint32(exe)
	if _, e := rawSyscall6(unix.SYS_PRCTL, unix.PR_SET_MM, unix.PR_SET_MM_MAP, uintptr(unsafe.Pointer(a)), mapSize, 0, 0); e != 0 {
		return e
	}
	_, e := rawSyscall6(unix.SYS_CLOSE, exe, 0, 0, 0, 0, 0)
	return e
}

// moveOut moves the memory from start on out of the file's mapping.
//
//go:norace
//go:nocheckptr
//go:noinline
func moveOut(base unsafe.Pointer, start, size, prot uintptr) syscall.Errno {
	private, e := rawSyscall6(sysMmap, 0, size, prot, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, ^uintptr(0), 0)
	if e != 0 {
		return e
	}
	for at := uintptr(0); at < size; at += wordSize {
		// Both as offsets from the arena: no pointer is made of a number.
		*(*uintptr)(unsafe.Add(base, private-uintptr(base)+at)) = *(*uintptr)(unsafe.Add(base, start-uintptr(base)+at))
	}
	_, e = rawSyscall6(unix.SYS_MREMAP, private, size, size, unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED, start, 0)
	return e
}
