package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"

	"ocibox/core/fault"
)

// writer puts a tree into a directory. All it does there goes through root.
type writer struct {
	dir   string
	root  *os.Root
	tree  *tree
	made  []string // what was not there before, in order
	above []string // directories that were made to get to dir, and dir, in order
	files map[inode]string
	bytes int64
}

// newWriter opens dir, which it makes where it is missing, and fits the tree to
// what is there. It fails before anything else is written if that cannot be done.
func newWriter(dir string, t *tree) (*writer, error) {
	w := &writer{dir: dir, tree: t, files: map[inode]string{}}
	if err := w.makeDir(dir); err != nil {
		w.undo()
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		w.undo()
		return nil, fault.Op(cause(err), "open %s", dir)
	}
	w.root = root
	if w.above != nil {
		err = w.chmod(".", 0o755)
	}
	w.keepDirectories()
	if err == nil {
		err = w.check()
	}
	if err != nil {
		w.undo()
		w.close()
		return nil, err
	}
	return w, nil
}

// makeDir makes dir and those above it that are missing.
func (w *writer) makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	dir = filepath.Clean(dir)
	if up := filepath.Dir(dir); up != dir {
		if err := w.makeDir(up); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fault.Op(cause(err), "mkdir %s", dir)
	}
	w.above = append(w.above, dir)
	return nil
}

func (w *writer) close() { w.root.Close() }

// undo removes what was made. Files that replaced others stay: the others are gone.
func (w *writer) undo() {
	for i := len(w.made) - 1; i >= 0; i-- {
		w.root.Remove(w.made[i])
	}
	for i := len(w.above) - 1; i >= 0; i-- {
		os.Remove(w.above[i])
	}
}

// keepDirectories handles a directory in dir where the host has a symlink to
// another one, as /bin is to usr/bin: it stays, and gets links to all that the
// tree has in the other.
func (w *writer) keepDirectories() {
	for _, p := range w.tree.paths() {
		e := w.tree.entries[p]
		if e == nil || e.kind != symlink {
			continue
		}
		st, err := w.root.Lstat(p)
		if err != nil || !st.IsDir() {
			continue
		}
		target := w.tree.place(p)
		if to := w.tree.entries[target]; to == nil || to.kind != directory {
			continue
		}
		held := w.tree.below(target)
		delete(w.tree.entries, p)
		w.tree.directory(p)
		for _, q := range held {
			w.tree.add(p+strings.TrimPrefix(q, target), &entry{kind: symlink, target: "/" + q})
		}
	}
}

// check finds out whether something in dir stands in the tree's way, and
// whether dir is the host's own / or /usr, whose programs would be replaced by
// copies that have lost their setuid bits, or by links to themselves.
func (w *writer) check() error {
	for _, p := range w.tree.paths() {
		e := w.tree.entries[p]
		st, err := w.root.Lstat(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		at := filepath.Join(w.dir, p)
		if err != nil {
			return fault.Op(cause(err), "%s", at)
		}
		switch {
		case w.tree.from[inodeOf(st)]:
			return fault.Op(nil, "%s is where the host's programs and libraries come from", at)
		case e.kind != directory && st.IsDir() && !e.keep:
			return fault.Op(nil, "%s is a directory, and a file is to take its place", at)
		case e.kind != directory || st.IsDir():
		case st.Mode()&fs.ModeSymlink == 0:
			return fault.Op(nil, "%s is not a directory", at)
		default:
			to, err := w.root.Stat(p)
			if err != nil || !to.IsDir() {
				target, _ := w.root.Readlink(p)
				return fault.Op(nil, "%s is a symlink to %q, which is no directory below %s", at, target, w.dir)
			}
			if w.tree.from[inodeOf(to)] {
				return fault.Op(nil, "%s leads to where the host's programs and libraries come from", at)
			}
		}
	}
	return nil
}

// run writes the tree.
func (w *writer) run() error {
	for _, p := range w.tree.paths() {
		e := w.tree.entries[p]
		st, err := w.root.Lstat(p)
		there := err == nil
		if there && (e.keep || e.kind == directory) {
			continue
		}
		switch e.kind {
		case directory:
			err = w.mkdir(p, e.mode)
		case symlink:
			err = w.symlink(p, e.target, there && st.Mode()&fs.ModeSymlink != 0)
		case file:
			err = w.file(p, e)
		}
		if err != nil {
			return fault.Op(cause(err), "write %s", filepath.Join(w.dir, p))
		}
		if !there {
			w.made = append(w.made, p)
		}
	}
	return nil
}

// mkdir makes a directory with mode as it is, whatever the umask.
func (w *writer) mkdir(p string, mode fs.FileMode) error {
	if err := w.root.Mkdir(p, 0o700); err != nil {
		return err
	}
	err := w.chmod(p, mode)
	if err != nil {
		w.root.Remove(p)
	}
	return err
}

// chmod sets the mode of a directory that was just made. Root.Chmod has a race
// with a symlink that is put in its place, which a descriptor has not.
func (w *writer) chmod(dir string, mode fs.FileMode) error {
	d, err := w.root.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Chmod(mode)
}

func (w *writer) symlink(p, target string, isLink bool) error {
	if isLink {
		if old, err := w.root.Readlink(p); err == nil && old == target {
			return nil
		}
	}
	return w.replace(p, func(tmp string) error { return w.root.Symlink(target, tmp) })
}

// replace puts at p, in one step, what make makes.
func (w *writer) replace(p string, make func(tmp string) error) error {
	tmp := path.Join(path.Dir(p), fmt.Sprintf(".rootfs-%016x", rand.Uint64()))
	err := make(tmp)
	if err == nil {
		err = w.root.Rename(tmp, p)
	}
	// It is still there after an error, and after a rename onto a hard link of
	// the same file, which rename(2) lets pass and does nothing.
	w.root.Remove(tmp)
	return err
}

func (w *writer) file(p string, e *entry) error {
	if e.source == "" {
		data := e.data
		if e.cache != nil {
			data = formatCache(mergeCache(w.oldCache(p), e.cache))
		}
		return w.replace(p, func(tmp string) error {
			return w.create(tmp, e.mode, func(f *os.File) (int64, error) {
				n, err := f.Write(data)
				return int64(n), err
			})
		})
	}
	in, err := os.Open(e.source)
	if err != nil {
		return err
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return err
	}
	id := inodeOf(st)
	return w.replace(p, func(tmp string) error {
		// Programs that are hard links of one file on the host stay that.
		if first := w.files[id]; first != "" && w.root.Link(first, tmp) == nil {
			return nil
		}
		w.files[id] = p
		return w.create(tmp, e.mode, func(f *os.File) (int64, error) { return io.Copy(f, in) })
	})
}

// create makes the file p, which is not there, with what fill writes. mode is
// the permissions alone: nothing that is setuid on the host is so here.
func (w *writer) create(p string, mode fs.FileMode, fill func(*os.File) (int64, error)) error {
	f, err := w.root.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := fill(f)
	if err == nil {
		err = f.Chmod(mode.Perm())
	}
	if e := f.Close(); err == nil {
		err = e
	}
	w.bytes += n
	return err
}

// oldCache is what the ld.so.cache at p lists, if ld.so could read it.
func (w *writer) oldCache(p string) []cacheEntry {
	if st, err := w.root.Lstat(p); err != nil || !st.Mode().IsRegular() {
		return nil
	}
	b, err := w.root.ReadFile(p)
	if err != nil {
		return nil
	}
	old, err := parseCache(b)
	if err != nil {
		return nil
	}
	return old
}
