package link

import (
	"bytes"
	"testing"
)

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
