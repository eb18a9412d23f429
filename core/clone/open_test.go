package clone

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// scene is a root with something beside it that must stay as it is.
type scene struct {
	base, root string
}

// newScene makes the entries in the root: "dir/", "file" or "link -> target",
// with BASE for where the root lies.
func newScene(t *testing.T, entries ...string) scene {
	t.Helper()
	base := memDir(t)
	s := scene{base, filepath.Join(base, "root")}
	for _, e := range append([]string{"../outside/", "../outside/file", "./"}, entries...) {
		name, target, isLink := strings.Cut(e, " -> ")
		path := filepath.Join(s.root, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case err != nil:
		case isLink:
			err = os.Symlink(strings.ReplaceAll(target, "BASE", base), path)
		case strings.HasSuffix(e, "/"):
			err = os.MkdirAll(path, 0o755)
		default:
			err = os.WriteFile(path, nil, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// list is everything below base, but for the symlinks' targets, with modes.
func (s scene) list(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(s.base, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(s.root, path)
		all = append(all, fmt.Sprintf("%s %v", rel, i.Mode()))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

type opening struct {
	path  string
	kind  int
	like  string // path on the host, for MakeLike
	flags int
	perm  uint32
}

// open carries one OpenIn out and says which path below the root came of it.
func (s scene) open(t *testing.T, o opening) (string, syscall.Errno) {
	t.Helper()
	p := New()
	root, like, fd := p.Reg("root"), p.Reg("like"), p.Reg("fd")
	const flags = unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC
	p.Call(unix.SYS_UMASK, Num(0))
	if o.like != "" {
		p.Call(unix.SYS_OPENAT, Cwd, p.Str(o.like), Num(flags)).Save(like)
	}
	p.Call(unix.SYS_OPENAT, Cwd, p.Str(s.root), Num(flags)).Save(root)
	p.OpenIn(root, o.path, o.kind, like, o.flags, o.perm, fd)
	pr, err := reach(t, p)
	if err != nil {
		f := failure(t, err)
		if want := "open(" + o.path + ")"; o.path != "" && f.Call != want {
			t.Errorf("the failure is of %s, not of %s", f.Call, want)
		}
		return "", f.Errno
	}
	// Nothing but the two or three descriptors is left open.
	if fds, want := openFDs(t, pr.Pid), 3+1+2; len(fds) != want && !(o.like != "" && len(fds) == want+1) {
		t.Errorf("%+v: descriptors %v", o, fds)
	}
	at, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pr.Pid, pr.value(fd)))
	if err != nil {
		t.Fatal(err)
	}
	rel, err := filepath.Rel(s.root, at)
	if err != nil {
		t.Fatal(err)
	}
	return rel, 0
}

func TestOpenIn(t *testing.T) {
	const d755, f600 = " drwxr-xr-x", " -rw-------"
	long := strings.Repeat("./", 2000)
	for _, c := range []struct {
		name string
		tree []string
		opening
		want  string // path that is opened
		made  []string
		errno syscall.Errno
	}{
		{name: "root", opening: opening{path: ""}, want: "."},
		{name: "root by slash", opening: opening{path: "/"}, want: "."},
		{name: "root by slashes", opening: opening{path: "///", kind: MakeDir}, want: "."},
		{name: "root by dots", opening: opening{path: "../..", kind: MakeDir}, want: "."},
		{name: "there", tree: []string{"a/b"}, opening: opening{path: "/a/b"}, want: "a/b"},
		{name: "slashes", tree: []string{"a/b/"}, opening: opening{path: "//a///b//"}, want: "a/b"},
		{name: "longest", tree: []string{"a"}, opening: opening{path: long + "././" + strings.Repeat("/", 90) + "a"}, want: "a"},

		{name: "not there", opening: opening{path: "a"}, errno: unix.ENOENT},
		{name: "dir not there", opening: opening{path: "a/b"}, errno: unix.ENOENT},
		{name: "dangling", tree: []string{"l -> a"}, opening: opening{path: "l"}, errno: unix.ENOENT},
		{name: "file above", tree: []string{"f"}, opening: opening{path: "f/x", kind: MakeDir}, errno: unix.ENOTDIR},
		{name: "want a dir", tree: []string{"f"}, opening: opening{path: "f", kind: MakeDir, flags: unix.O_DIRECTORY}, errno: unix.ENOTDIR},
		{name: "want no link", tree: []string{"d/", "l -> d"}, opening: opening{path: "l", kind: MakeDir, flags: unix.O_DIRECTORY | unix.O_NOFOLLOW}, errno: unix.ENOTDIR},
		{name: "want no dangling link", tree: []string{"l -> d"}, opening: opening{path: "l", kind: MakeDir, flags: unix.O_DIRECTORY | unix.O_NOFOLLOW}, errno: unix.ENOTDIR},
		{name: "the link", tree: []string{"l -> d"}, opening: opening{path: "l", kind: MakeDir, flags: unix.O_NOFOLLOW}, want: "l"},

		{name: "make dir", opening: opening{path: "a", kind: MakeDir, perm: 0o1751}, want: "a", made: []string{"a dtrwxr-x--x"}},
		{name: "make dirs", tree: []string{"a/"}, opening: opening{path: "/a/b/c/d", kind: MakeDir, perm: 0o700}, want: "a/b/c/d",
			made: []string{"a/b" + d755, "a/b/c" + d755, "a/b/c/d drwx------"}},
		{name: "make dir with slashes", opening: opening{path: "a//b//", kind: MakeDir, perm: 0o777}, want: "a/b", made: []string{"a" + d755, "a/b drwxrwxrwx"}},
		{name: "make dir with dots", opening: opening{path: "a/../b/./c/..", kind: MakeDir, perm: 0o700}, want: "b",
			made: []string{"a" + d755, "b" + d755, "b/c" + d755}},
		{name: "dir is there", tree: []string{"a/"}, opening: opening{path: "a", kind: MakeDir, perm: 0o700}, want: "a"},
		{name: "make file", opening: opening{path: "a/b", kind: MakeFile, perm: 0o666}, want: "a/b", made: []string{"a" + d755, "a/b -rw-rw-rw-"}},
		{name: "make file, no bits", opening: opening{path: "a", kind: MakeFile}, want: "a", made: []string{"a ----------"}},
		{name: "file is there", tree: []string{"a/f"}, opening: opening{path: "a/f", kind: MakeFile, perm: 0o600}, want: "a/f"},
		{name: "make like a dir", opening: opening{path: "a", kind: MakeLike, like: "/", perm: 0o755}, want: "a", made: []string{"a" + d755}},
		{name: "make like a file", opening: opening{path: "a", kind: MakeLike, like: "/dev/null", perm: 0o600}, want: "a", made: []string{"a" + f600}},
		{name: "a name too long", opening: opening{path: "a/" + strings.Repeat("n", 256), kind: MakeDir}, made: []string{"a" + d755}, errno: unix.ENAMETOOLONG},
		{name: "a path too long", opening: opening{path: long + strings.Repeat("/", pathMax-len(long)-1) + "a", kind: MakeDir}, errno: unix.ENAMETOOLONG},
		{name: "a path far too long", opening: opening{path: strings.Repeat("a/", 3*pathMax), kind: MakeDir}, errno: unix.ENAMETOOLONG},

		{name: "up", opening: opening{path: "../outside/file", kind: MustExist}, errno: unix.ENOENT},
		{name: "up, made", opening: opening{path: "../../outside/x", kind: MakeDir, perm: 0o755}, want: "outside/x", made: []string{"outside" + d755, "outside/x" + d755}},
		{name: "up by a link", tree: []string{"l -> ../outside"}, opening: opening{path: "l/x", kind: MakeFile, perm: 0o600}, want: "outside/x",
			made: []string{"outside" + d755, "outside/x" + f600}},
		{name: "absolute link", tree: []string{"a/l -> /b", "b/"}, opening: opening{path: "a/l"}, want: "b"},
		{name: "absolute link out", tree: []string{"l -> BASE/outside"}, opening: opening{path: "l/file"}, errno: unix.ENOENT},
		{name: "dangling, relative", tree: []string{"a/l -> b/c"}, opening: opening{path: "a/l/d", kind: MakeDir, perm: 0o700}, want: "a/b/c/d",
			made: []string{"a/b" + d755, "a/b/c" + d755, "a/b/c/d drwx------"}},
		{name: "dangling, upwards", tree: []string{"a/b/l -> ../../x"}, opening: opening{path: "a/b/l", kind: MakeFile, perm: 0o600}, want: "x", made: []string{"x" + f600}},
		{name: "dangling, upwards through a link", tree: []string{"a/b/l -> ../x", "s -> a/b"}, opening: opening{path: "s/l/y", kind: MakeFile, perm: 0o600}, want: "a/x/y",
			made: []string{"a/x" + d755, "a/x/y" + f600}},
		{name: "dangling, absolute", tree: []string{"a/l -> /b"}, opening: opening{path: "a/l/c", kind: MakeDir, perm: 0o755}, want: "b/c", made: []string{"b" + d755, "b/c" + d755}},
		{name: "dangling, short", tree: []string{"longer/name -> ."}, opening: opening{path: "longer/name/and/so/on", kind: MakeFile, perm: 0o600}, want: "longer/and/so/on",
			made: []string{"longer/and" + d755, "longer/and/so" + d755, "longer/and/so/on" + f600}},
		{name: "dangling, shorter than its name", tree: []string{"d/longname -> x"}, opening: opening{path: "d/longname/tail/of/it", kind: MakeDir, perm: 0o755}, want: "d/x/tail/of/it",
			made: []string{"d/x" + d755, "d/x/tail" + d755, "d/x/tail/of" + d755, "d/x/tail/of/it" + d755}},
		{name: "dangling, as long as its name", tree: []string{"d/abc -> xyz"}, opening: opening{path: "d/abc/e", kind: MakeDir, perm: 0o755}, want: "d/xyz/e",
			made: []string{"d/xyz" + d755, "d/xyz/e" + d755}},
		{name: "dangling, longer", tree: []string{"d/l -> more/than/l"}, opening: opening{path: "d/l/tail//of/it", kind: MakeFile, perm: 0o600}, want: "d/more/than/l/tail/of/it",
			made: []string{"d/more" + d755, "d/more/than" + d755, "d/more/than/l" + d755, "d/more/than/l/tail" + d755, "d/more/than/l/tail/of" + d755, "d/more/than/l/tail/of/it" + f600}},
		{name: "dangling, last, with a slash", tree: []string{"l -> x/"}, opening: opening{path: "l/", kind: MakeDir, perm: 0o700}, want: "x", made: []string{"x drwx------"}},
		{name: "dangling, out", tree: []string{"l -> BASE/outside/new"}, opening: opening{path: "l", kind: MakeFile, perm: 0o600}, want: "BASE/outside/new"},
		{name: "dangling, chained", tree: []string{"l1 -> /d/l2", "d/l2 -> ../l3", "l3 -> e/f"}, opening: opening{path: "l1/x", kind: MakeDir, perm: 0o755}, want: "e/f/x",
			made: []string{"e" + d755, "e/f" + d755, "e/f/x" + d755}},
		{name: "dangling into a file", tree: []string{"f", "l -> f/x"}, opening: opening{path: "l", kind: MakeDir}, errno: unix.ENOTDIR},
		{name: "loop", tree: []string{"l -> l"}, opening: opening{path: "l/x", kind: MakeDir}, errno: unix.ELOOP},
		{name: "loop of two", tree: []string{"a -> b", "b -> /a"}, opening: opening{path: "a", kind: MakeFile}, errno: unix.ELOOP},
		{name: "spliced path too long", tree: []string{"l -> " + long + "x"}, opening: opening{path: "l/" + strings.Repeat("y/", 60), kind: MakeDir}, errno: unix.ENAMETOOLONG},
		{name: "spliced path just not too long", tree: []string{"l -> " + long + "x"}, opening: opening{path: "l/" + strings.Repeat("./", 46), kind: MakeDir, perm: 0o755}, want: "x", made: []string{"x" + d755}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, c.tree...)
			if c.flags&(unix.O_RDWR|unix.O_WRONLY) == 0 {
				c.flags |= unix.O_PATH
			}
			before := map[string]bool{}
			for _, e := range s.list(t) {
				before[e] = true
			}
			got, errno := s.open(t, c.opening)
			if errno != c.errno {
				t.Fatalf("%v, want %v", errno, c.errno)
			}
			if want, out := strings.CutPrefix(c.want, "BASE"); out {
				// The host's path, made again below the root.
				c.want = strings.TrimPrefix(s.base, "/") + want
				made := ""
				for _, name := range strings.Split(c.want, "/") {
					made = filepath.Join(made, name)
					c.made = append(c.made, made+d755)
				}
				c.made[len(c.made)-1] = made + f600
			}
			if errno == 0 && got != c.want {
				t.Errorf("opened %s, want %s", got, c.want)
			}
			var made []string
			for _, e := range s.list(t) {
				if !before[e] {
					made = append(made, e)
				}
				delete(before, e)
			}
			if strings.Join(made, ", ") != strings.Join(c.made, ", ") {
				t.Errorf("made %q, want %q", made, c.made)
			}
			if len(before) != 0 {
				t.Errorf("gone or changed: %v", before)
			}
		})
	}
}

// A chain of dangling links is followed as far as the kernel follows one, or
// nearly so. (Where its fast walk gives up half-way, the kernel counts links
// twice, so that more than 20 of its 40 fail now and then.)
func TestOpenInChain(t *testing.T) {
	for _, c := range []struct {
		links int
		errno syscall.Errno
	}{{19, 0}, {41, unix.ELOOP}} {
		var tree []string
		for i := range c.links {
			tree = append(tree, fmt.Sprintf("l%d -> l%d", i, i+1))
		}
		s := newScene(t, tree...)
		got, errno := s.open(t, opening{path: "l0", kind: MakeDir, flags: unix.O_PATH, perm: 0o755})
		if errno != c.errno || errno == 0 && got != fmt.Sprintf("l%d", c.links) {
			t.Errorf("%d links: %q, %v", c.links, got, errno)
		}
	}
}

// No magic link is followed: it leads where no path does (proc(5)).
func TestOpenInMagicLinks(t *testing.T) {
	s := scene{base: "/", root: "/"}
	for _, path := range []string{"proc/self/exe", "proc/self/cwd/x", "/proc/self/root", "proc/self/fd/1", "proc/thread-self/fd/1", "proc/self/ns/mnt"} {
		for _, kind := range []int{MustExist, MakeDir, MakeFile} {
			if _, errno := s.open(t, opening{path: path, kind: kind, flags: unix.O_PATH}); errno != unix.ELOOP {
				t.Errorf("%s, kind %d: %v", path, kind, errno)
			}
		}
	}
	if got, errno := s.open(t, opening{path: "proc/self/exe", flags: unix.O_PATH | unix.O_NOFOLLOW}); errno != 0 || !strings.HasSuffix(got, "/exe") {
		t.Errorf("the link itself: %s, %v", got, errno)
	}
	if got, errno := s.open(t, opening{path: "dev/null", flags: unix.O_RDWR}); errno != 0 || got != "dev/null" {
		t.Errorf("to read and write: %s, %v", got, errno)
	}
}

// Whoever exchanges a directory for a symlink while paths below it are opened
// and made gets nothing made, and nothing opened, outside (CVE-2021-30465,
// CVE-2024-45310).
func TestOpenInRace(t *testing.T) {
	s := newScene(t, "dir/", "link -> BASE/outside", "up/dir/", "up/link -> ../../outside")
	const rounds, opens = 3, 100
	end := exchange(t, s.root, "dir", "link", "up/dir", "up/link")
	defer end()
	for round := range rounds {
		p := New()
		root := p.Reg("root")
		p.Call(unix.SYS_OPENAT, Cwd, p.Str(s.root), Num(unix.O_PATH|unix.O_CLOEXEC)).Save(root)
		var fds []Reg
		for i := range opens {
			for _, dir := range []string{"dir", "up/dir"} {
				fd := p.Reg("fd")
				kind := MakeDir
				if i%2 == 1 {
					kind = MakeFile
				}
				path := fmt.Sprintf("%s/a%d.%d/b/c", dir, round, i)
				// What an attacker can do is make the open fail.
				p.OpenIn(root, path, kind, 0, unix.O_PATH, 0o755, fd).Ignore(unix.ENOENT, unix.ELOOP, unix.EAGAIN)
				fds = append(fds, fd)
			}
			// The old way, by path, to see that the attack would do.
			p.Call(unix.SYS_MKDIRAT, Cwd, p.Str(fmt.Sprintf("%s/up/dir/naive%d.%d", s.root, round, i)), Num(0o755)).Ignore(unix.EEXIST)
		}
		pr, err := reach(t, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			if pr.value(fd) < 0 {
				continue
			}
			at, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pr.Pid, pr.value(fd)))
			if err != nil || !strings.HasPrefix(at, s.root+"/") {
				t.Errorf("opened %s, %v", at, err)
			}
		}
	}
	end()
	entries, err := os.ReadDir(filepath.Join(s.base, "outside"))
	if err != nil {
		t.Fatal(err)
	}
	outside := 0
	for _, e := range entries {
		switch {
		case strings.HasPrefix(e.Name(), "naive"):
			outside++
		case e.Name() != "file":
			t.Errorf("outside there is %s now", e.Name())
		}
	}
	t.Logf("by path, %d of %d were made outside", outside, rounds*opens)
}

// exchange begins to exchange the names of pairs in dir, over and over, until
// the function that it returns is called.
func exchange(t *testing.T, dir string, pairs ...string) func() {
	t.Helper()
	stop := make(chan struct{})
	var attackers sync.WaitGroup
	for i := 0; i < len(pairs); i += 2 {
		a, b := filepath.Join(dir, pairs[i]), filepath.Join(dir, pairs[i+1])
		begun := make(chan struct{})
		attackers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
				if n == 0 {
					close(begun)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
		<-begun
	}
	return sync.OnceFunc(func() { close(stop); attackers.Wait() })
}
