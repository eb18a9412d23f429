package ere

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		expr, yes, no string // texts with blanks between
	}{
		{"", "a", ""},
		{"b", "b abc", "a"},
		{"^web-[0-9]+$", "web-1 web-42", "web- web-1x xweb-1"},
		{"a|b|^c", "a b cx", "d xc"},
		{"^(ab)*$", "ab abab", "a aba"},
		{"^(ab|c){2,3}$", "abc cab ccc ababab", "c abababab"},
		{"^a{2}$", "aa", "a aaa"},
		{"^a{2,}$", "aa aaaa", "a"},
		{"^a?b+$", "b ab bbb", "a aab"},
		{"^(a*)*$", "a aaa", "b"},
		{"^[^a-c]$", "d -", "a b c"},
		{"^[]x-]+$", "] x - ]-x", "y"},
		{"^[[:alpha:]_]+$", "aZ_", "a1"},
		{`^\d+\.\w*$`, "1.a_ 22.", "a.b 1x"},
		{`^\D$`, "a", "1"},
		{"^.$", "a", "ab"},
		{"(a|)b$", "b ab", "a"},
	} {
		e, err := Compile(c.expr)
		if err != nil {
			t.Errorf("%q: %v", c.expr, err)
			continue
		}
		for _, text := range strings.Fields(c.yes) {
			if !e.Match(text) {
				t.Errorf("%q does not match %q", c.expr, text)
			}
		}
		for _, text := range strings.Fields(c.no) {
			if e.Match(text) {
				t.Errorf("%q matches %q", c.expr, text)
			}
		}
	}
}

func TestBad(t *testing.T) {
	for expr, want := range map[string]string{
		"(": "a ( without its )", ")": "a ) that closes nothing", "a)b": "a ) that closes nothing", "*a": "* repeats nothing", "a|+": "+ repeats nothing", "[a": "a [ without its ]",
		"[": "a [ without its ]", "[z-a]": "the range z-a is empty", "[[:x:]]": "no class [:x:]", `a\`: "a \\ at the end", "a{": "{ without m}, m,} or m,n} of at most 255",
		"a{2,1}": "{ without m}, m,} or m,n} of at most 255", "a{256}": "{ without m}, m,} or m,n} of at most 255", "(?i)a": "? repeats nothing",
		"((a{255}){255}){255}": "too large", strings.Repeat("(", 1000): "too deep",
	} {
		if _, err := Compile(expr); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", expr, err, want)
		}
	}
}

// Package regexp has the same answers, for what both read.
func TestAsRegexp(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "b", ".", "[ab]", "[^a]", "(", ")", "|", "*", "+", "?", "{2}", "{1,2}", "{0,}", "^", "$", `\d`, "1"}
	lazy := regexp.MustCompile(`[*+?}]\?`)
	compared, matched := 0, 0
	for range 30_000 {
		var expr, text strings.Builder
		for range 1 + r.IntN(9) {
			expr.WriteString(pieces[r.IntN(len(pieces))])
		}
		for range r.IntN(7) {
			text.WriteByte("ab1"[r.IntN(3)])
		}
		ours, err := Compile(expr.String())
		theirs, their := regexp.Compile("(?s)" + expr.String())
		// A ? behind a repeat is another thing there, and other repeats of
		// repeats are refused.
		if err != nil || their != nil || lazy.MatchString(expr.String()) {
			continue
		}
		compared++
		got, want := ours.Match(text.String()), theirs.MatchString(text.String())
		if got {
			matched++
		}
		if got != want {
			t.Errorf("%q, %q: %v, want %v", expr.String(), text.String(), got, want)
		}
	}
	if compared < 5000 || matched == 0 || matched == compared {
		t.Errorf("%d compared, of which %d match", compared, matched)
	}
}

// What takes for ever where one thing is tried after the other does not.
func TestNoBlowUp(t *testing.T) {
	e, err := Compile("^(a*)*(a|aa)+(a?){200}b$")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	go func() { done <- e.Match(strings.Repeat("a", 1024)) }()
	select {
	case got := <-done:
		if got {
			t.Error("it matches")
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
}
