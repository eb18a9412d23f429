package plan

import (
	"fmt"
	"slices"
	"testing"
)

// Of a variable the last value counts, in the place of its first.
func TestEnviron(t *testing.T) {
	for _, more := range []int{0, 100} {
		env := []string{"A=1", "AB=2", "A", "B=", "A=3", "AB", "=x", "", "C=a=b", "=y", "B=4"}
		want := []string{"A=3", "AB", "B=4", "=y", "C=a=b"}
		if got := environ(env[:0]); len(got) != 0 {
			t.Errorf("of none: %q", got)
		}
		for i := range more {
			v := fmt.Sprintf("V%d=%d", i, i)
			env, want = append(env, v), append(want, v)
		}
		if got := environ(env); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
