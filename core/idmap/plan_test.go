package idmap

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestFor(t *testing.T) {
	root := Self{CapSetuid: true, CapSetgid: true, CapSetfcap: true}
	user := Self{EUID: 1000, EGID: 100}
	sub := ids(0, 1000, 1, 1, 100000, 65536)
	for _, c := range []struct {
		name     string
		self     Self
		uid, gid []specs.LinuxIDMapping
		want     []string
	}{
		{"no maps", user, nil, nil, nil},
		{"root, one range", root, ids(0, 100000, 65536), ids(0, 200000, 65536), []string{
			`linux.uidMappings: write "0 100000 65536" to /proc/CHILD/uid_map`,
			`linux.gidMappings: write "0 200000 65536" to /proc/CHILD/gid_map`}},
		{"root, several", root, sub, sub, []string{
			`linux.uidMappings: write "0 1000 1\n1 100000 65536" to /proc/CHILD/uid_map`,
			`linux.gidMappings: write "0 1000 1\n1 100000 65536" to /proc/CHILD/gid_map`}},
		{"root, own ID: setgroups stays", root, ids(0, 0, 1), ids(0, 0, 1), []string{
			`linux.uidMappings: write "0 0 1" to /proc/CHILD/uid_map`,
			`linux.gidMappings: write "0 0 1" to /proc/CHILD/gid_map`}},
		{"root without capabilities, own ID", Self{}, ids(0, 0, 1), ids(0, 0, 1), []string{
			`linux.gidMappings: write "deny" to /proc/CHILD/setgroups`,
			`linux.uidMappings: write "0 0 1" to /proc/CHILD/uid_map`,
			`linux.gidMappings: write "0 0 1" to /proc/CHILD/gid_map`}},
		{"root without capabilities, range", Self{}, ids(0, 100000, 9), ids(0, 100000, 9), []string{
			`linux.uidMappings: run newuidmap CHILD 0 100000 9`,
			`linux.gidMappings: run newgidmap CHILD 0 100000 9`}},
		{"user, own ID", user, ids(0, 1000, 1), ids(0, 100, 1), []string{
			`linux.gidMappings: write "deny" to /proc/CHILD/setgroups`,
			`linux.uidMappings: write "0 1000 1" to /proc/CHILD/uid_map`,
			`linux.gidMappings: write "0 100 1" to /proc/CHILD/gid_map`}},
		{"user, subordinate IDs", user, sub, ids(0, 100, 1, 1, 100000, 65536), []string{
			`linux.uidMappings: run newuidmap CHILD 0 1000 1 1 100000 65536`,
			`linux.gidMappings: run newgidmap CHILD 0 100 1 1 100000 65536`}},
		{"user, uid direct, gid by helper", user, ids(5, 1000, 1), ids(0, 100000, 65536), []string{
			`linux.uidMappings: write "5 1000 1" to /proc/CHILD/uid_map`,
			`linux.gidMappings: run newgidmap CHILD 0 100000 65536`}},
		{"user, uid by helper, gid direct", user, ids(0, 100000, 1), ids(0, 100, 1), []string{
			`linux.gidMappings: write "deny" to /proc/CHILD/setgroups`,
			`linux.uidMappings: run newuidmap CHILD 0 100000 1`,
			`linux.gidMappings: write "0 100 1" to /proc/CHILD/gid_map`}},
		{"user, someone else's ID", user, ids(0, 1001, 1), ids(0, 1000, 1), []string{
			`linux.uidMappings: run newuidmap CHILD 0 1001 1`,
			`linux.gidMappings: run newgidmap CHILD 0 1000 1`}},
		{"user, more than the own ID", user, ids(0, 1000, 2), ids(0, 100, 2), []string{
			`linux.uidMappings: run newuidmap CHILD 0 1000 2`,
			`linux.gidMappings: run newgidmap CHILD 0 100 2`}},
		{"user with CAP_SETUID only", Self{EUID: 1000, EGID: 100, CapSetuid: true}, sub, ids(0, 100, 1), []string{
			`linux.gidMappings: write "deny" to /proc/CHILD/setgroups`,
			`linux.uidMappings: write "0 1000 1\n1 100000 65536" to /proc/CHILD/uid_map`,
			`linux.gidMappings: write "0 100 1" to /proc/CHILD/gid_map`}},
		{"user with CAP_SETGID only", Self{EUID: 1000, EGID: 100, CapSetgid: true}, sub, ids(0, 100, 1), []string{
			`linux.uidMappings: run newuidmap CHILD 0 1000 1 1 100000 65536`,
			`linux.gidMappings: write "0 100 1" to /proc/CHILD/gid_map`}},
	} {
		p, err := For(c.uid, c.gid, c.self)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		var got []string
		for _, s := range p.Steps() {
			got = append(got, s.Field+": "+s.Text)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %s\nwant %s", c.name, strings.Join(got, "\n     "), strings.Join(c.want, "\n     "))
		}
		if !reflect.DeepEqual(p.Paths, DefaultPaths()) {
			t.Errorf("%s: paths %+v", c.name, p.Paths)
		}
	}
}

func TestForValidates(t *testing.T) {
	if _, err := For(ids(0, 0, 0), ids(0, 0, 1), Self{}); text(err) != "linux.uidMappings[0]: size is 0" {
		t.Errorf("got %v", err)
	}
}

func TestEmptyPlanWritesNothing(t *testing.T) {
	p, _ := For(nil, nil, Self{})
	p.Paths.Proc = "/nowhere"
	if err := p.Write(1); err != nil {
		t.Error(err)
	}
}

// What capget gives is what /proc/self/status says.
func TestCurrent(t *testing.T) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	var eff uint64
	for _, line := range strings.Split(string(status), "\n") {
		fmt.Sscanf(line, "CapEff:\t%x", &eff)
	}
	want := Self{
		EUID: uint32(os.Geteuid()), EGID: uint32(os.Getegid()),
		CapSetuid: eff>>7&1 == 1, CapSetgid: eff>>6&1 == 1, CapSetfcap: eff>>31&1 == 1,
	}
	if got := Current(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
