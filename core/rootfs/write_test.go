package rootfs

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func mode(t *testing.T, p string) fs.FileMode {
	t.Helper()
	st, err := os.Lstat(p)
	if err != nil {
		t.Fatal(err)
	}
	return st.Mode()
}

func read(t *testing.T, p string) string {
	t.Helper()
	b, err := os.ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestModes(t *testing.T) {
	h := fakeHost(t, map[string]any{"/bin/su": "suid", "/bin/plain": "plain"})
	for p, m := range map[string]fs.FileMode{"/bin/su": fs.ModeSetuid | fs.ModeSetgid | 0o755, "/bin/plain": 0o511} {
		if err := os.Chmod(h.root+p, m); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "dir")
	r, err := build(h, Options{Dir: dir, Programs: []string{"su", "plain"}})
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]fs.FileMode{
		"":           fs.ModeDir | 0o755,
		"bin/su":     0o755,
		"bin/plain":  0o511,
		"bin":        fs.ModeDir | 0o755,
		"root":       fs.ModeDir | 0o700,
		"tmp":        fs.ModeDir | fs.ModeSticky | 0o777,
		"proc":       fs.ModeDir | 0o755,
		"etc/passwd": 0o644,
	} {
		if got := mode(t, filepath.Join(dir, p)); got != want {
			t.Errorf("%s: mode %v, want %v", p, got, want)
		}
	}
	size := int64(len("suid" + "plain" + read(t, dir+"/etc/passwd") + read(t, dir+"/etc/group")))
	if r.Programs != 2 || r.Libraries != 0 || r.Bytes != size {
		t.Errorf("%+v, want %d bytes", r, size)
	}
}

func TestExisting(t *testing.T) {
	h := fakeHost(t, map[string]any{"/bin": "-> usr/bin", "/usr/bin/p": "new", "/usr/bin/q": "-> p"})
	dir := t.TempDir()
	put(t, dir, map[string]any{
		"/usr/bin/p":     "old",
		"/usr/bin/q":     "old",
		"/usr/bin/other": "kept",
		"/etc/passwd":    "mine",
		"/etc/group":     "-> /nowhere",
		"/tmp/kept":      "kept",
		"/bin":           "-> elsewhere",
	})
	before, err := os.Open(dir + "/usr/bin/p")
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	for range 2 {
		if _, err := build(h, Options{Dir: dir, Programs: []string{"q"}}); err != nil {
			t.Fatal(err)
		}
		for p, want := range map[string]string{
			"bin/q": "new", "usr/bin/p": "new", "usr/bin/other": "kept", "etc/passwd": "mine", "tmp/kept": "kept",
		} {
			if got := read(t, filepath.Join(dir, p)); got != want {
				t.Errorf("%s has %q, want %q", p, got, want)
			}
		}
		if got := listing(t, dir); !slices.Equal(got, []string{
			"bin -> usr/bin", "tmp/kept", "usr/", "usr/bin/", "usr/bin/other", "usr/bin/p", "usr/bin/q -> p",
		}) {
			t.Errorf("got %q", got)
		}
	}
	// Whoever runs the old file goes on running it.
	b := make([]byte, 3)
	if before.Read(b); string(b) != "old" {
		t.Errorf("the old file was written to: %q", b)
	}
}

// A directory stands where the host has a link to another one.
func TestKeptDirectory(t *testing.T) {
	h := fakeHost(t, map[string]any{"/bin": "-> usr/bin", "/usr/bin/p": "new", "/usr/bin/q": "-> p"})
	dir := t.TempDir()
	put(t, dir, map[string]any{"/bin/p": "old", "/bin/other": "kept"})
	if _, err := build(h, Options{Dir: dir, Programs: []string{"q"}}); err != nil {
		t.Fatal(err)
	}
	want := []string{"bin/", "bin/other", "bin/p -> /usr/bin/p", "bin/q -> /usr/bin/q", "usr/", "usr/bin/", "usr/bin/p", "usr/bin/q -> p"}
	if got := listing(t, dir); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// Each way in which a symlink or a wrong kind of file in the directory could
// lead a write out of it, or be in its way.
func TestPlanted(t *testing.T) {
	h := fakeHost(t, map[string]any{"/bin": "-> usr/bin", "/usr/bin/p": "new", "/usr/bin/q": "-> p"})
	for name, c := range map[string]struct {
		link, words string // words: of the error; "" where the link is replaced
		up          bool   // the link is relative
	}{
		"directory":            {"usr", "no directory below", false},
		"directory, relative":  {"usr", "no directory below", true},
		"directory below":      {"usr/bin", "no directory below", false},
		"mount point":          {"proc", "no directory below", false},
		"etc":                  {"etc", "no directory below", false},
		"where a link belongs": {"bin", "", false},
		"program":              {"usr/bin/p", "", false},
		"link to a program":    {"usr/bin/q", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			out, dir := filepath.Join(top, "outside"), filepath.Join(top, "dir")
			put(t, out, map[string]any{"/bin/p": "outside", "/passwd": "outside", "/p": "outside"})
			target := out
			if strings.HasPrefix(c.link, "usr/bin/") {
				target += "/p"
			}
			if c.up {
				target, _ = filepath.Rel(filepath.Dir(filepath.Join(dir, c.link)), target)
			}
			put(t, dir, map[string]any{c.link: "-> " + target})
			outside, inside := listing(t, out), listing(t, dir)
			_, err := build(h, Options{Dir: dir, Programs: []string{"q"}})
			if c.words != "" {
				wantError(t, err, filepath.Join(dir, c.link), c.words)
				if got := listing(t, dir); !slices.Equal(got, inside) {
					t.Errorf("refused, but there is %q", got)
				}
			} else if err != nil {
				t.Error(err)
			} else if got := read(t, dir+"/usr/bin/p"); got != "new" {
				t.Errorf("p has %q", got)
			}
			if got := listing(t, out); !slices.Equal(got, outside) {
				t.Errorf("outside: %q", got)
			}
			for _, p := range []string{"bin/p", "passwd", "p"} {
				if got := read(t, filepath.Join(out, p)); got != "outside" {
					t.Errorf("outside %s: %q", p, got)
				}
			}
		})
	}
	for p, words := range map[string]string{"/usr": "is not a directory", "/usr/bin/p/x": "is a directory", "/usr/bin/q/x": "is a directory"} {
		dir := t.TempDir()
		put(t, dir, map[string]any{p: "file"})
		before := listing(t, dir)
		_, err := build(h, Options{Dir: dir, Programs: []string{"q"}})
		wantError(t, err, dir, words)
		if got := listing(t, dir); !slices.Equal(got, before) {
			t.Errorf("%s: there is %q", p, got)
		}
	}
}

