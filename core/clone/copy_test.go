package clone

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// copyDirs carries out a CopyTree.
func copyDirs(t *testing.T, src, dst string) error {
	t.Helper()
	p := New()
	from, to := p.Reg("from"), p.Reg("to")
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	p.Call(unix.SYS_UMASK, Num(0o077)) // does not matter
	p.Call(unix.SYS_OPENAT, Cwd, p.Str(src), Num(flags)).Save(from)
	p.Call(unix.SYS_OPENAT, Cwd, p.Str(dst), Num(flags)).Save(to)
	p.CopyTree(from, to)
	pr, err := reach(t, p)
	if err != nil {
		return err
	}
	if fds := openFDs(t, pr.Pid); len(fds) != 3+1+2 {
		t.Errorf("descriptors %v are left open", fds)
	}
	return nil
}

// An entry is what of a file a copy keeps.
type entry struct {
	mode, uid, gid uint32
	mtime          unix.Timespec
	rdev           uint64
	text           string // of a file, or where a symlink leads
}

// entries are all below dir, by path; dir itself is ".".
func entries(t *testing.T, dir string) map[string]entry {
	t.Helper()
	all := map[string]entry{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		e := entry{mode: st.Mode, uid: st.Uid, gid: st.Gid, mtime: st.Mtim, rdev: uint64(st.Rdev)}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			e.text = string(b)
		case unix.S_IFLNK:
			if e.text, err = os.Readlink(path); err != nil {
				return err
			}
		}
		rel, err := filepath.Rel(dir, path)
		all[rel] = e
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// same fails the test unless both directories hold the same.
func same(t *testing.T, src, dst string) {
	t.Helper()
	want, got := entries(t, src), entries(t, dst)
	for name, w := range want {
		g, ok := got[name]
		switch {
		case !ok:
			t.Errorf("%q is missing", name)
		case g != w:
			g.text, w.text = fmt.Sprintf("%.20q… %d", g.text, len(g.text)), fmt.Sprintf("%.20q… %d", w.text, len(w.text))
			t.Errorf("%q is %+v\nwant %+v", name, g, w)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%q was not in the source", name)
		}
	}
}

// writable lets directories be removed again.
func writable(t *testing.T, dir string) {
	t.Cleanup(func() {
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				os.Chmod(path, 0o700)
			}
			return nil
		})
	})
}

func TestCopyTree(t *testing.T) {
	base := t.TempDir()
	writable(t, base)
	src, dst := filepath.Join(base, "src"), filepath.Join(base, "dst")
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(src, name) }
	ok(os.Mkdir(dst, 0o700))
	for _, name := range []string{"", "dir", "dir/empty", "read-only", "read-only/below", "setgid", "sticky", "nothing"} {
		ok(os.Mkdir(at(name), 0o755))
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), 70_000)
	for name, b := range map[string][]byte{
		"empty": nil, "one": {0}, "page": big[:4096], "page and one": big[:4097], "big": big, "dir/file": []byte("x"),
		"read-only/file": []byte("y"), "read-only/below/file": []byte("z"), "setgid/file": nil,
		"...": nil, "..a": nil, ".a": nil, "-rf": nil, "new\nline": nil, "\xff\xfe": nil, " ": nil, strings.Repeat("n", 255): nil, "*?[": nil,
	} {
		ok(os.WriteFile(at(name), b, 0o640))
	}
	ok(unix.Ftruncate(unixOpen(t, at("hole"), unix.O_CREAT|unix.O_WRONLY), 1<<20))
	ok(os.Link(at("page"), at("dir/hard link")))
	for name, target := range map[string]string{"link": "one", "dangling": "/nowhere/at/all", "dir/up": "../..", "long": strings.Repeat("x/", 2000)} {
		ok(os.Symlink(target, at(name)))
	}
	ok(unix.Mkfifo(at("fifo"), 0o600))
	ok(unix.Mknod(at("dir/socket"), unix.S_IFSOCK|0o600, 0))
	// Overlayfs's whiteout: the one device that anybody may make.
	if err := unix.Mknod(at("device"), unix.S_IFCHR|0o600, 0); err != nil {
		t.Logf("no device: %v", err)
	}
	if os.Geteuid() == 0 {
		if err := unix.Mknod(at("high device"), unix.S_IFBLK|0o600, int(unix.Mkdev(259, 70000))); err != nil {
			t.Logf("no device: %v", err)
		}
		ok(os.Lchown(at("link"), 1234, 5678))
		ok(os.Lchown(at("setgid"), 1234, 5678))
		ok(os.Lchown(at("page"), 1234, 5678))
		ok(os.Lchown(at("fifo"), 0, 70000))
	}
	// Last, and from the bottom up: modes that forbid, and times.
	for name, mode := range map[string]uint32{
		"one": 0o4755, "empty": 0o2755, "fifo": 0o622, "dir/socket": 0o777, "dir/file": 0o401, "setgid": 0o2775, "sticky": 0o1777,
		"read-only/below": 0o555, "read-only": 0o555, "nothing": 0o500, "": 0o751,
	} {
		ok(unix.Chmod(at(name), mode))
	}
	n := int64(0)
	ok(filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		n++
		ts := []unix.Timespec{unix.NsecToTimespec(n * 86_400_000_000_123), unix.NsecToTimespec((n - 4) * 40_000_000_000_000_456)}
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, ts, unix.AT_SYMLINK_NOFOLLOW)
	}))
	ok(copyDirs(t, src, dst))
	same(t, src, dst)

	// A second time, what is there is in the way.
	p := failure(t, copyDirs(t, src, dst))
	if p.Errno != unix.EEXIST || p.Call != "copy()" {
		t.Errorf("onto a copy: %+v", p)
	}
}

