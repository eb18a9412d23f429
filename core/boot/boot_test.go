package boot

import (
	"slices"
	"strings"
	"testing"
)

func TestBehind(t *testing.T) {
	for _, c := range []struct {
		line, args, want string // args and want separated by "|"
	}{
		{"quiet -- /script a b", "/script|a|b", "/script|a|b"},
		{"quiet nosplash -- /script", "nosplash|/script", "/script"},
		{"quiet nosplash", "nosplash", ""},
		{"", "", ""},
		{`x="a -- b" -- sh -c "echo a  b"`, "sh|-c|echo a  b", "sh|-c|echo a  b"},
		{`auto --  "one word"  two`, "auto|one word|two", "one word|two"},
		{"-- a -- b", "a|--|b", "a|--|b"},
		{"-- more than there is", "a", "a"},
	} {
		split := func(s string) []string {
			return slices.DeleteFunc(strings.Split(s, "|"), func(w string) bool { return w == "" })
		}
		if got := behind(c.line, split(c.args)); !slices.Equal(got, split(c.want)) {
			t.Errorf("%s: %q, want %q", c.line, got, c.want)
		}
	}
}
