package plan

import (
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Without pivot_root(2), the host's root stays below: runc refuses a private
// one too. Without a mount namespace there is nothing to move.
func TestNoPivot(t *testing.T) {
	for _, word := range []string{"private", "rprivate"} {
		s := bare(specs.LinuxNamespace{Type: specs.MountNamespace})
		s.Linux.RootfsPropagation = word
		want := "linux.rootfsPropagation: " + word + " is not safe without pivot_root(2): the host's root stays below"
		if _, err := Compile(Input{ID: "c", Spec: s, Host: root, NoPivot: true}); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	p, err := Compile(Input{ID: "c", Spec: bare(), Host: root, NoPivot: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(p.Warnings, "; "); got != "--no-pivot: has no effect without a mount namespace" {
		t.Errorf("warnings %q", got)
	}
}