func unixOpen(t *testing.T, path string, flags int) int {
	t.Helper()
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, fd)
	return fd
}

func TestCopyTreeMany(t *testing.T) {
	src, dst := memDir(t), memDir(t)
	for i := range 3000 {
		name := fmt.Sprintf("%d%s", i, strings.Repeat("x", i%200))
		var err error
		if i%3 == 0 {
			err = os.Mkdir(filepath.Join(src, name), 0o700)
		} else {
			err = os.Symlink("x", filepath.Join(src, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := copyDirs(t, src, dst); err != nil {
		t.Fatal(err)
	}
	same(t, src, dst)
}

func TestCopyTreeDeep(t *testing.T) {
	for _, c := range []struct {
		below int
		want  syscall.Errno
	}{{copyDepth - 1, 0}, {copyDepth, unix.ELOOP}, {copyDepth + 1, unix.ELOOP}} {
		src, dst := memDir(t), memDir(t)
		deep := filepath.Join(src, filepath.Join(slices.Repeat([]string{"d"}, c.below)...))
		if err := os.MkdirAll(deep, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(deep, "file"), []byte("deep"), 0o644); err != nil {
			t.Fatal(err)
		}
		err := copyDirs(t, src, dst)
		if errnoOf(t, err) != c.want {
			t.Errorf("%d directories below the first: %v", c.below, err)
		}
		if err == nil {
			same(t, src, dst)
		}
	}
}

// Whoever exchanges a file for a fifo or a symlink, or a directory for a
// symlink, while it is copied makes the copy fail at most.
func TestCopyTreeRace(t *testing.T) {
	s := newScene(t, "file", "link -> BASE/outside/file", "other", "dir/x", "dir link -> BASE/outside")
	if err := unix.Mkfifo(filepath.Join(s.root, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.base, "outside/file"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	end := exchange(t, s.root, "file", "fifo", "other", "link", "dir", "dir link")
	defer end()
	const copies = 150
	for i := range copies {
		dst := filepath.Join(s.base, fmt.Sprint(i))
		if err := os.Mkdir(dst, 0o700); err != nil {
			t.Fatal(err)
		}
		within("a copy", func() { copyDirs(t, s.root, dst) })
		for name, e := range entries(t, dst) {
			if e.text == "secret" {
				t.Errorf("what is outside came as %s", name)
			}
		}
	}
}

// What is no directory has nothing in it to copy.
func TestCopyTreeOfFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := New()
	from, to := p.Inherit("from"), p.Inherit("to")
	p.CopyTree(from, to)
	if _, err := reach(t, p, FD{from, unixOpen(t, file, unix.O_RDONLY)}, FD{to, unixOpen(t, dir, unix.O_RDONLY)}); errnoOf(t, err) != unix.ENOTDIR {
		t.Error(err)
	}
}

// In a user namespace, an owner that it does not know stays what it becomes.
func TestCopyTreeUnmapped(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	for _, d := range []string{src, dst} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(src, "file")
	if err := os.WriteFile(file, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(file, 4711, 4711); err != nil {
			t.Fatal(err)
		}
	}
	p := New()
	newUser(t, p, 0)
	from, to := p.Inherit("from"), p.Inherit("to")
	p.Rendezvous(false)
	p.CopyTree(from, to)
	p.Rendezvous(false)
	pr := start(t, p, FD{from, unixOpen(t, src, unix.O_PATH)}, FD{to, unixOpen(t, dst, unix.O_PATH)})
	if err := pr.Next(); err != nil {
		t.Fatal(err)
	}
	for _, f := range [][2]string{{"setgroups", "deny"}, {"uid_map", fmt.Sprintf("0 %d 1", os.Geteuid())}, {"gid_map", fmt.Sprintf("0 %d 1", os.Getegid())}} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pr.Pid, f[0]), []byte(f[1]), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := pr.Go(); err != nil {
		t.Fatal(err)
	}
	if err := pr.Next(); err != nil {
		t.Fatal(err)
	}
	got := entries(t, dst)["file"]
	if got.text != "text" || got.uid != uint32(os.Geteuid()) || got.mode != unix.S_IFREG|0o644 {
		t.Errorf("%+v", got)
	}
}
