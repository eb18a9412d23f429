package cli

import "testing"

func TestNear(t *testing.T) {
	words := []string{"create", "delete", "run", "log-format", "log-level"}
	for name, want := range map[string]string{
		"creat": "create", "craete": "create", "log-f": "log-format", "log-formt": "log-format",
		"xyzzy": "", "rm": "", "": "", "r": "", "create-all": "", "delet": "delete",
	} {
		if got := Near(name, words); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"same", "same", 0}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q, %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestEither(t *testing.T) {
	for want, words := range map[string][]string{"": nil, "a": {"a"}, "a or b": {"a", "b"}, "a, b or c": {"a", "b", "c"}} {
		if got := either(words); got != want {
			t.Errorf("%q: %q, want %q", words, got, want)
		}
	}
}
