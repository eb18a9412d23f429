package rootfs

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
)

type kind int

const (
	directory kind = iota
	symlink
	file
)

// role is what a file is counted as.
type role int

const (
	other role = iota
	program
	library
)

// entry is one thing in the root file system to be.
type entry struct {
	kind   kind
	mode   fs.FileMode
	target string // of a symlink
	source string // file to copy, a path for package os; "" where data is the content
	data   []byte
	cache  []cacheEntry // to be merged with an ld.so.cache that is there
	role   role
	keep   bool // one that is there already stays
}

// tree is the root file system to be. Its keys are relative, clean, and lead
// through no symlink that is itself in the tree.
type tree struct {
	entries map[string]*entry
	from    map[inode]bool // the host's directories that files come from
}

func newTree() *tree { return &tree{map[string]*entry{}, map[inode]bool{}} }

// inode tells files of the host apart.
type inode struct{ dev, ino uint64 }

func inodeOf(st fs.FileInfo) inode {
	s := st.Sys().(*syscall.Stat_t)
	return inode{uint64(s.Dev), s.Ino}
}

// add puts e at p and directories above it. What is there already stays, and
// is returned in its place.
func (t *tree) add(p string, e *entry) *entry {
	p = clean(p)
	if p == "." {
		return e
	}
	if old := t.entries[p]; old != nil {
		return old
	}
	t.directory(path.Dir(p))
	t.entries[p] = e
	return e
}

// directory adds the directory p and those above it.
func (t *tree) directory(p string) *entry {
	return t.add(p, &entry{kind: directory, mode: fs.ModeDir | 0o755})
}

// steps adds what was met on the way to a file of the host.
func (t *tree) steps(steps []step) {
	for _, s := range steps {
		if s.target == "" {
			t.directory(s.at)
		} else {
			t.add(s.at, &entry{kind: symlink, target: s.target})
		}
	}
}

// place is where a file named p belongs: p with the tree's own symlinks
// resolved. Components that the tree does not have are taken as directories.
func (t *tree) place(p string) string {
	rest := strings.Split(clean(p), "/")
	at := "."
	for met := 0; len(rest) > 0; {
		next := path.Join(at, rest[0])
		rest = rest[1:]
		if strings.HasPrefix(next, "..") {
			next = "."
		}
		e := t.entries[next]
		if e == nil || e.kind != symlink || met == maxLinks {
			at = next
			continue
		}
		met++
		if strings.HasPrefix(e.target, "/") {
			at = "."
		}
		rest = append(strings.Split(e.target, "/"), rest...)
	}
	return at
}

// paths lists the tree, parents before what they hold.
func (t *tree) paths() []string {
	var p []string
	for at := range t.entries {
		p = append(p, at)
	}
	slices.Sort(p)
	return p
}

// below lists what the directory dir holds at any depth, except directories.
func (t *tree) below(dir string) []string {
	var p []string
	for _, at := range t.paths() {
		if strings.HasPrefix(at, dir+"/") && t.entries[at].kind != directory {
			p = append(p, at)
		}
	}
	return p
}

// clean makes a path relative to the root directory.
func clean(p string) string {
	p = strings.TrimPrefix(path.Clean("/"+p), "/")
	if p == "" {
		return "."
	}
	return p
}
