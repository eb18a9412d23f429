package dbus

import (
	"fmt"
	"strings"
)

// Value is a value of one of D-Bus's types, which Sig is the signature of.
type Value struct {
	Sig  string
	Num  uint64  // bits of a number or of a bool
	Str  string  // of s, o and g
	List []Value // elements of an array, members of a struct, content of a variant
}

// String is a string.
func String(s string) Value { return Value{Sig: "s", Str: s} }

// Strings is an array of strings.
func Strings(list ...string) Value {
	v := Value{Sig: "as"}
	for _, s := range list {
		v.List = append(v.List, String(s))
	}
	return v
}

// Bytes is an array of bytes.
func Bytes(b []byte) Value {
	v := Value{Sig: "ay"}
	for _, n := range b {
		v.List = append(v.List, Value{Sig: "y", Num: uint64(n)})
	}
	return v
}

// Bool is a truth value.
func Bool(b bool) Value {
	v := Value{Sig: "b"}
	if b {
		v.Num = 1
	}
	return v
}

// Uint32 is a number of 32 bits.
func Uint32(n uint32) Value { return Value{Sig: "u", Num: uint64(n)} }

// Uint64 is a number of 64 bits.
func Uint64(n uint64) Value { return Value{Sig: "t", Num: n} }

// Struct has members.
func Struct(members ...Value) Value {
	return Value{Sig: "(" + signature(members) + ")", List: members}
}

// Variant carries its type with it.
func Variant(v Value) Value { return Value{Sig: "v", List: []Value{v}} }

// Array has elements of the type elem.
func Array(elem string, list ...Value) Value { return Value{Sig: "a" + elem, List: list} }

func signature(list []Value) string {
	var s strings.Builder
	for _, v := range list {
		s.WriteString(v.Sig)
	}
	return s.String()
}

// width is how many bytes a number has, 0 if it is none.
func width(code byte) int {
	switch code {
	case 'y':
		return 1
	case 'n', 'q':
		return 2
	case 'b', 'i', 'u':
		return 4
	case 'x', 't', 'd':
		return 8
	}
	return 0
}

// alignment is that of a type, in bytes, "Summary of D-Bus marshalling".
func alignment(code byte) int {
	switch code {
	case 'g', 'v':
		return 1
	case '(', '{':
		return 8
	case 's', 'o', 'a':
		return 4
	}
	return width(code)
}

// encoder writes values, the least significant byte first.
type encoder []byte

func (e *encoder) align(n int) {
	for len(*e)%n != 0 {
		*e = append(*e, 0)
	}
}

func (e *encoder) number(n uint64, width int) {
	e.align(width)
	for range width {
		*e = append(*e, byte(n))
		n >>= 8
	}
}

func (e *encoder) put(v Value) {
	code := v.Sig[0]
	e.align(alignment(code))
	switch code {
	case 's', 'o':
		e.number(uint64(len(v.Str)), 4)
		*e = append(append(*e, v.Str...), 0)
	case 'g':
		*e = append(append(append(*e, byte(len(v.Str))), v.Str...), 0)
	case 'v':
		e.put(Value{Sig: "g", Str: v.List[0].Sig})
		e.put(v.List[0])
	case 'a':
		e.number(0, 4)
		at := len(*e)
		e.align(alignment(v.Sig[1]))
		begin := len(*e)
		for _, m := range v.List {
			e.put(m)
		}
		length := encoder{}
		length.number(uint64(len(*e)-begin), 4)
		copy((*e)[at-4:], length)
	case '(':
		for _, m := range v.List {
			e.put(m)
		}
	default:
		e.number(v.Num, width(code))
	}
}

// maxDepth bounds how deep types are nested.
const maxDepth = 16

// one is the first complete type of a signature, or "" if there is none.
func one(sig string, depth int) string {
	if sig == "" || depth > maxDepth {
		return ""
	}
	var end byte
	switch sig[0] {
	case 'a':
		elem := one(sig[1:], depth+1)
		if elem == "" {
			return ""
		}
		return sig[:1+len(elem)]
	case '(':
		end = ')'
	case '{':
		end = '}'
	default:
		if alignment(sig[0]) == 0 {
			return ""
		}
		return sig[:1]
	}
	for at := 1; at < len(sig); {
		if sig[at] == end && at > 1 {
			return sig[:at+1]
		}
		member := one(sig[at:], depth+1)
		if member == "" {
			return ""
		}
		at += len(member)
	}
	return ""
}

// decoder reads values that a peer wrote. The first thing wrong with them stays
// in err, and all that is read then is zero.
type decoder struct {
	data []byte
	at   int
	big  bool // the most significant byte first
	err  error
}

func (d *decoder) fail(text string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("the message is malformed: "+text, args...)
	}
}

// take is the next n bytes, zeros if there are not as many.
func (d *decoder) take(n int) []byte {
	if d.err == nil && n > len(d.data)-d.at {
		d.fail("it ends at byte %d", len(d.data))
	}
	if d.err != nil {
		return make([]byte, min(n, 8))
	}
	d.at += n
	return d.data[d.at-n : d.at]
}

func (d *decoder) align(n int) {
	if over := d.at % n; over != 0 {
		d.take(n - over)
	}
}

func (d *decoder) number(width int) (n uint64) {
	d.align(width)
	b := d.take(width)
	for i := range b {
		if d.big {
			n = n<<8 | uint64(b[i])
		} else {
			n |= uint64(b[i]) << (8 * i)
		}
	}
	return n
}

// text is n bytes and a NUL.
func (d *decoder) text(n uint64) string {
	if n > uint64(len(d.data)) {
		d.fail("a string of %d bytes", n)
		return ""
	}
	s := string(d.take(int(n)))
	d.take(1)
	return s
}

// value reads one of the type that sig begins with, and gives what is left of
// sig.
func (d *decoder) value(sig string, depth int) (v Value, rest string) {
	v.Sig = one(sig, depth)
	if v.Sig == "" {
		d.fail("%q is not a type", sig)
		return v, ""
	}
	code := v.Sig[0]
	d.align(alignment(code))
	switch code {
	case 's', 'o':
		v.Str = d.text(d.number(4))
	case 'g':
		v.Str = d.text(d.number(1))
	case 'v':
		inner := d.text(d.number(1))
		content, left := d.value(inner, depth+1)
		if left != "" {
			d.fail("a variant of %q", inner)
		}
		v.List = []Value{content}
	case 'a':
		n := d.number(4)
		d.align(alignment(v.Sig[1]))
		if n > uint64(len(d.data)-d.at) {
			d.fail("an array of %d bytes", n)
		}
		for end := d.at + int(n); d.err == nil && d.at < end; {
			elem, _ := d.value(v.Sig[1:], depth+1)
			v.List = append(v.List, elem)
		}
	case '(', '{':
		for members := v.Sig[1 : len(v.Sig)-1]; members != "" && d.err == nil; {
			var m Value
			m, members = d.value(members, depth+1)
			v.List = append(v.List, m)
		}
	default:
		v.Num = d.number(width(code))
	}
	return v, sig[len(v.Sig):]
}