// A link inside the directory that stays inside is a layout like any other.
func TestLinkInside(t *testing.T) {
	h := fakeHost(t, map[string]any{"/bin/p": "new"})
	dir := t.TempDir()
	put(t, dir, map[string]any{"/usr/bin/": nil, "/bin": "-> usr/bin"})
	if _, err := build(h, Options{Dir: dir, Programs: []string{"p"}}); err != nil {
		t.Fatal(err)
	}
	if got := listing(t, dir); !slices.Equal(got, []string{"bin -> usr/bin", "usr/", "usr/bin/", "usr/bin/p"}) {
		t.Errorf("got %q", got)
	}
}

func TestHardLinks(t *testing.T) {
	h := fakeHost(t, map[string]any{"/bin/a": "content"})
	if err := os.Link(h.root+"/bin/a", h.root+"/bin/b"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	for range 2 {
		r, err := build(h, Options{Dir: dir, Programs: []string{"a", "b"}})
		if err != nil {
			t.Fatal(err)
		}
		a, _ := os.Stat(dir + "/bin/a")
		b, _ := os.Stat(dir + "/bin/b")
		if !os.SameFile(a, b) || r.Programs != 2 {
			t.Errorf("two files, %+v", r)
		}
		if got := listing(t, dir); !slices.Equal(got, []string{"bin/", "bin/a", "bin/b"}) {
			t.Errorf("got %q", got)
		}
	}
}

// What was new goes away again when a later write fails.
func TestUndo(t *testing.T) {
	h := fakeHost(t, map[string]any{"/bin/a": "a", "/bin/b": "b"})
	top := t.TempDir()
	c := newCollector(h, "")
	if err := c.named([]string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	c.files()
	if err := os.Remove(h.root + "/bin/b"); err != nil {
		t.Fatal(err)
	}
	_, err := c.write(top + "/new/dir")
	wantError(t, err, "write "+top+"/new/dir/bin/b: no such file")
	if got, _ := os.ReadDir(top); len(got) != 0 {
		t.Errorf("left over: %v", got)
	}
	put(t, top, map[string]any{"/kept": "kept", "/bin/a": "old"})
	if _, err := c.write(top); err == nil {
		t.Error("no error")
	}
	if got := listing(t, top); !slices.Equal(got, []string{"bin/", "bin/a", "kept"}) {
		t.Errorf("left over: %q", got)
	}
}

func TestCacheIsMerged(t *testing.T) {
	first := cacheEntry{"liba.so", "/opt/liba.so", 0x303, 0}
	second := cacheEntry{"libb.so", "/opt/libb.so", 0x303, 0}
	h := glibcHost(t, map[string]any{
		"/usr/bin/a":       image{interp: x86Linker, needed: []string{"liba.so"}},
		"/usr/bin/b":       image{interp: x86Linker, needed: []string{"libb.so"}},
		"/opt/liba.so":     image{},
		"/opt/libb.so":     image{},
		"/etc/ld.so.cache": formatCache([]cacheEntry{first, second}),
	})
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		if _, err := build(h, Options{Dir: dir, Programs: []string{name}}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := parseCache([]byte(read(t, dir+"/etc/ld.so.cache")))
	if err != nil || !slices.Equal(got, []cacheEntry{second, first}) {
		t.Errorf("%v, got %v", err, got)
	}
}

// The host's own / or /usr for the directory would cost it its programs.
func TestHostItself(t *testing.T) {
	h := fakeHost(t, map[string]any{"/bin": "-> usr/bin", "/usr/bin/p": "new", "/opt/q": "new"})
	before := listing(t, h.root)
	for _, dir := range []string{"", "/usr", "/usr/bin/.."} {
		for _, p := range []string{"p", "/opt/q"} {
			_, err := build(h, Options{Dir: h.root + dir, Programs: []string{p}})
			wantError(t, err, "is where the host's programs and libraries come from")
		}
	}
	if got := listing(t, h.root); !slices.Equal(got, before) {
		t.Errorf("there is %q", got)
	}
}
