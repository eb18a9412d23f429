package inet

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// check compares what is read of a text, and what that is as text, with package netip's.
func check(t *testing.T, s string) {
	t.Helper()
	a, err := ParseAddr(s)
	want, wantErr := netip.ParseAddr(s)
	if wantErr == nil && want.Zone() != "" {
		wantErr = errAddr
	}
	switch {
	case (err == nil) != (wantErr == nil):
		t.Errorf("address %q: %v, want %v", s, err, wantErr)
	case err == nil && (!slices.Equal(a, want.AsSlice()) || a.String() != want.String() || a.Is4() != want.Is4()):
		t.Errorf("address %q: %x %s, want %s", s, []byte(a), a, want)
	}
	p, err := ParsePrefix(s)
	wantP, wantErr := netip.ParsePrefix(s)
	if (err == nil) != (wantErr == nil) || err == nil && (p.String() != wantP.String() || p.Bits != wantP.Bits()) {
		t.Errorf("prefix %q: %v, %v; want %v, %v", s, p, err, wantP, wantErr)
	}
}

var texts = []string{
	"", "1.2.3.4", "255.255.255.255", "256.1.1.1", "01.2.3.4", "1.2.3", "1.2.3.4.5", "1..3.4", " 1.2.3.4", "1.2.3.4 ", "+1.2.3.4", "-1.2.3.4", "1_0.2.3.4", "0.0.0.0",
	"::", "::1", "1::", "::1:2", "1::2", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "1:2:3:4::5:6:7:8",
	":1", "1:", ":", ":::", "::1::", "1::2::3", "fe80::1%eth0", "::ffff:1.2.3.4", "::1.2.3.4", "1.2.3.4::", "1:1.2.3.4:2::", "64:ff9b::1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4",
	"::ffff:1.2.3", "::ffff:256.2.3.4", "12345::", "00001::", "0001::", "g::", "+1::", "0x1::", "1_2::", "ABCD:Ef::", "2001:db8:0:0:1:0:0:1", "2001:0:0:1:0:0:0:1", "1:0:2:0:3:0:4:0", "0:0:1::", "::ffff:0:0", "0:0:0:0:0:ffff:102:304",
	"1.2.3.4/0", "1.2.3.4/32", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/08", "1.2.3.4/+8", "1.2.3.4/8/8", "/8", "::/0", "::1/128", "::1/129", "fe80::1%eth0/64", "1.2.3.4/ 8", "::1.2.3.4/96", "1.2.3.4/999999999999",
}

func TestParse(t *testing.T) {
	for _, s := range texts {
		check(t, s)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		s := []byte(texts[r.IntN(len(texts))])
		for range 1 + r.IntN(3) {
			switch at := r.IntN(len(s) + 1); r.IntN(3) {
			case 0:
				s = slices.Insert(s, at, "0123456789af.:/%"[r.IntN(16)])
			case 1:
				s = slices.Delete(s, min(at, max(len(s)-1, 0)), min(at+1, len(s)))
			default:
				if at < len(s) {
					s[at] = "0123456789af.:/"[r.IntN(15)]
				}
			}
		}
		check(t, string(s))
	}
}

func TestString(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200_000 {
		b := make([]byte, []int{4, 16}[r.IntN(2)])
		for i := range b {
			if r.IntN(3) == 0 {
				b[i] = byte(r.Uint32())
			}
		}
		if r.IntN(8) == 0 && len(b) == 16 {
			copy(b, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff")
		}
		a, ok := AddrFrom(b)
		want, _ := netip.AddrFromSlice(b)
		if !ok || a.String() != want.String() {
			t.Fatalf("%x: %s, want %s", b, a, want)
		}
	}
	for _, b := range [][]byte{nil, {1}, make([]byte, 5), make([]byte, 17)} {
		if a, ok := AddrFrom(b); ok || a.String() != "invalid IP" {
			t.Errorf("%x: %v, %v", b, a, ok)
		}
	}
	text, err := json.Marshal([]Prefix{{Addr{10, 0, 0, 1}, 24}})
	if string(text) != `["10.0.0.1/24"]` || err != nil {
		t.Errorf("%s, %v", text, err)
	}
	var list []Prefix
	if err := json.Unmarshal(text, &list); err != nil || len(list) != 1 || list[0].String() != "10.0.0.1/24" {
		t.Errorf("%v, %v", list, err)
	}
	if err := json.Unmarshal([]byte(`["10.0.0.1"]`), &list); err == nil {
		t.Error("a prefix without a length is taken")
	}
}
