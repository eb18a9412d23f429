package rtnl

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// An Attr is an attribute of an rtnetlink message.
type Attr struct {
	Type  uint16
	Value []byte
}

// Attrs are the attributes of a message, or those within one of them.
type Attrs []Attr

// align rounds a length up to where the next message or attribute begins.
func align(n int) int { return (n + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1) }

// errBroken is of an answer whose lengths do not fit its bytes.
func errBroken() error { return fault.Op(unix.EINVAL, "read an answer of rtnetlink") }

// cut gives the first attribute of b, and what follows it.
func cut(b []byte) (at Attr, rest []byte, ok bool) {
	size := int(binary.NativeEndian.Uint16(b))
	if size < unix.SizeofRtAttr || size > len(b) {
		return at, nil, false
	}
	at = Attr{binary.NativeEndian.Uint16(b[2:]) & NLA_TYPE_MASK, b[unix.SizeofRtAttr:size]}
	return at, b[min(align(size), len(b)):], true
}

// ParseAttrs reads them, without a copy.
func ParseAttrs(b []byte) (Attrs, error) {
	n := 0
	for rest := b; len(rest) >= unix.SizeofRtAttr; n++ {
		var ok bool
		if _, rest, ok = cut(rest); !ok {
			return nil, errBroken()
		}
	}
	a := make(Attrs, n)
	for i := range a {
		a[i], b, _ = cut(b)
	}
	return a, nil
}

// Bytes are the attributes as they are within another one.
func (a Attrs) Bytes() []byte { return a.appendTo(nil) }

//go:noinline
func (a Attrs) appendTo(b []byte) []byte {
	for _, at := range a {
		size := unix.SizeofRtAttr + len(at.Value)
		b = binary.NativeEndian.AppendUint16(b, uint16(size))
		b = binary.NativeEndian.AppendUint16(b, at.Type)
		b = append(b, at.Value...)
		b = append(b, make([]byte, align(size)-size)...)
	}
	return b
}

// check says which attribute is longer than its length can tell. Of one within
// another the outer one is too long as well.
func (a Attrs) check() error {
	for _, at := range a {
		if len(at.Value) > 1<<16-1-unix.SizeofRtAttr {
			return fault.Op(unix.EMSGSIZE, "send %d bytes as attribute %d of rtnetlink", len(at.Value), at.Type&NLA_TYPE_MASK)
		}
	}
	return nil
}

// Get is the value of the first attribute of that type, or nil.
func (a Attrs) Get(kind uint16) []byte {
	for _, at := range a {
		if at.Type == kind {
			return at.Value
		}
	}
	return nil
}

// Uint32 is the value of one that is a number.
func (a Attrs) Uint32(kind uint16) (v uint32, ok bool) {
	if b := a.Get(kind); len(b) >= 4 {
		return binary.NativeEndian.Uint32(b), true
	}
	return 0, false
}

// Number is the value of an attribute that is a number of 1, 2, 4 or 8 bytes.
func (a Attrs) Number(kind uint16) (v uint64, ok bool) {
	b := a.Get(kind)
	switch len(b) {
	case 1:
		return uint64(b[0]), true
	case 2:
		return uint64(binary.NativeEndian.Uint16(b)), true
	case 4:
		return uint64(binary.NativeEndian.Uint32(b)), true
	case 8:
		return binary.NativeEndian.Uint64(b), true
	}
	return 0, false
}

// String is the value of an attribute that is text.
func (a Attrs) String(kind uint16) string { return unix.ByteSliceToString(a.Get(kind)) }

// Nested are the attributes within one; none where it is not there or broken.
func (a Attrs) Nested(kind uint16) Attrs {
	in, err := ParseAttrs(a.Get(kind))
	if err != nil {
		return nil
	}
	return in
}

// Add appends an attribute.
//
//go:noinline
func (a *Attrs) Add(kind uint16, value []byte) { *a = append(*a, Attr{kind, value}) }

// Set gives an attribute a value, in the place of the one that it has.
func (a *Attrs) Set(kind uint16, value []byte) {
	for i := range *a {
		if (*a)[i].Type == kind {
			(*a)[i].Value = value
			return
		}
	}
	a.Add(kind, value)
}

// AddUint32 appends one that is a number.
//
//go:noinline
func (a *Attrs) AddUint32(kind uint16, v uint32) {
	a.Add(kind, binary.NativeEndian.AppendUint32(nil, v))
}

// AddNumber appends one of that size.
func (a *Attrs) AddNumber(kind uint16, size int, v uint64) {
	b := make([]byte, size)
	switch size {
	case 1:
		b[0] = byte(v)
	case 2:
		binary.NativeEndian.PutUint16(b, uint16(v))
	case 4:
		binary.NativeEndian.PutUint32(b, uint32(v))
	case 8:
		binary.NativeEndian.PutUint64(b, v)
	}
	a.Add(kind, b)
}

// AddString appends one that is text.
//
//go:noinline
func (a *Attrs) AddString(kind uint16, s string) { a.Add(kind, append([]byte(s), 0)) }

// AddNested appends one that holds others.
func (a *Attrs) AddNested(kind uint16, in Attrs) { a.Add(kind|unix.NLA_F_NESTED, in.Bytes()) }
