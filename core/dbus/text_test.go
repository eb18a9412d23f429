package dbus

import (
	"strings"
	"testing"
)

// What GVariant's text form says, and how it is said again.
func TestParseText(t *testing.T) {
	for _, c := range []struct{ text, sig, again string }{
		{"uint64 123456789", "t", ""}, {"@t 5", "t", "uint64 5"}, {"5", "i", ""}, {"-5", "i", ""}, {"0x10", "i", "16"}, {"int16 -3", "n", ""},
		{"byte 0xff", "y", "byte 255"}, {"true", "b", ""}, {"@b false", "b", "false"}, {"1.5", "d", ""}, {"2e3", "d", "2000.0"}, {"@d 2", "d", "2.0"},
		{"'inactive-or-failed'", "s", ""}, {`"it's"`, "s", `'it\'s'`}, {`'a\nb"\''`, "s", ""}, {"objectpath '/a'", "o", ""},
		{"['a', 'b']", "as", ""}, {"@as []", "as", ""}, {"[uint64 1, 2]", "at", ""}, {"[ uint64 1,uint64 2 ]", "at", "[uint64 1, 2]"}, {"@ay [1, 2]", "ay", "[byte 1, 2]"},
		{"  'x' ", "s", "'x'"},
	} {
		v, err := ParseText(c.text)
		if c.again == "" {
			c.again = c.text
		}
		if err != nil || v.Sig != c.sig || v.String() != c.again {
			t.Errorf("%s: %s, type %q, %v; want %s, %q", c.text, v, v.Sig, err, c.again, c.sig)
		}
	}
}

func TestParseTextRefuses(t *testing.T) {
	for _, text := range []string{
		"", "  ", "abc", "uint64", "uint64 -1", "uint64 'a'", "byte 256", "5 6", "'a", `'\`, "'a\\0'", "'a\\x00'", "[", "[]", "[1", "[1,", "[1 2]", "[1, 'a']", "[[1]]", "[['a'], ['b']]",
		"@", "@q", "@(ss) 5", "@aas []", "@as ['a', 5]", "{'a': 5}", "<5>", "b'ab'", "string 5", "int32 true", "signature '" + strings.Repeat("s", 256) + "'",
		strings.Repeat("[", 1<<20), strings.Repeat("uint64 ", 1<<18) + "5",
	} {
		if v, err := ParseText(text); err == nil {
			t.Errorf("%.60q is %s, and should be refused", text, v)
		} else if len(err.Error()) > 4<<20 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60q: %.100q", text, err)
		}
	}
}

func FuzzParseText(f *testing.F) {
	f.Add("@as ['a', \"b\"]")
	f.Add("uint64 5")
	f.Add("-1.5e3")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseText(text)
		if err != nil {
			return
		}
		again, err := ParseText(v.String())
		if err != nil || again.String() != v.String() {
			t.Errorf("%q is %s, and that %s (%v)", text, v, again, err)
		}
	})
}
