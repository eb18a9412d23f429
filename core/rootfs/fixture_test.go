package rootfs

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// image describes an ELF file of no code: what a linker looks at, and no more.
type image struct {
	machine       elf.Machine // 0 is EM_X86_64
	interp        string
	soname        string
	needed        []string
	rpath         string
	runpath       string
	nodefault     bool
	moreInStrings string
}

const (
	x86Linker  = "/lib64/ld-linux-x86-64.so.2"
	muslLinker = "/lib/ld-musl-x86_64.so.1"
)

// bytes lays the file out: header, three program headers, dynamic section, strings.
func (m image) bytes() []byte {
	strings := []byte{0}
	var dyn []elf.Dyn64
	add := func(tag elf.DynTag, s string) {
		dyn = append(dyn, elf.Dyn64{Tag: int64(tag), Val: uint64(len(strings))})
		strings = append(append(strings, s...), 0)
	}
	for _, n := range m.needed {
		add(elf.DT_NEEDED, n)
	}
	if m.soname != "" {
		add(elf.DT_SONAME, m.soname)
	}
	if m.rpath != "" {
		add(elf.DT_RPATH, m.rpath)
	}
	if m.runpath != "" {
		add(elf.DT_RUNPATH, m.runpath)
	}
	if m.nodefault {
		dyn = append(dyn, elf.Dyn64{Tag: int64(elf.DT_FLAGS_1), Val: uint64(elf.DF_1_NODEFLIB)})
	}
	strings = append(append(strings, m.moreInStrings...), 0)
	interpAt := len(strings)
	strings = append(append(strings, m.interp...), 0)

	const head = 64 + 3*56
	stringsAt := uint64(head + 16*(len(dyn)+3))
	dyn = append(dyn,
		elf.Dyn64{Tag: int64(elf.DT_STRTAB), Val: stringsAt},
		elf.Dyn64{Tag: int64(elf.DT_STRSZ), Val: uint64(len(strings))},
		elf.Dyn64{Tag: int64(elf.DT_NULL)})
	size := stringsAt + uint64(len(strings))

	machine := m.machine
	if machine == 0 {
		machine = elf.EM_X86_64
	}
	h := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(machine), Version: 1,
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 3, Shentsize: 64,
	}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	interp := elf.Prog64{Type: uint32(elf.PT_NULL)}
	if m.interp != "" {
		interp = elf.Prog64{Type: uint32(elf.PT_INTERP), Off: stringsAt + uint64(interpAt), Filesz: uint64(len(m.interp) + 1)}
	}
	var b bytes.Buffer
	for _, part := range []any{
		h,
		elf.Prog64{Type: uint32(elf.PT_LOAD), Filesz: size, Memsz: size},
		interp,
		elf.Prog64{Type: uint32(elf.PT_DYNAMIC), Off: head, Vaddr: head, Filesz: uint64(16 * len(dyn))},
		dyn,
	} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			panic(err)
		}
	}
	b.Write(strings)
	return b.Bytes()
}

// elf32 is a library of the other word size, of which only the header is looked at.
func elf32() []byte {
	h := elf.Header32{Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_386), Version: 1, Ehsize: 52, Phentsize: 32, Shentsize: 40}
	copy(h.Ident[:], "\x7fELF\x01\x01\x01")
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, h); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// fakeHost makes a host of files: a path to an image, to content, or, behind
// "-> ", to the target of a symlink. A path that ends in / is a directory.
func fakeHost(t *testing.T, files map[string]any) host {
	t.Helper()
	root := t.TempDir()
	put(t, root, files)
	return host{root}
}

func put(t *testing.T, root string, files map[string]any) {
	t.Helper()
	for p, what := range files {
		at := filepath.Join(root, p)
		dir := filepath.Dir(at)
		if strings.HasSuffix(p, "/") {
			dir = at
		}
		err := os.MkdirAll(dir, 0o755)
		if err == nil && dir != at {
			switch v := what.(type) {
			case image:
				err = os.WriteFile(at, v.bytes(), 0o755)
			case []byte:
				err = os.WriteFile(at, v, 0o755)
			case string:
				if target, ok := strings.CutPrefix(v, "-> "); ok {
					err = os.Symlink(target, at)
				} else {
					err = os.WriteFile(at, []byte(v), 0o755)
				}
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// listing is a directory as "path", "path/" and "path -> target" to compare,
// without what every root file system has.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var got []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, p)
		switch {
		case err != nil:
			return err
		case rel == ".", rel == "etc/passwd", rel == "etc/group":
		case d.IsDir() && strings.Contains(" proc sys dev tmp run root etc var home ", " "+rel+" "):
		case d.IsDir():
			got = append(got, rel+"/")
		case d.Type()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(p)
			got = append(got, rel+" -> "+target)
		default:
			got = append(got, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not have %q", err, w)
		}
	}
}
