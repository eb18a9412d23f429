package rootfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"ocibox/core/elf"
)

// object is what the dynamic linker wants to know of an ELF file. It is read
// from the program headers, as ld.so does it: section headers may be stripped.
type object struct {
	class   elf.Class
	data    elf.Data
	machine elf.Machine
	typ     elf.Type

	interp     string // PT_INTERP; "" in a static program and in a library
	soname     string
	needed     []string
	rpath      string // DT_RPATH, which counts only without a DT_RUNPATH
	runpath    string
	hasRunpath bool
	nodefault  bool // DF_1_NODEFLIB: not in the default directories

	// preNSS marks a libc.so.6 before glibc 2.34, which looks up users and
	// host names in libraries that it opens by name.
	preNSS bool
}

// maxDynamic bounds the dynamic section and string table of a damaged file, in bytes.
const maxDynamic = 64 << 20

// headers are an ELF file by its program headers, elf(5).
type headers struct {
	r        io.ReaderAt
	word     int // bytes of an address
	order    binary.ByteOrder
	segments []segment
}

// segment is a program header.
type segment struct {
	typ              elf.ProgType
	off, vaddr, size uint64
}

// get reads a word of the program's.
func (f *headers) get(b []byte) uint64 {
	if f.word == 4 {
		return uint64(f.order.Uint32(b))
	}
	return f.order.Uint64(b)
}

var errNoELF = errors.New("is no ELF file")

// open reads the headers into f and what o has of them.
func (o *object) open(r io.ReaderAt) (*headers, error) {
	f := &headers{r: r, word: 8, order: binary.LittleEndian}
	var ident [elf.EI_NIDENT]byte
	if readAt(r, ident[:], 0) != nil || string(ident[:4]) != elf.ELFMAG || ident[elf.EI_VERSION] != elf.EV_CURRENT {
		return nil, errNoELF
	}
	o.class, o.data = elf.Class(ident[elf.EI_CLASS]), elf.Data(ident[elf.EI_DATA])
	// Where the file has what, by the length of its words.
	phoff, phsize, entry, off, vaddr, size := 32, 54, 56, 8, 16, 32
	switch o.class {
	case elf.ELFCLASS64:
	case elf.ELFCLASS32:
		f.word = 4
		phoff, phsize, entry, off, vaddr, size = 28, 42, 32, 4, 8, 16
	default:
		return nil, errNoELF
	}
	switch o.data {
	case elf.ELFDATA2LSB:
	case elf.ELFDATA2MSB:
		f.order = binary.BigEndian
	default:
		return nil, errNoELF
	}
	head := make([]byte, phsize+4)
	if err := readAt(r, head, 0); err != nil {
		return nil, fmt.Errorf("ELF header: %w", err)
	}
	o.typ, o.machine = elf.Type(f.order.Uint16(head[16:])), elf.Machine(f.order.Uint16(head[18:]))
	n := int(f.order.Uint16(head[phsize+2:]))
	if n > 0 && int(f.order.Uint16(head[phsize:])) != entry {
		return nil, errors.New("program headers of another length")
	}
	table := make([]byte, n*entry)
	if err := readAt(r, table, f.get(head[phoff:])); err != nil {
		return nil, fmt.Errorf("program headers: %w", err)
	}
	for ; len(table) > 0; table = table[entry:] {
		f.segments = append(f.segments, segment{
			elf.ProgType(f.order.Uint32(table)), f.get(table[off:]), f.get(table[vaddr:]), f.get(table[size:]),
		})
	}
	return f, nil
}

func readObject(r io.ReaderAt) (*object, error) {
	o := &object{}
	f, err := o.open(r)
	if err != nil {
		return nil, err
	}
	for _, p := range f.segments {
		switch p.typ {
		case elf.PT_INTERP:
			b, err := f.read(p.off, p.size)
			if err != nil {
				return nil, err
			}
			o.interp = cstring(b)
		case elf.PT_DYNAMIC:
			if err := o.readDynamic(f, p); err != nil {
				return nil, err
			}
		}
	}
	return o, nil
}

// same tells whether a program like o can be linked with library.
func (o *object) same(library *object) bool {
	return library.typ == elf.ET_DYN && o.class == library.class && o.data == library.data && o.machine == library.machine
}

// readDynamic reads the PT_DYNAMIC segment p, elf(5).
func (o *object) readDynamic(f *headers, p segment) error {
	b, err := f.read(p.off, p.size)
	if err != nil {
		return err
	}
	word, get := f.word, f.get
	type pair struct {
		tag elf.DynTag
		val uint64
	}
	var pairs []pair
	var strAddr, strSize uint64
	for ; len(b) >= 2*word; b = b[2*word:] {
		d := pair{elf.DynTag(get(b)), get(b[word:])}
		if d.tag == elf.DT_NULL {
			break
		}
		switch d.tag {
		case elf.DT_STRTAB:
			strAddr = d.val
		case elf.DT_STRSZ:
			strSize = d.val
		case elf.DT_FLAGS_1:
			o.nodefault = elf.DynFlag1(d.val)&elf.DF_1_NODEFLIB != 0
		}
		pairs = append(pairs, d)
	}
	if strSize == 0 {
		return nil
	}
	table, err := f.at(strAddr, strSize)
	if err != nil {
		return fmt.Errorf("string table: %w", err)
	}
	for _, d := range pairs {
		if d.val >= uint64(len(table)) {
			continue
		}
		s := cstring(table[d.val:])
		switch d.tag {
		case elf.DT_NEEDED:
			o.needed = append(o.needed, s)
		case elf.DT_SONAME:
			o.soname = s
		case elf.DT_RPATH:
			o.rpath = s
		case elf.DT_RUNPATH:
			o.runpath, o.hasRunpath = s, true
		}
	}
	o.preNSS = o.soname == "libc.so.6" && !bytes.Contains(table, []byte("\x00GLIBC_2.34\x00"))
	return nil
}

// at reads size bytes from where a PT_LOAD segment puts the address addr.
func (f *headers) at(addr, size uint64) ([]byte, error) {
	for _, p := range f.segments {
		if p.typ != elf.PT_LOAD || addr < p.vaddr || addr-p.vaddr >= p.size {
			continue
		}
		if size > p.size-(addr-p.vaddr) {
			return nil, errors.New("longer than its segment")
		}
		return f.read(p.off+addr-p.vaddr, size)
	}
	return nil, errors.New("in no segment")
}

// read reads size bytes of the file.
func (f *headers) read(off, size uint64) ([]byte, error) {
	if size > maxDynamic {
		return nil, fmt.Errorf("a segment of %d bytes", size)
	}
	b := make([]byte, size)
	return b, readAt(f.r, b, off)
}

// readAt fills b from off on.
func readAt(r io.ReaderAt, b []byte, off uint64) error {
	if n, err := r.ReadAt(b, int64(off)); n < len(b) {
		return err
	}
	return nil
}

// cstring is b up to its first zero byte.
func cstring(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}
