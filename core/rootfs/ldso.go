package rootfs

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"ocibox/core/elf"
	"ocibox/core/fault"
)

// linker finds libraries as ld.so(8) would, without LD_LIBRARY_PATH, which a
// container does not inherit, and without the variants in glibc-hwcaps, which
// have a plain library beside them.
type linker struct {
	h       host
	objects map[string]*object // by path without symlinks

	cache     []cacheEntry
	cacheErr  error
	cacheRead bool
}

// mapped is an object in the memory of the program being resolved.
type mapped struct {
	*object
	path   string  // as the linker found it
	origin string  // $ORIGIN
	by     *mapped // what needed it first; nil for the program
	main   *mapped // the program
	lib    string  // $LIB of the program's linker; set in main
}

// dependency is a library that a program needs, or its dynamic linker.
type dependency struct {
	path   string
	cached *cacheEntry // the line of ld.so.cache that led there, if one did
}

// libraries lists what has to be there so that the program at path p starts:
// the dynamic linker and, in load order, every library.
func (l *linker) libraries(p string) ([]dependency, error) {
	real, _, err := l.h.walk(p)
	if err != nil {
		return nil, fault.Op(cause(err), "%s", p)
	}
	o, err := l.object(real)
	if err != nil {
		return nil, fault.Op(err, "%s: read the ELF file", p)
	}
	main := &mapped{object: o, path: p, origin: dirname(real)}
	main.main, main.lib = main, l.libToken(o.interp)
	deps, known, err := l.interpreter(main)
	if err != nil {
		return nil, err
	}
	musl := isMusl(o.interp)
	for queue := []*mapped{main}; len(queue) > 0; queue = queue[1:] {
		by := queue[0]
		want := slices.Clone(by.needed)
		if by.preNSS {
			want = append(want, "libnss_files.so.2", "libnss_dns.so.2")
		}
		for i, name := range want {
			name = by.expand(name)
			if slices.Contains(known, name) || musl && muslItself(name) {
				continue
			}
			lib, dep, err := l.find(name, by)
			if err != nil && i >= len(by.needed) {
				continue
			}
			if err != nil {
				return nil, err
			}
			deps = append(deps, dep)
			known = append(known, name)
			// glibc also takes a DT_SONAME that is loaded for an answer, musl does not.
			if !musl && lib.soname != "" {
				known = append(known, lib.soname)
			}
			queue = append(queue, lib)
		}
	}
	return deps, nil
}

// interpreter is the program's dynamic linker, and the names under which it
// stands for a library.
func (l *linker) interpreter(main *mapped) (deps []dependency, known []string, err error) {
	if main.interp == "" {
		return nil, nil, nil
	}
	if !strings.HasPrefix(main.interp, "/") {
		return nil, nil, fault.Op(nil, "%s: its dynamic linker %q is no absolute path", main.path, main.interp)
	}
	real, _, err := l.h.walk(main.interp)
	if err != nil {
		return nil, nil, fault.Op(cause(err), "%s needs the dynamic linker %s", main.path, main.interp)
	}
	ld, err := l.object(real)
	if err != nil {
		return nil, nil, fault.Op(err, "%s: its dynamic linker %s", main.path, main.interp)
	}
	return []dependency{{path: main.interp}}, []string{main.interp, path.Base(main.interp), ld.soname}, nil
}

// find looks for the library name that by needs.
func (l *linker) find(name string, by *mapped) (*mapped, dependency, error) {
	main := by.main
	var unfit, looked []string
	for _, c := range l.candidates(name, by) {
		looked = append(looked, dirname(c.path))
		real, _, err := l.h.walk(c.path)
		if err != nil {
			continue
		}
		o, err := l.object(real)
		if err != nil || !main.same(o) {
			unfit = append(unfit, c.path)
			continue
		}
		return &mapped{object: o, path: c.path, origin: dirname(c.path), by: by, main: main}, c, nil
	}
	needs := by.path
	if by != main {
		needs = fmt.Sprintf("%s: %s", main.path, by.path)
	}
	e := fault.Op(nil, "%s needs the library %s, which is not in %s", needs, name, strings.Join(unique(looked), ":"))
	switch {
	case unfit != nil:
		e.Hint = fmt.Sprintf("%s is no %v library for %v", strings.Join(unfit, ", "), main.class, main.machine)
	case l.cacheErr != nil:
		e.Hint = fmt.Sprintf("%s cannot be used: it is %v; ldconfig makes a new one", ldCache, l.cacheErr)
	}
	return nil, dependency{}, e
}

const ldCache = "/etc/ld.so.cache"

// candidates are the files to try for the library name, in ld.so's order.
func (l *linker) candidates(name string, by *mapped) []dependency {
	main := by.main
	if strings.Contains(name, "/") {
		return []dependency{{path: name}}
	}
	if isMusl(main.interp) {
		return in(name, append(by.muslRunpaths(), l.muslDirs(main.interp)...))
	}
	var dirs []string
	if !by.hasRunpath {
		for o := by; o != nil; o = o.by {
			if !o.hasRunpath {
				dirs = append(dirs, o.split(o.rpath)...)
			}
		}
	}
	dirs = append(dirs, by.split(by.runpath)...)
	found := in(name, dirs)
	system := l.systemDirs(main)
	for i, e := range l.readCache() {
		if e.name == name && e.hwcap == 0 && !(by.nodefault && slices.Contains(system, path.Dir(e.path))) {
			found = append(found, dependency{e.path, &l.cache[i]})
		}
	}
	if !by.nodefault {
		found = append(found, in(name, system)...)
	}
	return found
}

