package bundletest

import (
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundle"
)

// markSign begins the first argument of a program inside, which is followed
// by the folder that names the test: so its processes are found.
const markSign = "@"

// A Bundle is a bundle, a state folder and an id of one test.
type Bundle struct {
	User
	ID    string
	Dir   string // the bundle
	State string // the state folder, for --root
	// Globals are options before the command, besides --root.
	Globals []string
	// Around, if any, is a program with its arguments that every command is put
	// through.
	Around []string

	t    *testing.T
	top  string // holds them all
	exec string // the test binary, where the user can reach it
}

// New makes a bundle whose process is Args("report"), without a terminal, as
// bundle.Default or, for a plain user, bundle.Rootless has it. All is removed when
// the test ends.
func New(t *testing.T, u User) *Bundle {
	t.Helper()
	top, err := os.MkdirTemp("", "ocibox-test-")
	if err != nil {
		t.Fatal(err)
	}
	// With what follows, no name is the beginning of another.
	b := &Bundle{u, filepath.Base(top) + "-c", filepath.Join(top, "bundle"), filepath.Join(top, "state"), nil, nil, t, top, filepath.Join(top, "ocibox")}
	t.Cleanup(b.remove)
	must(t, os.Chmod(top, 0o755))
	must(t, os.MkdirAll(b.Path(), 0o755))
	must(t, os.Mkdir(b.State, 0o700))
	self, err := os.Executable()
	must(t, err)
	must(t, link(self, b.exec))
	b.Program("/init")
	b.Write(nil)
	b.own()
	return b
}

// Path is a path of the root file system on the host.
func (b *Bundle) Path(elem ...string) string {
	return filepath.Join(append([]string{b.Dir, "rootfs"}, elem...)...)
}

// Beside is a path next to the bundle that the user can make files at.
func (b *Bundle) Beside(name string) string { return filepath.Join(b.top, name) }

// mark is in the arguments of each of the test's processes, and of no other.
func (b *Bundle) mark() string { return b.top + "/" }

// Args are the arguments of a program inside, which is at /init.
func (b *Bundle) Args(program string, args ...string) []string {
	return append([]string{"/init", markSign + b.mark(), program}, args...)
}

// Program puts the test binary at a path of the root file system.
func (b *Bundle) Program(path string) {
	b.t.Helper()
	must(b.t, os.MkdirAll(filepath.Dir(b.Path(path)), 0o755))
	must(b.t, link(b.exec, b.Path(path)))
}

// File writes a file of the root file system, for the user; mode is as
// chmod(2) takes it.
func (b *Bundle) File(path, content string, mode uint32) {
	b.t.Helper()
	must(b.t, os.MkdirAll(filepath.Dir(b.Path(path)), 0o755))
	must(b.t, os.WriteFile(b.Path(path), []byte(content), 0o600))
	b.own()
	must(b.t, unix.Chmod(b.Path(path), mode))
}

// Mkdir makes a directory of the root file system, for the user.
func (b *Bundle) Mkdir(path string, mode uint32) {
	b.t.Helper()
	must(b.t, os.MkdirAll(b.Path(path), 0o755))
	b.own()
	must(b.t, unix.Chmod(b.Path(path), mode))
}

// Symlink makes a symlink of the root file system.
func (b *Bundle) Symlink(target, path string) {
	b.t.Helper()
	must(b.t, os.Symlink(target, b.Path(path)))
	b.own()
}

// Spec is the config.json that New begins with.
func (b *Bundle) Spec() *specs.Spec {
	s := bundle.Default()
	if !b.IsRoot() {
		s = bundle.Rootless(b.UID, b.GID)
	}
	// That of cgroups is for root alone: without it, the mounts of both have the
	// same numbers.
	s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool { return m.Type == "cgroup" })
	s.Root.Readonly = false
	s.Process.Terminal = false
	s.Process.Args = b.Args("report")
	return s
}

// Write writes config.json anew: Spec, changed by edit unless that is nil.
func (b *Bundle) Write(edit func(*specs.Spec)) {
	b.t.Helper()
	s := b.Spec()
	if edit != nil {
		edit(s)
	}
	data, err := json.Marshal(s)
	must(b.t, err)
	must(b.t, os.WriteFile(filepath.Join(b.Dir, bundle.ConfigName), data, 0o644))
}

// own gives all but the linked test binary to the user.
func (b *Bundle) own() {
	if b.cred != nil {
		b.give(b.top, b.UID, b.GID)
	}
}

// Give gives the root file system to ids of the host: root's containers with a
// user namespace make their mount points as its root.
func (b *Bundle) Give(uid, gid uint32) {
	b.t.Helper()
	b.give(b.Path(), uid, gid)
}

func (b *Bundle) give(top string, uid, gid uint32) {
	b.t.Helper()
	must(b.t, filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Type().IsRegular() && b.isSelf(path) {
			return err
		}
		// It would take set-user-ID bits away from what is theirs already.
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil || st.Uid == uid && st.Gid == gid {
			return err
		}
		return os.Lchown(path, int(uid), int(gid))
	}))
}

// OwnProgram makes the command line one that is the user's own file, a copy,
// and gives its path.
func (b *Bundle) OwnProgram() string {
	b.t.Helper()
	must(b.t, os.Remove(b.exec))
	must(b.t, copyFile("/proc/self/exe", b.exec))
	must(b.t, os.Lchown(b.exec, int(b.UID), int(b.GID)))
	return b.exec
}

func (b *Bundle) isSelf(path string) bool {
	self, err := os.Stat(b.exec)
	other, err2 := os.Stat(path)
	return err == nil && err2 == nil && os.SameFile(self, other)
}

func (b *Bundle) remove() {
	entries, _ := os.ReadDir(b.State)
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if r := b.Runtime("delete", "--force", "--", e.Name()); r.Status != 0 {
			b.t.Errorf("clean up: %s", r.Err)
		}
	}
	if err := os.RemoveAll(b.top); err != nil {
		b.t.Errorf("clean up: %v", err)
	}
}

// link makes a hard link or, across file systems, a copy.
func link(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	return copyFile(from, to)
}

func copyFile(from, to string) error {
	// A child that is forked meanwhile would hold it open for writing a moment
	// longer, and the file could not be executed (go.dev/issue/22315).
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
