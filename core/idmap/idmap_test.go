package idmap

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/fault"
)

// ids makes ranges out of triples container, host, size.
func ids(n ...uint32) []specs.LinuxIDMapping {
	var m []specs.LinuxIDMapping
	for ; len(n) >= 3; n = n[3:] {
		m = append(m, specs.LinuxIDMapping{ContainerID: n[0], HostID: n[1], Size: n[2]})
	}
	return m
}

// many is n ranges of size 1.
func many(n int, first uint32) []specs.LinuxIDMapping {
	var m []specs.LinuxIDMapping
	for i := range uint32(n) {
		m = append(m, specs.LinuxIDMapping{ContainerID: i, HostID: first + i, Size: 1})
	}
	return m
}

// text is an error as the tests compare it, "" for none.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestValidate(t *testing.T) {
	ok := ids(0, 1000, 1)
	for _, c := range []struct {
		name     string
		uid, gid []specs.LinuxIDMapping
		want     string
	}{
		{"none", nil, nil, ""},
		{"one", ok, ok, ""},
		{"touching", ids(0, 1000, 10, 10, 1010, 5), ok, ""},
		{"crossed", ids(0, 10, 10, 10, 0, 10), ok, ""},
		{"all", ids(0, 0, math.MaxUint32), ids(0, 0, math.MaxUint32), ""},
		{"last ID", ids(0, math.MaxUint32-1, 1), ok, ""},
		{"size 0", ids(0, 1000, 1, 1, 100000, 0), ok, "linux.uidMappings[1]: size is 0"},
		{"gid size 0", ok, ids(0, 1000, 0), "linux.gidMappings[0]: size is 0"},
		{"host overflow", ids(0, math.MaxUint32, 1), ok,
			"linux.uidMappings[0]: hostID 4294967295 with size 1 goes past 4294967294, the last ID that can be mapped"},
		{"host overflow by wrapping", ids(0, 4294967290, 4294967290), ok,
			"linux.uidMappings[0]: hostID 4294967290 with size 4294967290 goes past 4294967294, the last ID that can be mapped"},
		{"container overflow", ok, ids(1, 0, math.MaxUint32),
			"linux.gidMappings[0]: containerID 1 with size 4294967295 goes past 4294967294, the last ID that can be mapped"},
		{"container overlap", ids(0, 1000, 10, 9, 5000, 1), ok,
			"linux.uidMappings[1]: container IDs 9 overlap 0-9 of linux.uidMappings[0]"},
		{"host overlap", ok, ids(0, 1000, 1, 5, 200, 10, 20, 100, 101),
			"linux.gidMappings[2]: host IDs 100-200 overlap 200-209 of linux.gidMappings[1]"},
		{"overlap by holding", ids(100, 100, 1, 0, 1000, 500), ok,
			"linux.uidMappings[1]: container IDs 0-499 overlap 100 of linux.uidMappings[0]"},
		{"340", many(340, 0), ok, ""},
		{"341", many(341, 0), ok, "linux.uidMappings: 341 ranges, the kernel takes at most 340"},
		{"no gid", ok, nil, "linux.gidMappings: empty, but linux.uidMappings is not"},
		{"no uid", nil, ok, "linux.uidMappings: empty, but linux.gidMappings is not"},
	} {
		if got := text(Validate(c.uid, c.gid)); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestValidatePage(t *testing.T) {
	if os.Getpagesize() != 4096 {
		t.Skipf("page size %d, the figures are for 4096", os.Getpagesize())
	}
	// 100 ranges of "4000000NN 400000NNN 1\n" and so on; 340 such make 6 KiB.
	big := many(340, 4000000000)
	want := fmt.Sprintf("linux.gidMappings: 340 ranges make a map of %d bytes, the kernel takes at most 4095", len(mapText(big)))
	if got := text(Validate(ids(0, 0, 1), big)); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestTranslate(t *testing.T) {
	m := ids(0, 1000, 1, 1, 100000, 65536, 4294967290, 7, 5)
	for _, c := range []struct {
		container, host uint32
	}{{0, 1000}, {1, 100000}, {65536, 165535}, {4294967290, 7}, {4294967294, 11}} {
		if h, ok := HostID(m, c.container); !ok || h != c.host {
			t.Errorf("HostID(%d) = %d %t, want %d", c.container, h, ok, c.host)
		}
		if id, ok := ContainerID(m, c.host); !ok || id != c.container {
			t.Errorf("ContainerID(%d) = %d %t, want %d", c.host, id, ok, c.container)
		}
	}
	for _, id := range []uint32{65537, 4294967289, 4294967295} {
		if h, ok := HostID(m, id); ok {
			t.Errorf("HostID(%d) = %d, want none", id, h)
		}
	}
	for _, id := range []uint32{0, 6, 12, 999, 1001, 99999, 165536} {
		if c, ok := ContainerID(m, id); ok {
			t.Errorf("ContainerID(%d) = %d, want none", id, c)
		}
	}
	if _, ok := HostID(nil, 0); ok {
		t.Error("an empty map maps 0")
	}
}

func TestInInitialUserns(t *testing.T) {
	for _, c := range []struct {
		name, uidMap, ns string
		want             bool
	}{
		{"initial", "         0          0 4294967295\n", "user:[4026531837]", true},
		{"initial, link unreadable", "0 0 4294967295\n", "", true},
		{"same map, other namespace", "0 0 4294967295\n", "user:[4026532177]", false},
		{"rootless", "0 1000 1\n1 100000 65536\n", "user:[4026532177]", false},
		{"not mapped", "", "user:[4026532177]", false},
		{"shifted", "0 1 4294967295\n", "user:[4026532177]", false},
	} {
		proc := t.TempDir()
		put(t, filepath.Join(proc, "self/uid_map"), c.uidMap)
		if c.ns != "" {
			os.Mkdir(filepath.Join(proc, "self/ns"), 0o755)
			if err := os.Symlink(c.ns, filepath.Join(proc, "self/ns/user")); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := (Paths{Proc: proc}).inInitialUserns(); err != nil || got != c.want {
			t.Errorf("%s: %t %v, want %t", c.name, got, err, c.want)
		}
	}

	proc := t.TempDir()
	os.Mkdir(filepath.Join(proc, "self"), 0o755)
	if got, err := (Paths{Proc: proc}).inInitialUserns(); !got || err != nil {
		t.Errorf("kernel without user namespaces: %t %v", got, err)
	}
	_, err := Paths{Proc: "/nowhere"}.inInitialUserns()
	if text(err) != "look at /nowhere/self/uid_map: no such file or directory" || fault.Hint(err) != "proc is not mounted at /nowhere" {
		t.Errorf("no proc: %v, hint %q", err, fault.Hint(err))
	}
}

// put writes a file and makes its folder.
func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
