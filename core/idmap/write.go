package idmap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// Write carries the plan out for process pid, which is alone in a new user
// namespace whose parent is this process's. A map can be written once; what was
// written before an error stays, so the child is of no use then.
//
// The files belong to the child's user only while the child is dumpable
// (prctl(2), PR_SET_DUMPABLE), else to root. A plain user cannot write them then,
// nor can a newuidmap that is not root as it writes. Of another user's child
// they are out of reach in any case.
func (p Plan) Write(pid int) error {
	for _, a := range p.actions() {
		var err error
		if a.helper {
			err = p.runHelper(a, pid)
		} else {
			err = p.writeFile(a, pid)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writeFile hands the text over in a single write(2), at offset 0: the kernel
// takes a map as a whole or not at all.
func (p Plan) writeFile(a action, pid int) error {
	path := filepath.Join(p.Paths.Proc, strconv.Itoa(pid), a.file)
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		_, err = unix.Write(fd, []byte(a.text))
		unix.Close(fd)
	}
	if err == nil {
		return nil
	}
	e := fault.Op(err, "write %s", path)
	e.Field = a.side.field
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Hint = p.Paths.whyAbsent(pid)
	case errors.Is(err, unix.EACCES):
		e.Hint = whyUnwritable(path, pid)
	case errors.Is(err, unix.EPERM):
		at, hint := p.Paths.look(a.side, pid).whyRefused(a.side, a.ranges)
		e.Hint = hint
		if at >= 0 {
			e.Field = a.side.at(at)
		}
	}
	return e
}

// whyAbsent explains a missing /proc/PID/uid_map.
func (p Paths) whyAbsent(pid int) string {
	gone := func(name string) bool {
		_, err := os.Lstat(filepath.Join(p.Proc, name))
		return errors.Is(err, fs.ErrNotExist)
	}
	switch {
	case gone("self"):
		return "proc is not mounted at " + p.Proc
	case gone(strconv.Itoa(pid)):
		return fmt.Sprintf("process %d is gone", pid)
	case gone("self/ns/user"):
		return "this kernel has no user namespaces (CONFIG_USER_NS)"
	}
	return ""
}

// whyUnwritable explains why a file of /proc/PID is not this process's to write.
func whyUnwritable(path string, pid int) string {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil || st.Uid == uint32(unix.Geteuid()) {
		return ""
	}
	return fmt.Sprintf("%s belongs to uid %d, not %d: process %d runs as another user or is not dumpable (PR_SET_DUMPABLE)",
		path, st.Uid, unix.Geteuid(), pid)
}

// view is what bears on a refused write, looked up after it.
type view struct {
	self      Self
	pid       int
	ownNS     bool // the process is in this process's user namespace
	written   string
	setgroups string
	parent    []user.IDMap // the own namespace's map, nil if unknown
}

func (p Paths) look(d side, pid int) view {
	read := func(file string) string {
		b, _ := os.ReadFile(filepath.Join(p.Proc, strconv.Itoa(pid), file))
		return strings.TrimSpace(string(b))
	}
	link := func(who string) string {
		s, _ := os.Readlink(filepath.Join(p.Proc, who, "ns/user"))
		return s
	}
	v := view{self: Current(), pid: pid, written: read(d.file), setgroups: read("setgroups")}
	v.ownNS = link("self") != "" && link("self") == link(strconv.Itoa(pid))
	v.parent = p.ownMap(d)
	return v
}

// ownMap is the map of this process's own user namespace, nil if it cannot be read.
func (p Paths) ownMap(d side) []user.IDMap {
	m, _ := user.ParseIDMapFile(filepath.Join(p.Proc, "self", d.file))
	return m
}

// whyRefused goes through the causes of EPERM (map_write and
// new_idmap_permitted in the kernel's user_namespace.c). at is the range at
// fault, or -1. ranges is empty when it was setgroups that was refused.
func (v view) whyRefused(d side, ranges []specs.LinuxIDMapping) (at int, hint string) {
	switch {
	case v.ownNS:
		return -1, fmt.Sprintf("process %d is in no user namespace of its own", v.pid)
	case v.written != "":
		return -1, fmt.Sprintf("%s of process %d was written before: %s", d.file, v.pid, oneLine(v.written))
	case len(ranges) == 0:
		return -1, ""
	}
	if own, privileged := v.self.id(d); !privileged {
		switch {
		case len(ranges) > 1 || ranges[0].Size > 1:
			return -1, fmt.Sprintf("more than one %s takes %s, which this process lacks; without it only the own one can be mapped: hostID %d, size 1",
				d.id, d.capStr, own)
		case ranges[0].HostID != own:
			return 0, fmt.Sprintf("without %s only the own %s %d can be mapped, not %d", d.capStr, d.id, own, ranges[0].HostID)
		case d == gidSide && v.setgroups == "allow":
			return 0, fmt.Sprintf("without CAP_SETGID \"deny\" has to be written to /proc/%d/setgroups first, which says \"allow\"", v.pid)
		}
	}
	for i, r := range ranges {
		if d == uidSide && r.HostID == 0 && !v.self.CapSetfcap {
			return i, "host uid 0 can be mapped only with CAP_SETFCAP (since Linux 5.12), which this process lacks"
		}
	}
	return whyUnknown(v.parent, d, ranges)
}

// whyUnknown looks for a range that the parent namespace does not have. The
// kernel wants the whole of it in one line of the parent's map.
func whyUnknown(parent []user.IDMap, d side, ranges []specs.LinuxIDMapping) (at int, hint string) {
	if len(parent) == 0 {
		return -1, ""
	}
	var lines []string
	for _, m := range parent {
		lines = append(lines, fmt.Sprint(m.ID, m.ParentID, m.Count))
	}
next:
	for i, r := range ranges {
		for _, m := range parent {
			if int64(r.HostID) >= m.ID && int64(r.HostID)+int64(r.Size) <= m.ID+m.Count {
				continue next
			}
		}
		return i, fmt.Sprintf("this process's own user namespace has no line with %ss %s in its map: %s",
			d.id, span(r.HostID, r.Size), oneLine(strings.Join(lines, "\n")))
	}
	return -1, ""
}

// oneLine joins the lines of a map, and leaves the end of a long one away.
func oneLine(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.Join(strings.Fields(l), " ")
	}
	if len(lines) > 5 {
		lines = append(lines[:5], "…")
	}
	return strings.Join(lines, ", ")
}
