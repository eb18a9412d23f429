// Package idmap maps the user and group IDs of a user namespace: it checks the
// ranges, decides how they reach the kernel (written to /proc/PID/uid_map and
// gid_map, or by newuidmap and newgidmap), writes them, and finds out why they
// were refused.
//
// A range is runtime-spec's LinuxIDMapping. Its host IDs are those of the user
// namespace that this process is in, which must be the parent of the mapped one.
// The rules are in user_namespaces(7), newuidmap(1) and subuid(5).
package idmap

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/moby/sys/user"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/fault"
	"ocibox/core/files"
	"ocibox/core/namespace"
)

// maxRanges is UID_GID_MAP_MAX_EXTENTS (Linux 4.15).
const maxRanges = 340

// side is what differs between user and group IDs.
type side struct {
	field  string // list in config.json
	id     string // "uid", "gid"
	file   string // in /proc/PID
	helper string // setuid program that writes the file for a plain user
	cap    int    // capability that writing more than the own ID takes
	capStr string
}

var (
	uidSide = side{"linux.uidMappings", "uid", "uid_map", "newuidmap", capSetuid, "CAP_SETUID"}
	gidSide = side{"linux.gidMappings", "gid", "gid_map", "newgidmap", capSetgid, "CAP_SETGID"}
)

// at is the config.json field of range i.
func (s side) at(i int) string { return fmt.Sprintf("%s[%d]", s.field, i) }

// Validate checks the two lists without looking at the system. Both may be
// empty; one alone may not, as a process without a uid or a gid can do nothing.
func Validate(uid, gid []specs.LinuxIDMapping) error {
	if err := uidSide.validate(uid); err != nil {
		return err
	}
	if err := gidSide.validate(gid); err != nil {
		return err
	}
	switch {
	case len(uid) == 0 && len(gid) > 0:
		return fault.Field(uidSide.field, "empty, but %s is not", gidSide.field)
	case len(gid) == 0 && len(uid) > 0:
		return fault.Field(gidSide.field, "empty, but %s is not", uidSide.field)
	}
	return nil
}

func (s side) validate(ranges []specs.LinuxIDMapping) error {
	if len(ranges) > maxRanges {
		return fault.Field(s.field, "%d ranges, the kernel takes at most %d", len(ranges), maxRanges)
	}
	for i, r := range ranges {
		if r.Size == 0 {
			return fault.Field(s.at(i), "size is 0")
		}
		// ID 4294967295 is (uid_t)-1 and means "no ID", so a range ends before it.
		for _, e := range []struct {
			what  string
			first uint32
		}{{"containerID", r.ContainerID}, {"hostID", r.HostID}} {
			if uint64(e.first)+uint64(r.Size) > math.MaxUint32 {
				return fault.Field(s.at(i), "%s %d with size %d goes past %d, the last ID that can be mapped",
					e.what, e.first, r.Size, uint32(math.MaxUint32-1))
			}
		}
		for j, o := range ranges[:i] {
			if overlap(r.ContainerID, r.Size, o.ContainerID, o.Size) {
				return fault.Field(s.at(i), "container IDs %s overlap %s of %s",
					span(r.ContainerID, r.Size), span(o.ContainerID, o.Size), s.at(j))
			}
			if overlap(r.HostID, r.Size, o.HostID, o.Size) {
				return fault.Field(s.at(i), "host IDs %s overlap %s of %s",
					span(r.HostID, r.Size), span(o.HostID, o.Size), s.at(j))
			}
		}
	}
	// map_write in the kernel's user_namespace.c: EINVAL from a page upwards.
	if n := len(mapText(ranges)); n >= os.Getpagesize() {
		return fault.Field(s.field, "%d ranges make a map of %d bytes, the kernel takes at most %d",
			len(ranges), n, os.Getpagesize()-1)
	}
	return nil
}

// overlap takes ranges that do not wrap.
func overlap(a, aSize, b, bSize uint32) bool {
	return uint64(a) < uint64(b)+uint64(bSize) && uint64(b) < uint64(a)+uint64(aSize)
}

// span is a range as people write it: "100000-165535", or "1000".
func span(first, size uint32) string {
	if size == 1 {
		return fmt.Sprint(first)
	}
	return fmt.Sprintf("%d-%d", first, uint64(first)+uint64(size)-1)
}

