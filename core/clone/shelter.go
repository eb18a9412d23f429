package clone

import (
	"bytes"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An Image is the running program in memory.
type Image struct {
	args     imageArgs
	segments []imageSegment
}

// OwnImage finds the running program in memory, or nil: where the kernel does not
// let a process change what it executes (without CONFIG_CHECKPOINT_RESTORE), or
// if this is not a static program.
func OwnImage() *Image {
	var size uint32
	err := unix.Prctl(unix.PR_SET_MM, unix.PR_SET_MM_MAP_SIZE, uintptr(unsafe.Pointer(&size)), 0, 0)
	if err != nil || uintptr(size) != mapSize {
		return nil
	}
	m := &Image{segments: ownSegments()}
	if m.segments == nil {
		return nil
	}
	strings, ok := startStrings()
	if !ok {
		return nil
	}
	// There is no heap of this kind: its end is its start still.
	brk, _, errno := syscall.RawSyscall6(unix.SYS_BRK, 0, 0, 0, 0, 0, 0)
	if errno != 0 {
		return nil
	}
	// In the order of struct prctl_mm_map: code, data, heap, an address of the
	// stack's, arguments and environment.
	a := &m.args.addresses
	for i, s := range m.segments {
		if s.prot&unix.PROT_EXEC != 0 {
			a[0], a[1] = uint64(s.start), uint64(s.start+s.size)
		}
		if i == len(m.segments)-1 {
			a[2], a[3] = uint64(s.start), uint64(s.start+s.size)
		}
	}
	a[4], a[5], a[6] = uint64(brk), uint64(brk), uint64(strings[0])
	for i, at := range strings {
		a[7+i] = uint64(at)
	}
	m.args.n, m.args.page = uintptr(len(m.segments)), uintptr(os.Getpagesize())
	return m
}

// Path is the one by which the program was executed, "" if the kernel did not say.
func (m *Image) Path() string {
	name := execName()
	if name == 0 {
		return ""
	}
	return unix.BytePtrToString((*byte)(atAddress(name)))
}

// SameAs says whether the descriptor's file begins as the one that the program was made of, with
// the ELF header, where and how large all parts of it are, and the linker's number for the
// content of the whole, the build ID, without which there is no telling.
func (m *Image) SameAs(fd int) bool {
	var first [4096]byte
	s := &m.segments[0]
	if s.offset != 0 || s.size < uintptr(len(first)) {
		return false
	}
	n, err := unix.Pread(fd, first[:], 0)
	const note = "Go\x00\x00" // the build ID's name, elf(5)
	return err == nil && n == len(first) && bytes.Contains(first[:], []byte(note)) && bytes.Equal(first[:], unsafe.Slice((*byte)(atAddress(s.start)), n))
}

// Sheltered makes the child's first instruction one by which it executes from
// another file than the caller: from then on /proc/PID/exe leads to what the
// register's descriptor refers to, and nothing of the caller's file is mapped.
// That has to have the same content, as the same file by another mount has. To
// be called before there are other instructions.
func (p *Program) Sheltered(m *Image, name string) Reg {
	r := p.Inherit(name)
	data := append([]byte{}, Bytes(&m.args)...)
	for i := range m.segments {
		data = append(data, Bytes(&m.segments[i])...)
	}
	p.add(opImage, 0, In(r), p.Data(data))
	return r
}

// startStrings are the start and the end of the arguments, and those of the
// environment, as the kernel has put them on the stack one after the other; false
// if os.Args are not those any more.
func startStrings() (at [4]uintptr, ok bool) {
	if len(os.Args) == 0 {
		return at, false
	}
	start := func(s string) uintptr { return uintptr(unsafe.Pointer(unsafe.StringData(s))) }
	next := start(os.Args[0])
	at[0] = next
	for _, s := range os.Args {
		// Package os has none for an empty one.
		if len(s) > 0 && start(s) != next {
			return at, false
		}
		next += uintptr(len(s)) + 1
	}
	at[1], at[2], at[3] = next, next, next
	if name := execName(); name > next {
		at[3] = name
	}
	return at, true
}

// execName is where the name of the file that was executed is on the stack, after the
// environment; 0 if the kernel did not say.
func execName() uintptr {
	vector, err := auxv()
	if err != nil {
		return 0
	}
	for _, v := range vector {
		if v[0] == atExecfn {
			return v[1]
		}
	}
	return 0
}

// auxv is the auxiliary vector, getauxval(3).
var auxv = sync.OnceValues(unix.Auxv)

// Of the auxiliary vector.
const (
	atPhdr   = 3
	atPhent  = 4
	atPhnum  = 5
	atExecfn = 31
)

// Kinds of program headers, elf(5).
const (
	ptLoad    = 1
	ptDynamic = 2
	ptInterp  = 3
	ptPhdr    = 6
)

// ownSegments are those of the running program's file, or nil if it is not a
// static program that stands where its file says.
func ownSegments() []imageSegment {
	if runtime.GOARCH == "s390x" {
		return nil // its mmap(2) takes its arguments in memory
	}
	vector, err := auxv()
	if err != nil {
		return nil
	}
	var phdr, size, n uintptr
	for _, v := range vector {
		switch v[0] {
		case atPhdr:
			phdr = v[1]
		case atPhent:
			size = v[1]
		case atPhnum:
			n = v[1]
		}
	}
	page := uintptr(os.Getpagesize())
	var list []imageSegment
	placed := false
	for i := range n {
		h := readProg(phdr + i*size)
		switch h.kind {
		case ptPhdr:
			placed = h.vaddr == phdr
		case ptInterp, ptDynamic:
			return nil
		case ptLoad:
			from, to := h.vaddr&^(page-1), (h.vaddr+h.filesz+page-1)&^(page-1)
			if to == from {
				continue
			}
			s := imageSegment{start: from, size: to - from, offset: h.offset &^ (page - 1)}
			// PF_X, PF_W and PF_R are the other way round.
			s.prot = uintptr(h.flags&1<<2 | h.flags&2 | h.flags&4>>2)
			list = append(list, s)
		}
	}
	if !placed {
		return nil
	}
	return list
}

// prog is a program header, elf(5), with the fields in the order of 64 bits.
type prog struct {
	kind, flags                         uint32
	offset, vaddr, paddr, filesz, memsz uintptr
}

// prog32 has the flags elsewhere.
type prog32 struct {
	kind, offset, vaddr, paddr, filesz, memsz, flags uint32
}

// atAddress is a pointer to what is not Go's.
func atAddress(addr uintptr) unsafe.Pointer {
	var zero byte
	return unsafe.Add(unsafe.Pointer(&zero), addr-uintptr(unsafe.Pointer(&zero)))
}

func readProg(addr uintptr) prog {
	at := atAddress(addr)
	if wordSize == 8 {
		return *(*prog)(at)
	}
	h := (*prog32)(at)
	return prog{kind: h.kind, flags: h.flags, offset: uintptr(h.offset), vaddr: uintptr(h.vaddr), filesz: uintptr(h.filesz)}
}
