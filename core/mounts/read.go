package mounts

import (
	"fmt"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// Read checks the mounts of a config.json, whose relative sources are below
// bundle. The second result is what has no effect.
func Read(s *specs.Spec, bundle string) ([]*Mount, []string, error) {
	mounts := make([]*Mount, 0, len(s.Mounts))
	var warnings []string
	linux := s.Linux
	if linux == nil {
		linux = &specs.Linux{}
	}
	for i, m := range s.Mounts {
		field := fault.At("mounts", i)
		if m.Destination == "" {
			return nil, nil, fault.Field(field+".destination", "is missing")
		}
		for _, s := range append([]string{m.Destination, m.Source, m.Type}, m.Options...) {
			if strings.ContainsRune(s, 0) {
				return nil, nil, fault.Field(field, "%q holds a NUL byte", s)
			}
			if len(s) >= unix.PathMax {
				return nil, nil, fault.Field(field, "a string of %d bytes is longer than PATH_MAX (%d)", len(s), unix.PathMax)
			}
		}
		o := Parse(m.Options)
		o.Bind = o.Bind || isBindType(m)
		mount := &Mount{Options: o, Field: field, Dest: path.Clean("/" + m.Destination), Type: m.Type, Source: m.Source}
		var err error
		if mount.Owners, err = readIDMap(m, o.IDMap, field, linux); err != nil {
			return nil, nil, err
		}
		if err := mount.check(); err != nil {
			return nil, nil, err
		}
		if !path.IsAbs(m.Destination) {
			warnings = append(warnings, fmt.Sprintf("%s.destination: %q is not absolute, taken as %s", field, m.Destination, mount.Dest))
		}
		if o.Bind {
			mount.Source = Source(m, bundle)
		}
		if words := mount.vain(); len(words) > 0 {
			warnings = append(warnings, fmt.Sprintf("%s.options: %s has no effect", field, strings.Join(words, ",")))
		}
		mounts = append(mounts, mount)
	}
	return mounts, warnings, nil
}

func (m *Mount) check() error {
	for _, w := range []struct {
		name string
		set  bool
	}{{"copy-symlink", m.CopySymlink}, {"src-nofollow", m.SrcNoFollow}, {"dest-nofollow", m.DestNoFollow}} {
		if w.set && !m.copies() {
			return fault.Field(m.Field+".options", "%s is for bind mounts", w.name)
		}
	}
	switch {
	case m.Dest == "/":
		return fault.Field(m.Field+".destination", "is the container's root itself")
	case m.Owners != nil && !m.copies():
		return fault.Field(m.Field+".uidMappings", "owners are mapped of bind mounts only")
	case !m.Bind && len(strings.Join(m.Data, ",")) > maxData:
		return fault.Field(m.Field+".options", "more than %d bytes, which is all that mount(2) takes", maxData)
	case m.Remount && slices.ContainsFunc(m.Data, tooLong):
		return fault.Field(m.Field+".options", "the value of an option has more than %d bytes, which is all that fsconfig(2) takes", MaxValue)
	case m.Remount:
		return nil
	case m.Bind && m.Source == "":
		return fault.Field(m.Field+".source", "is missing for a bind mount")
	case m.Bind && m.CopyUp, m.CopyUp && m.Type != "tmpfs":
		return fault.Field(m.Field+".options", "tmpcopyup needs type tmpfs")
	case !m.Bind && m.Type == "":
		return fault.Field(m.Field+".type", "is missing")
	}
	return nil
}

// vain are the option words that nothing can be done about.
func (m *Mount) vain() []string {
	words := slices.Clone(m.NoEffect)
	if m.Bind {
		// They are the file system's, which the bind mount is only a view of.
		words = slices.Concat(words, m.Flags, m.Data)
	}
	return words
}

// MaxValue is the longest value of a file system's option, in bytes: the
// kernel takes 256 with the NUL (FSCONFIG_SET_STRING).
const MaxValue = 255

// maxData is how much all options of a file system have, in bytes, at the most:
// mount(2) takes a page with the NUL, and the smallest has 4096.
const maxData = 4095

func tooLong(option string) bool {
	_, value, _ := strings.Cut(option, "=")
	return len(value) > MaxValue
}

// Source is the absolute path of what an entry of config.json's mounts binds.
func Source(m specs.Mount, bundle string) string {
	if path.IsAbs(m.Source) {
		return m.Source
	}
	return path.Join(bundle, m.Source)
}

// IsBind says whether an entry of config.json's mounts is a bind mount.
func IsBind(m specs.Mount) bool {
	return Parse(m.Options).Bind || isBindType(m)
}

func isBindType(m specs.Mount) bool { return m.Type == "bind" }
