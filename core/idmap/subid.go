package idmap

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/fault"
)

// lookup is uid's lines in passwd; one uid may have several names.
func (p Paths) lookup(uid uint32) []user.User {
	users, _ := user.ParsePasswdFileFilter(p.Passwd, func(u user.User) bool { return uint32(u.Uid) == uid })
	return users
}

// explainSubIDs completes e, and says so, if a range is not granted by
// subuid(5) or subgid(5). Both name users, by name or uid.
func (p Paths) explainSubIDs(e *fault.Error, a action, users []user.User, self Self) bool {
	path := p.SubUID
	if a.side == gidSide {
		path = p.SubGID
	}
	own, _ := self.id(a.side)
	lines, err := subIDs(path, users, self.EUID)
	if err != nil {
		return false
	}
	for i, r := range a.ranges {
		if isOwn(r, own) || covered(lines, int64(r.HostID), int64(r.Size)) {
			continue
		}
		e.Field = a.side.at(i)
		if source := p.subIDSource(); source != "files" {
			e.Text += fmt.Sprintf(": %s range %s", a.side.id, span(r.HostID, r.Size))
			e.Hint = fmt.Sprintf("ranges come from %q here (subid in %s), not from %s: add it there", source, p.NSSwitch, path)
			return true
		}
		who, owner := fmt.Sprintf("uid %d", self.EUID), strconv.FormatUint(uint64(self.EUID), 10)
		if len(users) > 0 {
			who, owner = fmt.Sprintf("%s (%s)", users[0].Name, who), users[0].Name
		}
		if len(lines) == 0 {
			e.Text += fmt.Sprintf(": %s range %s: %s has no line for %s", a.side.id, span(r.HostID, r.Size), path, who)
		} else {
			var have []string
			for _, l := range lines {
				have = append(have, fmt.Sprintf("%s:%d:%d", l.Name, l.SubID, l.Count))
			}
			e.Text += fmt.Sprintf(": %s range %s is outside of what %s gives to %s: %s",
				a.side.id, span(r.HostID, r.Size), path, who, strings.Join(have, ", "))
		}
		e.Hint = fmt.Sprintf("as root, add the line %s:%d:%d to %s", owner, r.HostID, r.Size, path)
		if len(lines) > 0 {
			e.Hint = "map a range inside, or, " + e.Hint
		}
		return true
	}
	return false
}

// subIDs is the user's lines. A file that is not there has none.
func subIDs(path string, users []user.User, uid uint32) ([]user.SubID, error) {
	lines, err := user.ParseSubIDFileFilter(path, func(s user.SubID) bool {
		return s.Name == strconv.FormatUint(uint64(uid), 10) ||
			slices.ContainsFunc(users, func(u user.User) bool { return u.Name == s.Name })
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return lines, err
}

// Subordinate is the first range that subuid(5) gives to the user uid, or
// subgid(5) for groups, with IDs of the host on both sides.
func (p Paths) Subordinate(uid uint32, groups bool) (specs.LinuxIDMapping, error) {
	path := p.SubUID
	if groups {
		path = p.SubGID
	}
	users := p.lookup(uid)
	lines, err := subIDs(path, users, uid)
	if err != nil {
		return specs.LinuxIDMapping{}, fault.Op(reason(err), "read %s", path)
	}
	if len(lines) == 0 {
		owner := strconv.FormatUint(uint64(uid), 10)
		if len(users) > 0 {
			owner = users[0].Name
		}
		return specs.LinuxIDMapping{}, fault.Op(nil, "%s has no line for %s", path, owner).WithHint("as root, add one such as %s:100000:65536", owner)
	}
	l := lines[0]
	if l.SubID < 0 || l.SubID > math.MaxUint32 || l.Count < 0 || l.Count > math.MaxUint32 {
		return specs.LinuxIDMapping{}, fault.Op(nil, "%s: %s:%d:%d goes past the last ID", path, l.Name, l.SubID, l.Count)
	}
	return specs.LinuxIDMapping{ContainerID: uint32(l.SubID), HostID: uint32(l.SubID), Size: uint32(l.Count)}, nil
}

// covered says whether the lines hold a range, alone or, as newuidmap has it,
// one after the other.
func covered(lines []user.SubID, first, size int64) bool {
	for end := first + size; first < end; {
		i := slices.IndexFunc(lines, func(l user.SubID) bool { return l.SubID <= first && first < l.SubID+l.Count })
		if i < 0 {
			return false
		}
		first = lines[i].SubID + lines[i].Count
	}
	return true
}

// subIDSource is the first source of "subid:" in nsswitch.conf (shadow 4.9 and
// later read that), and "files" where nothing is said.
func (p Paths) subIDSource() string {
	b, _ := os.ReadFile(p.NSSwitch)
	for _, line := range strings.Split(string(b), "\n") {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "subid:"); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				return f[0]
			}
		}
	}
	return "files"
}
