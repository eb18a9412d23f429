package unshare

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/enter"
	"ocibox/core/fault"
	"ocibox/core/idmap"
)

// auto is the word for a RANGE of subordinate ids, from 0 on.
const auto = "auto"

// maps reads the options that say how ids are mapped.
func (f *flags) maps() error {
	if f.auto {
		f.users.ranges, f.groups.ranges = append(f.users.ranges, auto), append(f.groups.ranges, auto)
	}
	if f.subids {
		f.users.ranges, f.groups.ranges = append(f.users.ranges, "subids"), append(f.groups.ranges, "subids")
	}
	var err error
	if f.new.Users, err = f.users.read("--map-users", false, findUser); err != nil {
		return err
	}
	if f.new.Group, err = f.groups.read("--map-groups", true, findGroup); err != nil {
		return err
	}
	if !f.Changed("owner") {
		return nil
	}
	uid, gid, both := strings.Cut(f.owner, ":")
	u, err := cli.ParseID(uid)
	g, err2 := cli.ParseID(gid)
	if !both || err != nil || err2 != nil {
		return fault.Op(nil, "--owner %s is not UID:GID", f.owner)
	}
	f.new.Owner = &[2]uint32{u, g}
	return nil
}

// read makes the maps of one side. find gives the number of a name.
func (s sideFlags) read(option string, groups bool, find func(name string) (int, bool, error)) (enter.Maps, error) {
	m := enter.Maps{Option: option}
	var automatic []int
	for _, text := range s.ranges {
		ranges, err := readRange(text, groups)
		if err != nil {
			return m, fault.Op(err, "%s %s", option, text)
		}
		if text == auto {
			automatic = append(automatic, len(m.Ranges))
		}
		m.Ranges = append(m.Ranges, ranges...)
	}
	if s.one == "" {
		return m, nil
	}
	if len(s.ranges) == 0 {
		m.Option = s.option
	}
	id, err := cli.ParseID(s.one)
	if err != nil {
		n, ok, e := find(s.one)
		switch {
		case e != nil:
			return m, fault.Op(e, "%s %s", s.option, s.one)
		case !ok:
			return m, fault.Op(nil, "%s %s is neither an id nor a known name", s.option, s.one)
		}
		id = uint32(n)
	}
	m.One = &id
	for _, i := range automatic {
		// What was granted is all used: the caller's own id takes none of it.
		if r := &m.Ranges[i]; id <= r.Size {
			r.Size++
		}
	}
	return m, nil
}

// readRange reads a RANGE.
func readRange(text string, groups bool) ([]specs.LinuxIDMapping, error) {
	paths := idmap.DefaultPaths()
	switch text {
	case "all":
		return paths.Own(groups)
	case auto, "subids":
		r, err := paths.Subordinate(uint32(unix.Geteuid()), groups)
		if text == auto {
			r.ContainerID = 0
		}
		return []specs.LinuxIDMapping{r}, err
	}
	separator := ":"
	if strings.Contains(text, ",") {
		separator = ","
	}
	var n [3]uint32
	words := strings.Split(text, separator)
	if len(words) != len(n) {
		return nil, fault.Op(nil, "is not INNER:OUTER:COUNT, OUTER,INNER,COUNT, auto, subids or all")
	}
	for i, w := range words {
		v, err := strconv.ParseUint(w, 10, 32)
		if err != nil {
			return nil, fault.Op(err.(*strconv.NumError).Err, "%q", w)
		}
		n[i] = uint32(v)
	}
	if separator == "," {
		n[0], n[1] = n[1], n[0]
	}
	return []specs.LinuxIDMapping{{ContainerID: n[0], HostID: n[1], Size: n[2]}}, nil
}

func findUser(name string) (int, bool, error) {
	users, err := user.ParsePasswdFileFilter("/etc/passwd", func(u user.User) bool { return u.Name == name })
	if len(users) == 0 || err != nil {
		return 0, false, absent(err)
	}
	return users[0].Uid, true, nil
}

func findGroup(name string) (int, bool, error) {
	groups, err := user.ParseGroupFileFilter("/etc/group", func(g user.Group) bool { return g.Name == name })
	if len(groups) == 0 || err != nil {
		return 0, false, absent(err)
	}
	return groups[0].Gid, true, nil
}

// absent takes a file that is not there for one without names.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
