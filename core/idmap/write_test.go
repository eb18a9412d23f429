package idmap

import (
	"fmt"
	"math"
	"os"
	"syscall"
	"testing"

	"github.com/moby/sys/user"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestWriteAsRoot(t *testing.T) {
	needRoot(t)
	for _, c := range []struct {
		name       string
		s          scene
		uids, gids string
	}{
		{"several", scene{UID: ids(0, 1000, 1, 1, 100000, 65536), GID: ids(0, 0, 5, 7, 300000, 10, 20, 6, 1)},
			"0 1000 1, 1 100000 65536", "0 0 5, 7 300000 10, 20 6 1"},
		{"all", scene{UID: ids(0, 0, math.MaxUint32), GID: ids(0, 0, math.MaxUint32)}, "0 0 4294967295", "0 0 4294967295"},
		{"340 ranges", scene{UID: many(340, 1000), GID: ids(0, 9, 1)},
			"0 1000 1, 1 1001 1, 2 1002 1, 3 1003 1, 4 1004 1, …", "0 9 1"},
	} {
		o := play(t, c.s, nil, nil)
		if o.Err != "" || o.UIDMap != c.uids || o.GIDMap != c.gids || o.Setgroups != "allow" || o.Direct != [2]bool{true, true} {
			t.Errorf("%s: %+v", c.name, o)
		}
	}
}

func TestWriteAsPlainUser(t *testing.T) {
	attr, uid, gid := plain()
	o := play(t, scene{UID: ids(0, uid, 1), GID: ids(5, gid, 1)}, attr, nil)
	want := outcome{
		UIDMap: fmt.Sprintf("0 %d 1", uid), GIDMap: fmt.Sprintf("5 %d 1", gid), Setgroups: "deny",
		Direct: [2]bool{true, true}, InitialUserns: o.InitialUserns,
	}
	if o != want {
		t.Errorf("got %+v\nwant %+v", o, want)
	}
}

// The kernel asks for the capability, not for uid 0.
func TestWriteWithAmbientCapabilities(t *testing.T) {
	needRoot(t)
	attr := func() *syscall.SysProcAttr {
		a, _, _ := plain()
		a.AmbientCaps = []uintptr{unix.CAP_SETUID, unix.CAP_SETGID}
		return a
	}
	o := play(t, scene{UID: ids(0, plainUID, 1, 1, 100000, 9), GID: ids(0, 100000, 9)}, attr(), nil)
	if o.Err != "" || o.UIDMap != fmt.Sprintf("0 %d 1, 1 100000 9", plainUID) || o.Setgroups != "allow" {
		t.Errorf("%+v", o)
	}
	o = play(t, scene{UID: ids(0, 100000, 1, 1, 0, 1), GID: ids(0, 100000, 9)}, attr(), nil)
	if o.Field != "linux.uidMappings[1]" || o.Err != "linux.uidMappings[1]: write /proc/N/uid_map: operation not permitted" ||
		o.Hint != "host uid 0 can be mapped only with CAP_SETFCAP (since Linux 5.12), which this process lacks" {
		t.Errorf("%+v", o)
	}
}

// A plan that does not fit the process, or a child that does not fit the plan:
// the kernel refuses, and the cause is found.
func TestWriteRefused(t *testing.T) {
	_, uid, gid := plain()
	root := &Self{CapSetuid: true, CapSetgid: true}
	own, ownGID := ids(0, uid, 1), ids(0, gid, 1)
	const eperm = ": write /proc/N/uid_map: operation not permitted"
	for _, c := range []struct {
		name      string
		s         scene
		err, hint string
	}{
		{"two ranges", scene{UID: ids(0, uid, 1, 1, 100000, 1), GID: ownGID, Self: root}, "linux.uidMappings" + eperm,
			fmt.Sprintf("more than one uid takes CAP_SETUID, which this process lacks; without it only the own one can be mapped: hostID %d, size 1", uid)},
		{"size 2", scene{UID: ids(0, uid, 2), GID: ownGID, Self: root}, "linux.uidMappings" + eperm,
			fmt.Sprintf("more than one uid takes CAP_SETUID, which this process lacks; without it only the own one can be mapped: hostID %d, size 1", uid)},
		{"other uid", scene{UID: ids(0, 4711, 1), GID: ownGID, Self: root}, "linux.uidMappings[0]" + eperm,
			fmt.Sprintf("without CAP_SETUID only the own uid %d can be mapped, not 4711", uid)},
		{"other gid", scene{UID: own, GID: ids(0, 4711, 1), Self: root}, "linux.gidMappings[0]: write /proc/N/gid_map: operation not permitted",
			fmt.Sprintf("without CAP_SETGID only the own gid %d can be mapped, not 4711", gid)},
		{"setgroups allowed", scene{UID: own, GID: ownGID, Allow: true}, "linux.gidMappings[0]: write /proc/N/gid_map: operation not permitted",
			`without CAP_SETGID "deny" has to be written to /proc/N/setgroups first, which says "allow"`},
		{"twice", scene{UID: own, GID: ownGID, Twice: true}, "linux.gidMappings: write /proc/N/setgroups: operation not permitted",
			fmt.Sprintf("gid_map of process N was written before: 0 %d 1", gid)},
		{"no namespace", scene{UID: own, GID: ownGID, Self: root, Child: "no namespace"}, "linux.uidMappings" + eperm,
			"process N is in no user namespace of its own"},
		{"dead", scene{UID: own, GID: ownGID, Child: "dead"}, "linux.gidMappings: write /proc/N/setgroups: no such file or directory",
			"process N is gone"},
		{"not dumpable", scene{UID: own, GID: ownGID, Child: "undumpable"}, "linux.gidMappings: write /proc/N/setgroups: permission denied",
			fmt.Sprintf("/proc/N/setgroups belongs to uid 0, not %d: process N runs as another user or is not dumpable (PR_SET_DUMPABLE)", uid)},
		{"no proc", scene{UID: own, GID: ownGID, Paths: &Paths{Proc: "/nowhere"}}, "linux.gidMappings: write /nowhere/N/setgroups: no such file or directory",
			"proc is not mounted at /nowhere"},
	} {
		attr, _, _ := plain()
		o := play(t, c.s, attr, nil)
		if c.name == "no proc" {
			o.Err = c.err // holds the pid under another name
		}
		if o.Err != c.err || o.Hint != c.hint {
			t.Errorf("%s:\n got %s\nhint %s\nwant %s\nhint %s", c.name, o.Err, o.Hint, c.err, c.hint)
		}
	}
}

// In a user namespace that has one ID only, its root has every capability, but
// no other ID to give away.
func TestWriteNested(t *testing.T) {
	uid, gid := os.Geteuid(), os.Getegid()
	nest := func() *syscall.SysProcAttr {
		return &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}},
		}
	}
	o := play(t, scene{UID: ids(3, 0, 1), GID: ids(3, 0, 1)}, nest(), nil)
	if o.Err != "" || o.InitialUserns || o.UIDMap != "3 0 1" || o.Setgroups != "deny" {
		t.Errorf("own ID: %+v", o)
	}
	o = play(t, scene{UID: ids(0, 0, 1, 1, 100000, 65536), GID: ids(0, 0, 1)}, nest(), nil)
	if o.Err != "linux.uidMappings[1]: write /proc/N/uid_map: operation not permitted" ||
		o.Hint != fmt.Sprintf("this process's own user namespace has no line with uids 100000-165535 in its map: 0 %d 1", uid) {
		t.Errorf("absent IDs: %+v", o)
	}
}

