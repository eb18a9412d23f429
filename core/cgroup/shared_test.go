package cgroup

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// filterID is the number of the one filter that is attached to the group.
func filterID(t *testing.T, g *Group) uint32 {
	t.Helper()
	dir, err := unix.Open(g.Unified, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dir)
	fds, err := filters(dir)
	if err != nil || len(fds) != 1 {
		t.Fatalf("%d filters, %v", len(fds), err)
	}
	defer unix.Close(fds[0])
	info, ok := infoOf(fds[0])
	if !ok || info.kind != progTypeCgroupDevice || info.id == 0 {
		t.Fatalf("%+v", info)
	}
	return info.id
}

// A filter is shared by groups with the same rules, as long as one has it, and by no
// others, whatever the file says.
func TestSharedFilter(t *testing.T) {
	realm(t, v2, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "filter")
		rules := []DeviceRule{{"", true, 'c', 1, 3, accessAll}}
		group := func(name, file string, rules []DeviceRule) (*Group, uint32) {
			t.Helper()
			g := made(t, Request{ID: name})
			g.FilterFile = file
			if err := g.Restrict(rules); err != nil {
				t.Fatal(err)
			}
			return g, filterID(t, g)
		}
		_, first := group("one", file, rules)
		two, again := group("two", file, rules)
		if again != first {
			t.Errorf("filters %d and %d for the same rules", first, again)
		}
		if _, other := group("three", file, usual[:]); other == first {
			t.Error("other rules share the filter")
		}
		// The file tells of those now; they are loaded anew.
		_, four := group("four", file, rules)
		if four == first {
			t.Error("a filter was used that the file does not tell of")
		}
		if _, alone := group("five", "", rules); alone == four {
			t.Error("who has no file shares the filter")
		}
		// Once more for the same group: it is replaced by itself.
		if err := two.Restrict(rules); err != nil || filterID(t, two) != four {
			t.Errorf("%v, filter %d, want %d", err, filterID(t, two), four)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(b []byte) []byte{
			"another's number": func(b []byte) []byte { b[0] ^= 0xff; return b },
			"another's tag":    func(b []byte) []byte { b[4] ^= 1; return b },
			"cut":              func(b []byte) []byte { return b[:len(b)-1] },
			"short":            func(b []byte) []byte { return b[:3] },
			"empty":            func([]byte) []byte { return nil },
			"other code":       func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		} {
			if err := os.WriteFile(file, change(append([]byte{}, data...)), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, id := group("six", file, rules); id == four {
				t.Errorf("%s: the filter was used all the same", name)
			}
			now, err := os.ReadFile(file)
			if err != nil || len(now) != len(data) {
				t.Errorf("%s: the file was not written anew: %d bytes, %v", name, len(now), err)
			}
		}
		// A folder that cannot be written to is no failure.
		group("seven", filepath.Join(file, "none"), rules)
	})
}

// The filters of a group that is there already give way to the one that is asked for.
func TestForeignFilter(t *testing.T) {
	realm(t, v2, func(t *testing.T) {
		other := made(t, Request{ID: "box"})
		if err := other.Restrict([]DeviceRule{{"", true, 'c', 1, 5, accessAll}}); err != nil {
			t.Fatal(err)
		}
		g, _, err := New(host(t), Request{ID: "box", Privileged: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Make(); err != nil {
			t.Fatal(err)
		}
		foreign := filterID(t, g)
		if err := g.Restrict([]DeviceRule{{"", true, 'c', 1, 3, accessAll}}); err != nil {
			t.Fatal(err)
		}
		if filterID(t, g) == foreign { // and it is the only one
			t.Error("the filter that was there is still there")
		}
	})
}
