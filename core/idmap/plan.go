package idmap

import (
	"fmt"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const (
	capSetgid  = unix.CAP_SETGID
	capSetuid  = unix.CAP_SETUID
	capSetfcap = unix.CAP_SETFCAP
)

// Self is what a process may do about maps, as seen in its own user namespace.
type Self struct {
	EUID, EGID           uint32
	CapSetuid, CapSetgid bool // effective
	CapSetfcap           bool // effective; mapping host uid 0 takes it since Linux 5.12
}

// Current is the calling process's own Self.
func Current() Self {
	s := Self{EUID: uint32(unix.Geteuid()), EGID: uint32(unix.Getegid())}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // version 3 fills two
	if err := unix.Capget(&hdr, &data[0]); err == nil {
		has := func(c int) bool { return data[c/32].Effective&(1<<(c%32)) != 0 }
		s.CapSetuid, s.CapSetgid, s.CapSetfcap = has(capSetuid), has(capSetgid), has(capSetfcap)
	}
	return s
}

// id is the own ID on a side, and whether its capability is there.
func (s Self) id(d side) (uint32, bool) {
	if d == uidSide {
		return s.EUID, s.CapSetuid
	}
	return s.EGID, s.CapSetgid
}

// Paths is where the package looks on the host.
type Paths struct {
	Proc           string   // procfs of this process's pid namespace
	Passwd         string   // passwd(5); may be absent
	SubUID, SubGID string   // subuid(5), subgid(5)
	NSSwitch       string   // nsswitch.conf(5), for its "subid:" line; may be absent
	Search         []string // folders with newuidmap and newgidmap, such as those of $PATH; only absolute ones count
}

// DefaultPaths are the usual places.
func DefaultPaths() Paths {
	return Paths{
		Proc:     "/proc",
		Passwd:   "/etc/passwd",
		SubUID:   "/etc/subuid",
		SubGID:   "/etc/subgid",
		NSSwitch: "/etc/nsswitch.conf",
		Search: []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin",
			"/run/wrappers/bin"}, // the last is NixOS's, the one place there with setuid programs
	}
}

// Map is one map and how it is written.
type Map struct {
	Ranges []specs.LinuxIDMapping
	Helper bool // by newuidmap or newgidmap; otherwise by this process
}

// Plan is how the two maps of a user namespace will be written.
type Plan struct {
	UID, GID Map
	// DenySetgroups has "deny" written to /proc/PID/setgroups before the gid
	// map. setgroups(2) then fails in the namespace for ever, also with no
	// groups (user_namespaces(7)): process.user.additionalGids cannot be set.
	DenySetgroups bool
	Paths         Paths // DefaultPaths, unless the caller changes it before Write
}

// For validates the maps and decides, without touching the system, how self
// gets each of them written:
//   - with the capability (root has it), this process writes any ranges itself;
//   - without, it writes the one range of size 1 that is its own effective ID;
//     for a gid the kernel then demands that setgroups be denied first;
//   - all else goes through newuidmap or newgidmap. newgidmap leaves setgroups
//     allowed when a range comes from /etc/subgid.
//
// Being root is not asked for: the kernel looks at the capability alone.
// Two empty lists make a plan with no steps.
func For(uid, gid []specs.LinuxIDMapping, self Self) (Plan, error) {
	if err := Validate(uid, gid); err != nil {
		return Plan{}, err
	}
	return decide(uid, gid, self), nil
}

// ForEither is For, but one of the two maps may be empty as well: the kernel
// shows the IDs that are not mapped as 65534 then.
func ForEither(uid, gid []specs.LinuxIDMapping, self Self) (Plan, error) {
	if err := uidSide.validate(uid); err != nil {
		return Plan{}, err
	}
	if err := gidSide.validate(gid); err != nil {
		return Plan{}, err
	}
	return decide(uid, gid, self), nil
}

func decide(uid, gid []specs.LinuxIDMapping, self Self) Plan {
	p := Plan{UID: Map{Ranges: uid}, GID: Map{Ranges: gid}, Paths: DefaultPaths()}
	if len(uid) > 0 {
		p.UID.Helper = !self.CapSetuid && !ownOnly(uid, self.EUID)
	}
	if len(gid) > 0 {
		own := ownOnly(gid, self.EGID)
		p.GID.Helper = !self.CapSetgid && !own
		p.DenySetgroups = !self.CapSetgid && own
	}
	return p
}

// ownOnly says whether the ranges are just id itself.
func ownOnly(ranges []specs.LinuxIDMapping, id uint32) bool {
	return len(ranges) == 1 && isOwn(ranges[0], id)
}

func isOwn(r specs.LinuxIDMapping, id uint32) bool { return r.Size == 1 && r.HostID == id }

// Step is one step of a plan in words, and the config.json field behind it.
type Step struct{ Field, Text string }

// Steps are the plan's steps in the order Write carries them out, with CHILD
// for the pid.
func (p Plan) Steps() []Step {
	var steps []Step
	for _, a := range p.actions() {
		text := fmt.Sprintf("write %q to /proc/CHILD/%s", a.text, a.file)
		if a.helper {
			text = "run " + strings.Join(a.argv("CHILD"), " ")
		}
		steps = append(steps, Step{a.side.field, text})
	}
	return steps
}

// action is one thing that Write does and Steps tells.
type action struct {
	side       side
	ranges     []specs.LinuxIDMapping // nil for setgroups
	helper     bool
	file, text string // in /proc/PID, unless helper
}

func (p Plan) actions() []action {
	var list []action
	if p.DenySetgroups {
		list = append(list, action{side: gidSide, file: "setgroups", text: "deny"})
	}
	for _, m := range []struct {
		side side
		Map
	}{{uidSide, p.UID}, {gidSide, p.GID}} {
		if len(m.Ranges) > 0 {
			list = append(list, action{m.side, m.Ranges, m.Helper, m.side.file, mapText(m.Ranges)})
		}
	}
	return list
}

// argv is the helper's command line: newuidmap PID CONTAINER HOST SIZE ….
func (a action) argv(pid string) []string {
	argv := []string{a.side.helper, pid}
	for _, r := range a.ranges {
		for _, n := range []uint32{r.ContainerID, r.HostID, r.Size} {
			argv = append(argv, strconv.FormatUint(uint64(n), 10))
		}
	}
	return argv
}
