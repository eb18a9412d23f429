package rootfs

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"ocibox/core/fault"
)

// collector fills the tree of the root file system to be.
type collector struct {
	h      host
	path   []string // where to look for a program that the user names
	system []string // the same, system directories first: what a container's own PATH leads to
	tree   *tree
	linker *linker
	done   []string // files that were looked into, by path without symlinks

	cached  []cacheEntry // libraries that were found through ld.so.cache
	applets int
	missing []string
}

func newCollector(h host, searchPath string) *collector {
	usual := []string{"/sbin", "/usr/sbin", "/bin", "/usr/bin", "/usr/local/bin"}
	var dirs []string
	for d := range strings.SplitSeq(searchPath, ":") {
		// A relative directory means another one in the container.
		if strings.HasPrefix(d, "/") {
			dirs = append(dirs, path.Clean(d))
		}
	}
	return &collector{
		h:      h,
		path:   unique(append(slices.Clone(dirs), usual...)),
		system: unique(append(usual, dirs...)),
		tree:   newTree(),
		linker: &linker{h: h, objects: map[string]*object{}},
	}
}

// skeleton takes over how the host lays out its top: /bin is a directory, or
// a link to usr/bin.
func (c *collector) skeleton() {
	for _, d := range []string{"/bin", "/sbin", "/lib", "/lib64", "/usr/bin", "/usr/sbin"} {
		real, steps, err := c.h.walk(d)
		if err == nil {
			c.tree.steps(steps)
			c.tree.directory(real)
			c.from(real)
		}
	}
}

// lookup finds a program by its name in dirs, or by its path if name has a slash.
func (c *collector) lookup(name string, dirs []string) (string, error) {
	if strings.Contains(name, "/") {
		p := name
		if !strings.HasPrefix(p, "/") {
			wd, err := os.Getwd()
			if err != nil {
				return "", fault.Op(cause(err), "getwd")
			}
			p = wd + "/" + p
		}
		st, err := c.h.stat(p)
		switch {
		case err != nil:
			return "", fault.Op(cause(err), "%s", name)
		case !st.Mode().IsRegular():
			return "", fault.Op(nil, "%s is not a regular file", name)
		case !c.h.executable(p) && !c.isELF(p): // a library need not be executable
			return "", fault.Op(nil, "%s is not executable", name)
		}
		return p, nil
	}
	for _, d := range dirs {
		if p := d + "/" + name; name != "" && c.h.executable(p) {
			return p, nil
		}
	}
	return "", fault.Op(nil, "program %q is not in %s", name, strings.Join(dirs, ":"))
}

// named adds the programs that the user asked for.
func (c *collector) named(names []string) error {
	for _, n := range names {
		p, err := c.lookup(n, c.path)
		if err != nil {
			return err
		}
		if err := c.program(p); err != nil {
			return err
		}
	}
	return nil
}

// libraries adds what the ELF file at p is linked with.
func (c *collector) libraries(p string) error {
	deps, err := c.linker.libraries(p)
	if err != nil {
		return err
	}
	for _, d := range deps {
		if _, err := c.file(d.path, library); err != nil {
			return err
		}
		if d.cached != nil && !slices.Contains(c.cached, *d.cached) {
			c.cached = append(c.cached, *d.cached)
		}
		if !isMusl(d.path) {
			continue
		}
		if list := muslPath(d.path); c.exists(list) {
			if _, err := c.file(list, other); err != nil {
				return err
			}
		}
	}
	return nil
}

// file adds the file at the absolute path p and the symlinks that lead to it.
// It returns its path without symlinks.
func (c *collector) file(p string, r role) (string, error) {
	real, steps, err := c.h.walk(p)
	if err != nil {
		return "", fault.Op(cause(err), "%s", p)
	}
	for _, s := range append(steps, step{at: real}) {
		top, _, _ := strings.Cut(clean(s.at), "/")
		if slices.Contains([]string{"proc", "sys", "dev"}, top) {
			return "", fault.Op(nil, "%s lies below /%s, which a container has its own of", p, top)
		}
	}
	st, err := os.Lstat(c.h.root + real)
	if err != nil {
		return "", fault.Op(cause(err), "%s", p)
	}
	if !st.Mode().IsRegular() {
		return "", fault.Op(nil, "%s is not a regular file", p)
	}
	c.tree.steps(steps)
	c.from(path.Dir(real))
	e := c.tree.add(real, &entry{kind: file, mode: st.Mode().Perm(), source: c.h.root + real, role: r})
	if r == program {
		e.role = program
	}
	return real, nil
}

// from notes a directory of the host, by its path without symlinks, as one
// that nothing must be written to.
func (c *collector) from(dir string) {
	if st, err := os.Lstat(c.h.root + dir); err == nil {
		c.tree.from[inodeOf(st)] = true
	}
}

func (c *collector) exists(p string) bool {
	_, err := c.h.stat(p)
	return err == nil
}

// files adds what every root file system has: mount points, users, and a
// cache of the libraries that lie where their linker would not look for them.
func (c *collector) files() {
	c.mkdir("root", 0o700)
	c.mkdir("tmp", 0o777|fs.ModeSticky)
	for _, d := range []string{"proc", "sys", "dev", "run", "etc", "var", "home"} {
		c.mkdir(d, 0o755)
	}
	c.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n")
	c.text("etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n")
	if c.cached != nil {
		c.tree.add(c.tree.place(ldCache), &entry{kind: file, mode: 0o644, cache: c.cached})
	}
}

func (c *collector) mkdir(p string, mode fs.FileMode) {
	c.tree.directory(c.tree.place(p)).mode = fs.ModeDir | mode
}

func (c *collector) text(p, text string) {
	c.tree.add(c.tree.place(p), &entry{kind: file, mode: 0o644, data: []byte(text), keep: true})
}
