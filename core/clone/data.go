package clone

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Str puts a NUL-terminated string into the data and returns its address. The
// caller has made sure that s holds no NUL.
func (p *Program) Str(s string) Arg {
	// What is there already is mostly found. A map would be larger than the strings.
	const tries = 4
	slot := (*uint32)(nil)
	hash := uint32(2166136261) // FNV-1a
	for i := range len(s) {
		hash = (hash ^ uint32(s[i])) * 16777619
	}
	for i := range uint32(tries) {
		slot = &p.strs[(hash+i)%someStrs]
		if *slot == 0 {
			break
		}
		if there := p.data[*slot:]; len(there) > len(s) && there[len(s)] == 0 && string(there[:len(s)]) == s {
			return Arg{argData, uintptr(*slot)}
		}
	}
	at := uintptr(len(p.data))
	p.data = append(append(p.data, s...), 0)
	*slot = uint32(at)
	return Arg{argData, at}
}

// Data puts the bytes of a struct into the data, aligned for any field.
func (p *Program) Data(b []byte) Arg {
	at := p.align()
	p.data = append(p.data, b...)
	return Arg{argData, at}
}

// Words puts an array of words into the data, followed by a zero word: argv,
// envp, or a list of them.
func (p *Program) Words(args []Arg) Arg {
	at := p.align()
	for _, a := range append(args, Arg{}) {
		if a.kind == argData {
			p.fixups = append(p.fixups, uintptr(len(p.data)))
		}
		p.data = appendWord(p.data, a.v)
	}
	return Arg{argData, at}
}

// Filter puts a struct sock_fprog into the data, as seccomp(2) takes it.
func (p *Program) Filter(code []unix.SockFilter) Arg {
	first := p.Data(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(code))), len(code)*int(unsafe.Sizeof(unix.SockFilter{}))))
	at := p.align()
	// The length is an unsigned short, padded to where a pointer may be.
	length := make([]byte, wordSize)
	binary.NativeEndian.PutUint16(length, uint16(len(code)))
	p.data = append(p.data, length...)
	p.fixups = append(p.fixups, at+wordSize)
	p.data = appendWord(p.data, first.v)
	return Arg{argData, at}
}

// A Blank is room for a text that the parent writes while the child waits.
type Blank struct {
	at   uintptr // offset in data
	size int
	n    Reg // length of the text
}

// Blank makes room for size bytes; name is what explain prints for the text.
func (p *Program) Blank(size int, name string) Blank {
	return Blank{p.Data(make([]byte, size)).v, size, p.Reg(name)}
}

// wide puts a number into the data.
func (p *Program) wide(v uintptr) uintptr {
	at := p.align()
	p.data = appendWord(p.data, v)
	return at
}

func (p *Program) align() uintptr {
	for len(p.data)%8 != 0 {
		p.data = append(p.data, 0)
	}
	return uintptr(len(p.data))
}

func appendWord(b []byte, v uintptr) []byte {
	if wordSize == 8 {
		return binary.NativeEndian.AppendUint64(b, uint64(v))
	}
	return binary.NativeEndian.AppendUint32(b, uint32(v))
}

// Bytes is the memory of a struct without pointers, as Data takes it.
func Bytes[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

func (p *Program) list(strs []string) Arg {
	args := make([]Arg, len(strs), len(strs)+1)
	for i, s := range strs {
		args[i] = p.Str(s)
	}
	return p.Words(args)
}