// mapText is what goes into a map file: a line "container host size" a range.
func mapText(ranges []specs.LinuxIDMapping) string {
	var lines []string
	for _, r := range ranges {
		lines = append(lines, fmt.Sprintf("%d %d %d", r.ContainerID, r.HostID, r.Size))
	}
	return strings.Join(lines, "\n")
}

// HostID is the host's ID for containerID, and whether m maps it.
func HostID(m []specs.LinuxIDMapping, containerID uint32) (uint32, bool) {
	for _, r := range m {
		if containerID >= r.ContainerID && containerID-r.ContainerID < r.Size {
			return r.HostID + (containerID - r.ContainerID), true
		}
	}
	return 0, false
}

// Own is the map of one side of this process's user namespace, each range onto
// itself: all that can be mapped in a namespace below.
func (p Paths) Own(groups bool) ([]specs.LinuxIDMapping, error) {
	d := uidSide
	if groups {
		d = gidSide
	}
	lines, err := user.ParseIDMapFile(filepath.Join(p.Proc, "self", d.file))
	if err != nil {
		return nil, fault.Op(reason(err), "read the %s of this process", d.file)
	}
	var m []specs.LinuxIDMapping
	for _, l := range lines {
		m = append(m, specs.LinuxIDMapping{ContainerID: uint32(l.ID), HostID: uint32(l.ID), Size: uint32(l.Count)})
	}
	return m, nil
}

// Punch makes room in ranges for the one ID of the host, host, as container: it
// becomes the first range, and what comes behind either of the two in the others
// moves down by one, which may cost each its last ID.
func Punch(ranges []specs.LinuxIDMapping, container, host uint32) []specs.LinuxIDMapping {
	out := []specs.LinuxIDMapping{{ContainerID: container, HostID: host, Size: 1}}
	for _, r := range ranges {
		// Where the IDs of either side pass over the one that is taken.
		inner, outer := cut(r.ContainerID, r.Size, container), cut(r.HostID, r.Size, host)
		size := r.Size
		if inner < r.Size || outer < r.Size {
			size--
		}
		for at := uint32(0); at < size; {
			next := size
			seg := specs.LinuxIDMapping{ContainerID: r.ContainerID + at, HostID: r.HostID + at}
			for _, side := range []struct {
				hole uint32
				id   *uint32
			}{{inner, &seg.ContainerID}, {outer, &seg.HostID}} {
				if at >= side.hole {
					*side.id++
				} else {
					next = min(next, side.hole)
				}
			}
			seg.Size = next - at
			out = append(out, seg)
			at = next
		}
	}
	return out
}

// cut is where id is in the range, or size if it is not in it.
func cut(first, size, id uint32) uint32 {
	if id >= first && id-first < size {
		return id - first
	}
	return size
}

// ContainerID is the container's ID for hostID, and whether m maps it.
func ContainerID(m []specs.LinuxIDMapping, hostID uint32) (uint32, bool) {
	for _, r := range m {
		if hostID >= r.HostID && hostID-r.HostID < r.Size {
			return r.ContainerID + (hostID - r.HostID), true
		}
	}
	return 0, false
}

// InInitialUserns says whether this process is in the initial user namespace,
// where alone mknod and most sysctls work. A kernel without user namespaces
// (no /proc/self/uid_map) has no other.
// A process does not change it: it is asked for once.
var InInitialUserns = sync.OnceValues(func() (bool, error) {
	if inode, err := namespace.OwnUser(); err == nil {
		return inode == initialUserns, nil
	}
	return DefaultPaths().inInitialUserns()
})

// initialUserns is the inode of the initial user namespace, which is fixed since Linux 3.8
// (USER_NS_INIT_INO in linux/nsfs.h).
const initialUserns = 4026531837

func (p Paths) inInitialUserns() (bool, error) {
	// The map of all ids, root can give to another as well.
	if ns, err := os.Readlink(filepath.Join(p.Proc, "self/ns/user")); err == nil {
		return ns == fmt.Sprintf("user:[%d]", uint64(initialUserns)), nil
	}
	path := filepath.Join(p.Proc, "self", uidSide.file)
	data, err := files.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(filepath.Join(p.Proc, "self")); err != nil {
			return false, fault.Op(reason(err), "look at %s", path).
				WithHint("proc is not mounted at %s", p.Proc)
		}
		return true, nil
	case err != nil:
		return false, fault.Op(reason(err), "read %s", path)
	}
	return strings.Join(strings.Fields(string(data)), " ") == "0 0 4294967295", nil
}

// reason is err without the operation and path that os puts before it.
func reason(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