func in(name string, dirs []string) []dependency {
	var d []dependency
	for _, dir := range dirs {
		d = append(d, dependency{path: dir + "/" + name})
	}
	return d
}

// systemDirs are the directories that ld.so has compiled in. Which these are
// shows in where it lies itself: lib64, or lib/x86_64-linux-gnu.
func (l *linker) systemDirs(main *mapped) []string {
	var dirs []string
	if real, _, err := l.h.walk(main.interp); err == nil && main.interp != "" {
		for _, d := range []string{path.Dir(real), path.Dir(main.interp)} {
			d = strings.TrimPrefix(d, "/usr")
			dirs = append(dirs, d, "/usr"+d)
		}
	}
	if main.class == elf.ELFCLASS64 {
		dirs = append(dirs, "/lib64", "/usr/lib64")
	}
	return unique(append(dirs, "/lib", "/usr/lib"))
}

func (l *linker) readCache() []cacheEntry {
	if !l.cacheRead {
		l.cacheRead = true
		// Where there is none, ld.so does without, and so it does with one that it cannot read.
		if b, err := l.h.readFile(ldCache); err == nil {
			l.cache, l.cacheErr = parseCache(b)
		}
	}
	return l.cache
}

// split takes a DT_RPATH or DT_RUNPATH apart. Relative directories are left
// out: they mean another place in the container.
func (m *mapped) split(list string) []string {
	var dirs []string
	for d := range strings.SplitSeq(list, ":") {
		if d = m.expand(d); strings.HasPrefix(d, "/") {
			dirs = append(dirs, d)
		}
	}
	return dirs
}

// expand replaces the tokens of ld.so(8) in a path that m contains.
func (m *mapped) expand(s string) string {
	if !strings.Contains(s, "$") {
		return s
	}
	lib := m.main.lib
	platform := platformToken(m.machine)
	return strings.NewReplacer(
		"${ORIGIN}", m.origin, "$ORIGIN", m.origin,
		"${LIB}", lib, "$LIB", lib,
		"${PLATFORM}", platform, "$PLATFORM", platform,
	).Replace(s)
}

// libToken is $LIB: where below / or /usr the linker lies, from the component
// on that starts with lib.
func (l *linker) libToken(interp string) string {
	real, _, err := l.h.walk(interp)
	if err != nil {
		return "lib"
	}
	parts := strings.Split(strings.Trim(path.Dir(real), "/"), "/")
	for i := len(parts) - 1; i >= 0; i-- {
		if strings.HasPrefix(parts[i], "lib") {
			return strings.Join(parts[i:], "/")
		}
	}
	return "lib"
}

func platformToken(m elf.Machine) string {
	switch m {
	case elf.EM_X86_64:
		return "x86_64"
	case elf.EM_386:
		return "i686"
	case elf.EM_AARCH64:
		return "aarch64"
	}
	return "$PLATFORM"
}

func (l *linker) object(real string) (*object, error) {
	if o := l.objects[real]; o != nil {
		return o, nil
	}
	f, err := l.h.open(real)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	o, err := readObject(f)
	if err != nil {
		return nil, err
	}
	l.objects[real] = o
	return o, nil
}

func isMusl(interp string) bool { return strings.HasPrefix(path.Base(interp), "ld-musl-") }

// muslItself tells whether musl's linker has the library name built in, as its
// load_library decides.
func muslItself(name string) bool {
	stem, _, dot := strings.Cut(strings.TrimPrefix(name, "lib"), ".")
	return dot && strings.HasPrefix(name, "lib") &&
		slices.Contains([]string{"c", "pthread", "rt", "m", "dl", "util", "xnet"}, stem)
}

// muslRunpaths are the directories of m and of what needed it, program last:
// to musl DT_RPATH and DT_RUNPATH are the same, and both are inherited.
func (m *mapped) muslRunpaths() []string {
	var dirs []string
	for o := m; o != nil; o = o.by {
		list := o.rpath
		if o.hasRunpath {
			list = o.runpath
		}
		dirs = append(dirs, o.split(list)...)
	}
	return dirs
}

// muslPath is the file that lists musl's directories, in an etc directory
// beside the one that the linker interp lies in.
func muslPath(interp string) string {
	return strings.TrimSuffix(path.Dir(path.Dir(interp)), "/") + "/etc/" + strings.TrimSuffix(path.Base(interp), ".so.1") + ".path"
}

func (l *linker) muslDirs(interp string) []string {
	if b, err := l.h.readFile(muslPath(interp)); err == nil {
		return strings.FieldsFunc(string(bytes.TrimSpace(b)), func(r rune) bool { return r == ':' || r == '\n' })
	}
	return []string{"/lib", "/usr/local/lib", "/usr/lib"}
}

// dirname is path.Dir without its cleaning, which would take "link/.." for nothing.
func dirname(p string) string { return p[:max(strings.LastIndex(p, "/"), 0)] }

// unique drops what was there before.
func unique(list []string) []string {
	var u []string
	for _, s := range list {
		if !slices.Contains(u, s) {
			u = append(u, s)
		}
	}
	return u
}
