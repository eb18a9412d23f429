package rootfs

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
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

func readObject(r io.ReaderAt) (*object, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, err
	}
	o := &object{class: f.Class, data: f.Data, machine: f.Machine, typ: f.Type}
	for _, p := range f.Progs {
		switch p.Type {
		case elf.PT_INTERP:
			b, err := content(p)
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
func (o *object) readDynamic(f *elf.File, p *elf.Prog) error {
	b, err := content(p)
	if err != nil {
		return err
	}
	word := 8
	if f.Class == elf.ELFCLASS32 {
		word = 4
	}
	get := func(b []byte) uint64 {
		if word == 4 {
			return uint64(f.ByteOrder.Uint32(b))
		}
		return f.ByteOrder.Uint64(b)
	}
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
	table, err := segment(f, strAddr, strSize)
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

// segment reads size bytes from where a PT_LOAD segment puts the address addr.
func segment(f *elf.File, addr, size uint64) ([]byte, error) {
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD || addr < p.Vaddr || addr-p.Vaddr >= p.Filesz {
			continue
		}
		off := addr - p.Vaddr
		if size > p.Filesz-off || size > maxDynamic {
			return nil, errors.New("longer than its segment")
		}
		b := make([]byte, size)
		_, err := io.ReadFull(io.NewSectionReader(p.ReaderAt, int64(off), int64(size)), b)
		return b, err
	}
	return nil, errors.New("in no segment")
}

func content(p *elf.Prog) ([]byte, error) {
	if p.Filesz > maxDynamic {
		return nil, fmt.Errorf("%v segment of %d bytes", p.Type, p.Filesz)
	}
	b := make([]byte, p.Filesz)
	_, err := io.ReadFull(p.Open(), b)
	return b, err
}

// cstring is b up to its first zero byte.
func cstring(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}
