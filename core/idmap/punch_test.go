package idmap

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestPunch(t *testing.T) {
	for _, c := range []struct {
		ranges          []specs.LinuxIDMapping
		container, host uint32
		want            string
	}{
		{nil, 5, 1000, "5 1000 1"},
		{ids(0, 100, 10), 0, 1000, "0 1000 1, 1 100 9"},
		{ids(0, 100, 10), 9, 1000, "9 1000 1, 0 100 9"},
		{ids(0, 100, 10), 10, 1000, "10 1000 1, 0 100 10"},
		{ids(0, 100, 10), 3, 1000, "3 1000 1, 0 100 3, 4 103 6"},
		{ids(0, 100, 10), 50, 104, "50 104 1, 0 100 4, 4 105 5"},
		{ids(0, 100, 10), 2, 105, "2 105 1, 0 100 2, 3 102 3, 6 106 4"},
		{ids(0, 100, 10), 5, 102, "5 102 1, 0 100 2, 2 103 3, 6 106 4"},
		{ids(0, 0, 10), 3, 3, "3 3 1, 0 0 3, 4 4 6"},
		{ids(0, 0, math.MaxUint32), 1000, 1000, "1000 1000 1, 0 0 1000, 1001 1001 4294966294"},
		{ids(0, 100, 1), 0, 1000, "0 1000 1"},
		{ids(0, 100, 5, 5, 200, 5), 7, 1000, "7 1000 1, 0 100 5, 5 200 2, 8 202 2"},
	} {
		got := Punch(c.ranges, c.container, c.host)
		if text := strings.ReplaceAll(mapText(got), "\n", ", "); text != c.want {
			t.Errorf("%v with %d %d: %s, want %s", c.ranges, c.container, c.host, text, c.want)
		}
		if err := Validate(got, got); err != nil {
			t.Errorf("%v with %d %d: %v", c.ranges, c.container, c.host, err)
		}
	}
}

// Whatever the range and the two ids, each id is mapped once, and no more are lost
// than one.
func TestPunchAll(t *testing.T) {
	const size = 5
	for container := range uint32(9) {
		for host := range uint32(9) {
			got := Punch(ids(2, 1, size), container, host)
			if err := Validate(got, got); err != nil {
				t.Errorf("%d %d: %v", container, host, err)
			}
			n := uint32(0)
			for _, r := range got[1:] {
				n += r.Size
				if r.ContainerID < 2 || r.ContainerID+r.Size > 2+size || r.HostID < 1 || r.HostID+r.Size > 1+size {
					t.Errorf("%d %d: %v leaves the range", container, host, r)
				}
			}
			if n < size-1 || got[0] != (specs.LinuxIDMapping{ContainerID: container, HostID: host, Size: 1}) {
				t.Errorf("%d %d: %v", container, host, got)
			}
		}
	}
}

func TestForEither(t *testing.T) {
	self := Self{EUID: 5, EGID: 6}
	p, err := ForEither(ids(0, 5, 1), nil, self)
	if err != nil || p.UID.Helper || p.DenySetgroups || len(p.Steps()) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err = ForEither(nil, ids(0, 6, 1), self); err != nil || !p.DenySetgroups || len(p.Steps()) != 2 {
		t.Errorf("%+v, %v", p, err)
	}
	for _, bad := range [][2][]specs.LinuxIDMapping{{ids(0, 5, 0), nil}, {nil, ids(0, 5, 0)}} {
		if _, err := ForEither(bad[0], bad[1], self); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

func TestSubordinate(t *testing.T) {
	dir := t.TempDir()
	p := Paths{Passwd: filepath.Join(dir, "passwd"), SubUID: filepath.Join(dir, "subuid"), SubGID: filepath.Join(dir, "subgid")}
	for path, text := range map[string]string{
		p.Passwd: "me:x:1000:1000::/:/bin/sh\n", p.SubUID: "you:1:2\nme:100000:65536\nme:5:5\n2000:7:8\n3000:99999999999:1\n", p.SubGID: "1000:300:4\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		uid    uint32
		groups bool
		want   specs.LinuxIDMapping
		err    string
	}{
		{1000, false, specs.LinuxIDMapping{ContainerID: 100000, HostID: 100000, Size: 65536}, ""},
		{1000, true, specs.LinuxIDMapping{ContainerID: 300, HostID: 300, Size: 4}, ""},
		{2000, false, specs.LinuxIDMapping{ContainerID: 7, HostID: 7, Size: 8}, ""},
		{2000, true, specs.LinuxIDMapping{}, p.SubGID + " has no line for 2000"},
		{3000, false, specs.LinuxIDMapping{}, p.SubUID + ": 3000:99999999999:1 goes past the last ID"},
	} {
		got, err := p.Subordinate(c.uid, c.groups)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if got != c.want || text != c.err {
			t.Errorf("%d, groups %v: %v, %q, want %v, %q", c.uid, c.groups, got, text, c.want, c.err)
		}
	}
}
