package rtnl

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAttrs(t *testing.T) {
	var in, a Attrs
	in.AddNumber(1, 1, 0x11)
	in.AddNumber(2, 2, 0x2222)
	in.AddNumber(3, 4, 0x33333333)
	in.AddNumber(4, 8, 0x4444444444444444)
	a.AddNested(7, in)
	a.AddString(8, "text")
	a.Set(9, []byte{1})
	a.Set(9, []byte{2, 3, 4})
	got, err := ParseAttrs(a.Bytes())
	if err != nil || len(got) != 3 || got.String(8) != "text" || !bytes.Equal(got.Get(9), []byte{2, 3, 4}) {
		t.Fatalf("%v, %+v", err, got)
	}
	if inner := got.Nested(7); len(inner) != 4 {
		t.Errorf("within: %+v", inner)
	} else {
		for i, want := range []uint64{0x11, 0x2222, 0x33333333, 0x4444444444444444} {
			if v, ok := inner.Number(uint16(i + 1)); !ok || v != want {
				t.Errorf("number %d: %#x, %t", i+1, v, ok)
			}
		}
	}
	if _, ok := got.Number(9); ok {
		t.Error("three bytes are a number")
	}
	if len(got.Nested(99)) != 0 || len(got.Nested(8)) != 0 || got.Get(99) != nil || got.String(99) != "" {
		t.Error("there is what is not")
	}
	if _, ok := got.Uint32(9); ok {
		t.Error("three bytes are a number of four")
	}
}

// What is broken is an error, whatever its bytes.
func TestParseAttrs(t *testing.T) {
	var a Attrs
	a.AddString(1, "abc")
	a.AddUint32(2, 7)
	a.Add(3, nil)
	a.Add(4, []byte{1, 2, 3})
	whole := a.Bytes()
	got, err := ParseAttrs(whole)
	if err != nil || len(got) != 4 || got.String(1) != "abc" || !bytes.Equal(got.Get(4), []byte{1, 2, 3}) || got.Get(3) == nil {
		t.Fatalf("%v, %+v", err, got)
	}
	if v, ok := got.Uint32(2); !ok || v != 7 {
		t.Error(v, ok)
	}
	for size := range len(whole) {
		if got, err := ParseAttrs(whole[:size]); err == nil && len(got) == 4 && size < len(whole)-1 {
			t.Errorf("of %d bytes of %d: %+v", size, len(whole), got)
		}
	}
	for _, length := range []byte{0, 3, 200} {
		if got, err := ParseAttrs([]byte{length, 0, 1, 0, 5, 5, 5, 5}); err == nil {
			t.Errorf("a length of %d: %+v", length, got)
		}
	}
}

// One that is too long is not sent with a length that is another.
func TestTooLong(t *testing.T) {
	for size, want := range map[int]error{1<<16 - 5: nil, 1<<16 - 4: unix.EMSGSIZE} {
		var a, outer Attrs
		a.Add(1, make([]byte, size))
		if err := a.check(); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v", size, err)
		}
		outer.AddNested(2, a)
		if err := outer.check(); !errors.Is(err, unix.EMSGSIZE) {
			t.Errorf("%d bytes within another: %v", size, err)
		}
	}
}
