package decode

import (
	"strconv"
	"strings"

	"ocibox/core/names"
)

// members prints members of the structure in b, as the words of spec have them:
// NAME=FORM@OFFSET. A form is what to print and how many bytes that has: u
// unsigned, d signed, x hexadecimal, o octal, p pointer, f descriptor, t and v
// a timespec and a timeval, c and s characters up to a NUL, or a set of
// core/names. A member that b is too short for is left out.
//
// One such text is a twentieth of the code that says the same.
func (p *printer) members(b []byte, spec string) {
	first := true
	for word := range strings.FieldsSeq(spec) {
		name, rest, _ := strings.Cut(word, "=")
		form, offset, _ := strings.Cut(rest, "@")
		end := len(form)
		for form[end-1] >= '0' && form[end-1] <= '9' {
			end--
		}
		at, size := atoi(offset), atoi(form[end:])
		if at+size > len(b) {
			return
		}
		if !first {
			p.s(", ")
		}
		first = false
		p.s(name, "=")
		p.member(b[at:at+size], form[:end])
	}
}

// atoi is the number in the digits s.
func atoi(s string) (n int) {
	for i := range len(s) {
		n = 10*n + int(s[i]-'0')
	}
	return n
}

// member prints one member.
func (p *printer) member(b []byte, form string) {
	v := number(b)
	switch form {
	case "u":
		p.u(v)
	case "d":
		p.d(signed(v, len(b)))
	case "x":
		p.hex(v)
	case "o":
		p.oct(v)
	case "p":
		p.addr(v)
	case "f":
		p.fd(v)
	case "t":
		p.timespec(b, "nsec")
	case "v":
		p.timespec(b, "usec")
	case "c":
		p.b = p.quote(p.b, cut(b))
	default:
		p.named(form, v)
	}
}

// number is the little-endian number in b, of up to eight bytes.
//
//go:noinline
func number(b []byte) (v uint64) {
	for i := min(len(b), 8) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

// signed is v of so many bytes with its sign.
//
//go:noinline
func signed(v uint64, size int) int64 {
	shift := 64 - 8*min(size, 8)
	return int64(v<<shift) >> shift
}

// named prints v in the names of a set.
//
//go:noinline
func (p *printer) named(kind string, v uint64) { p.s(names.Find(kind).Format(v)) }

//go:noinline
func (p *printer) u(v uint64) { p.b = strconv.AppendUint(p.b, v, 10) }

//go:noinline
func (p *printer) d(v int64) { p.b = strconv.AppendInt(p.b, v, 10) }

// cut is b up to its first NUL.
func cut(b []byte) []byte {
	for i, c := range b {
		if c == 0 {
			return b[:i]
		}
	}
	return b
}

// structure reads size bytes at addr and prints members of them in braces; it
// is false where they cannot be read.
func (p *printer) structure(addr, size uint64, spec string) bool {
	b, ok := p.read(addr, size)
	if ok {
		p.braces(b, spec)
	}
	return ok
}

func (p *printer) braces(b []byte, spec string) {
	p.s("{")
	p.members(b, spec)
	p.s("}")
}