// A namespace with the initial one's map is told apart by its inode.
func TestInInitialUsernsOfFullMap(t *testing.T) {
	needRoot(t)
	if in, err := InInitialUserns(); !in || err != nil {
		t.Skipf("this is not the initial user namespace (%v)", err)
	}
	size := uint32(math.MaxUint32)
	if int(size) < 0 {
		t.Skip("such a size is more than an int here")
	}
	all := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: int(size)}}
	o := play(t, scene{UID: ids(0, 5, 2), GID: ids(0, 5, 2)},
		&syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: all, GidMappings: all}, nil)
	if o.InitialUserns || o.UIDMap != "0 5 2" || o.Err != "" {
		t.Errorf("%+v", o)
	}
	if o := play(t, scene{UID: ids(0, 5, 2), GID: ids(0, 5, 2)}, nil, nil); !o.InitialUserns {
		t.Errorf("in the initial one: %+v", o)
	}
}

func TestWhyRefused(t *testing.T) {
	parent := []user.IDMap{{ID: 0, ParentID: 1000, Count: 1}, {ID: 1, ParentID: 100000, Count: 9}, {ID: 10, ParentID: 5, Count: 5}}
	root := Self{CapSetuid: true, CapSetgid: true, CapSetfcap: true}
	for _, c := range []struct {
		name   string
		v      view
		d      side
		ranges []specs.LinuxIDMapping
		at     int
		hint   string
	}{
		{"nothing found", view{self: root, parent: parent}, uidSide, ids(0, 0, 1, 1, 1, 9), -1, ""},
		{"parent unknown", view{self: root}, uidSide, ids(0, 0, 1, 1, 1, 9), -1, ""},
		{"across two lines", view{self: root, parent: parent}, gidSide, ids(0, 0, 1, 1, 9, 2), 1,
			"this process's own user namespace has no line with gids 9-10 in its map: 0 1000 1, 1 100000 9, 10 5 5"},
		{"capless root", view{}, uidSide, ids(0, 0, 1), 0,
			"host uid 0 can be mapped only with CAP_SETFCAP (since Linux 5.12), which this process lacks"},
		{"gid 0 takes no CAP_SETFCAP", view{setgroups: "deny", parent: parent}, gidSide, ids(0, 0, 1), -1, ""},
		{"setgroups itself", view{setgroups: "allow"}, gidSide, nil, -1, ""},
	} {
		at, hint := c.v.whyRefused(c.d, c.ranges)
		if at != c.at || hint != c.hint {
			t.Errorf("%s: %d %q\nwant %d %q", c.name, at, hint, c.at, c.hint)
		}
	}
}
