package mounts

import (
	"errors"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/idmap"
)

// An IDMap is how the owners of a mount's files are mapped, mount_setattr(2),
// MOUNT_ATTR_IDMAP. The container IDs of the ranges are those of the file
// system, the host IDs those that the host sees.
type IDMap struct {
	Recursive bool
	// Maps of a user namespace for this mount alone; nil for those of the
	// container's own.
	UID, GID []specs.LinuxIDMapping
	// Userns holds that user namespace's descriptor in the program that opens
	// the mount.
	Userns clone.Reg
}

// Own says whether the mapping is that of the container's user namespace.
func (m *IDMap) Own() bool { return m.UID == nil }

// readIDMap reads a mount's mapping: its uidMappings and gidMappings, or what
// follows idmap=, or else that of the container's user namespace.
func readIDMap(m specs.Mount, word, field string, linux *specs.Linux) (*IDMap, error) {
	given := len(m.UIDMappings)+len(m.GIDMappings) > 0
	switch {
	case !given && word == "":
		return nil, nil
	case !given && !inUserns(linux) && !strings.Contains(word, "="):
		return nil, fault.Field(field+".options", "%s without uidMappings and gidMappings takes those of a user namespace, and the container has none", word)
	case given && len(m.GIDMappings) == 0:
		return nil, fault.Field(field+".gidMappings", "is missing: uidMappings is there")
	case given && len(m.UIDMappings) == 0:
		return nil, fault.Field(field+".uidMappings", "is missing: gidMappings is there")
	}
	name, text, custom := strings.Cut(word, "=")
	im := &IDMap{Recursive: name == "ridmap"}
	switch {
	case given && custom:
		return nil, fault.Field(field+".options", "%s: uidMappings and gidMappings are there too", word)
	case given:
		im.UID, im.GID = m.UIDMappings, m.GIDMappings
		return im, InMount(field, idmap.Validate(im.UID, im.GID))
	case !custom:
		return im, nil
	}
	for _, list := range strings.Split(text, ";") {
		side, ranges, _ := strings.Cut(list, "=")
		to, of := &im.UID, linux.UIDMappings
		switch side {
		case "uids":
		case "gids":
			to, of = &im.GID, linux.GIDMappings
		default:
			return nil, fault.Field(field+".options", "%s: %q is neither uids= nor gids=", word, list)
		}
		for _, triplet := range strings.Split(ranges, "#") {
			r, err := readRange(triplet, of)
			if err != nil {
				return nil, fault.Field(field+".options", "%s: %v", word, err)
			}
			*to = append(*to, r)
		}
	}
	if im.UID == nil || im.GID == nil {
		return nil, fault.Field(field+".options", "%s: takes both uids= and gids=", word)
	}
	return im, InMount(field, idmap.Validate(im.UID, im.GID))
}

func inUserns(l *specs.Linux) bool {
	for _, n := range l.Namespaces {
		if n.Type == specs.UserNamespace {
			return true
		}
	}
	return false
}

// readRange reads FROM-TO-LENGTH. With an @ before it, TO is an ID of the
// container, whose map is own: the whole range has to be in one line of it.
func readRange(s string, own []specs.LinuxIDMapping) (specs.LinuxIDMapping, error) {
	text, relative := strings.CutPrefix(s, "@")
	var n [3]uint32
	words := strings.Split(text, "-")
	if len(words) != len(n) {
		return specs.LinuxIDMapping{}, fault.Op(nil, "%q is not of the form FROM-TO-LENGTH", s)
	}
	for i, w := range words {
		v, err := strconv.ParseUint(w, 10, 32)
		if err != nil {
			return specs.LinuxIDMapping{}, fault.Op(nil, "%q in %q is not a number of 32 bits", w, s)
		}
		n[i] = uint32(v)
	}
	r := specs.LinuxIDMapping{ContainerID: n[0], HostID: n[1], Size: n[2]}
	if !relative {
		return r, nil
	}
	for _, o := range own {
		if at := r.HostID - o.ContainerID; r.HostID >= o.ContainerID && at < o.Size && r.Size <= o.Size-at {
			r.HostID = o.HostID + at
			return r, nil
		}
	}
	return r, fault.Op(nil, "%q is not within one range of the container's own map", s)
}

// InMount says of an error about linux.uidMappings or linux.gidMappings that it
// is about those of the mount that field names.
func InMount(field string, err error) error {
	var e *fault.Error
	if !errors.As(err, &e) {
		return err
	}
	c := *e
	c.Field, c.Text = strings.ReplaceAll(e.Field, "linux.", field+"."), strings.ReplaceAll(e.Text, "linux.", field+".")
	return &c
}

// usernsFD is where mount_setattr(2) finds the descriptor of the mapping: it
// takes the number from memory, so it is put where its number is known. What is
// standard input there nobody needs: this program opens mounts, and ends.
const usernsFD = 0

// apply maps the owners of a detached mount.
func (m *IDMap) apply(p *clone.Program, mount clone.Reg) {
	p.Call(unix.SYS_DUP3, clone.In(m.Userns), clone.Num(usernsFD), clone.Num(unix.O_CLOEXEC))
	setAttr(p, clone.In(mount), "", m.Recursive, unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: usernsFD})
}
