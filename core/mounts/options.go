// Package mounts turns the mounts of a config.json into instructions: detached
// mounts that are attached by descriptor, below a root that no path leads out of.
package mounts

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Options is what the option words of one mount ask for.
type Options struct {
	Bind      bool
	Recursive bool   // rbind
	Remount   bool   // change what is mounted there
	CopyUp    bool   // tmpcopyup
	IDMap     string // the idmap or ridmap word, or ""

	// Of a bind mount, crun(1): a source that is a symlink is made anew in the
	// container, or bound itself; a destination that is one is mounted on.
	CopySymlink, SrcNoFollow, DestNoFollow bool

	Attr    Attr     // this mount
	RecAttr Attr     // this mount and all below it: the r… words
	Prop    []Prop   // propagation, in the order given
	Flags   []string // for the file system as a whole: "sync", "dirsync", …
	Data    []string // what is left: "size=64k", for the file system itself

	NoEffect []string // words that nothing can be done about, for a warning
}

// Attr is an attribute change of mount_setattr(2).
type Attr struct{ Set, Clear uint64 }

// Prop is a propagation type: MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE.
type Prop struct {
	Type      uint64
	Recursive bool
}

// word is one option word. A word that begins with r and is not listed is the
// recursive form of the attribute word behind the r.
type word struct {
	name       string
	set, clear uint64
}

// attrWords are the words that change a mount's attributes, mount_setattr(2).
var attrWords = [...]word{
	{"ro", unix.MOUNT_ATTR_RDONLY, 0},
	{"rw", 0, unix.MOUNT_ATTR_RDONLY},
	{"nosuid", unix.MOUNT_ATTR_NOSUID, 0},
	{"suid", 0, unix.MOUNT_ATTR_NOSUID},
	{"nodev", unix.MOUNT_ATTR_NODEV, 0},
	{"dev", 0, unix.MOUNT_ATTR_NODEV},
	{"noexec", unix.MOUNT_ATTR_NOEXEC, 0},
	{"exec", 0, unix.MOUNT_ATTR_NOEXEC},
	{"nosymfollow", unix.MOUNT_ATTR_NOSYMFOLLOW, 0},
	{"symfollow", 0, unix.MOUNT_ATTR_NOSYMFOLLOW},
	{"nodiratime", unix.MOUNT_ATTR_NODIRATIME, 0},
	{"diratime", 0, unix.MOUNT_ATTR_NODIRATIME},
	// The access time words are values of one field, of which relatime is 0.
	{"noatime", unix.MOUNT_ATTR_NOATIME, unix.MOUNT_ATTR__ATIME},
	{"strictatime", unix.MOUNT_ATTR_STRICTATIME, unix.MOUNT_ATTR__ATIME},
	{"relatime", unix.MOUNT_ATTR_RELATIME, unix.MOUNT_ATTR__ATIME},
	{"atime", 0, unix.MOUNT_ATTR__ATIME},
	{"norelatime", 0, unix.MOUNT_ATTR__ATIME},
	{"nostrictatime", 0, unix.MOUNT_ATTR__ATIME},
}

var propWords = [...]word{
	{"shared", unix.MS_SHARED, 0},
	{"slave", unix.MS_SLAVE, 0},
	{"private", unix.MS_PRIVATE, 0},
	{"unbindable", unix.MS_UNBINDABLE, 0},
}

// superWords are flags of the file system as a whole that fsconfig(2) knows
// for all of them.
var superWords = [...]string{"sync", "async", "dirsync", "lazytime", "nolazytime", "mand", "nomand"}

// noWords change nothing: they are the default, or they steer what mount(2)
// prints to the kernel's log and the newer calls return.
var noWords = [...]string{"defaults", "silent", "loud", "noiversion", "rasync", "rnomand"}

// vainWords ask for what the newer calls have no flag for: iversion, and what
// belongs to a file system as a whole as an attribute of many mounts.
var vainWords = [...]string{"iversion", "rsync", "rdirsync", "rmand"}

// ownWords are those that are for the runtime itself.
var ownWords = [...]struct {
	name string
	set  func(*Options)
}{
	{"bind", func(o *Options) { o.Bind, o.Recursive = true, false }},
	{"rbind", func(o *Options) { o.Bind, o.Recursive = true, true }},
	{"remount", func(o *Options) { o.Remount = true }},
	{"tmpcopyup", func(o *Options) { o.CopyUp = true }},
	{"idmap", func(o *Options) { o.IDMap = "idmap" }},
	{"ridmap", func(o *Options) { o.IDMap = "ridmap" }},
	{"copy-symlink", func(o *Options) { o.CopySymlink = true }},
	{"src-nofollow", func(o *Options) { o.SrcNoFollow = true }},
	{"dest-nofollow", func(o *Options) { o.DestNoFollow = true }},
}

// Words lists every option word that Parse knows, sorted.
func Words() []string {
	w := slices.Concat(superWords[:], noWords[:], vainWords[:])
	for _, o := range ownWords {
		w = append(w, o.name)
	}
	for _, a := range attrWords {
		w = append(w, a.name, "r"+a.name)
	}
	for _, p := range propWords {
		w = append(w, p.name, "r"+p.name)
	}
	slices.Sort(w)
	return w
}

// Parse reads the options of one mount (runtime-spec, config.md, "Linux mount
// options", and crun(1)). A later word wins over an earlier one. A word that it
// does not know is data for the file system.
func Parse(options []string) Options {
	var o Options
	for _, w := range split(options) {
		switch {
		case w == "", slices.Contains(noWords[:], w), o.own(w):
		case slices.Contains(vainWords[:], w):
			o.NoEffect = append(o.NoEffect, w)
		case strings.HasPrefix(w, "idmap="), strings.HasPrefix(w, "ridmap="):
			o.IDMap = w
		case slices.Contains(superWords[:], w):
			o.Flags = append(o.Flags, w)
		case o.attr(w), o.prop(w):
		default:
			o.Data = append(o.Data, w)
		}
	}
	return o
}

func (o *Options) own(w string) bool {
	for _, own := range ownWords {
		if w == own.name {
			own.set(o)
			return true
		}
	}
	return false
}

// split takes words apart that stand in one string with commas between, as
// mount(8) has them: not those within double quotes.
func split(options []string) []string {
	if !slices.ContainsFunc(options, func(s string) bool { return s == "" || strings.IndexByte(s, ',') >= 0 }) {
		return options
	}
	var words []string
	for _, s := range options {
		quoted := false
		words = append(words, strings.FieldsFunc(s, func(c rune) bool {
			if c == '"' {
				quoted = !quoted
			}
			return c == ',' && !quoted
		})...)
	}
	return words
}

// recursive says whether w is the name with an r before it.
func recursive(w, name string) bool { return len(w) == len(name)+1 && w[0] == 'r' && w[1:] == name }

func (o *Options) attr(w string) bool {
	for _, a := range attrWords {
		to := &o.Attr
		if recursive(w, a.name) {
			to = &o.RecAttr
		} else if w != a.name {
			continue
		}
		to.Set = to.Set&^a.clear | a.set
		to.Clear = to.Clear&^a.set | a.clear
		return true
	}
	return false
}

func (o *Options) prop(w string) bool {
	for _, p := range propWords {
		if w == p.name || recursive(w, p.name) {
			o.Prop = append(o.Prop, Prop{p.set, w != p.name})
			return true
		}
	}
	return false
}
