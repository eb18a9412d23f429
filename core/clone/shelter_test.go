package clone

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// ownImage is OwnImage, with the file that it is of.
func ownImage(t *testing.T) (*Image, []byte) {
	t.Helper()
	own, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	m := OwnImage()
	if m == nil {
		t.Skip("the kernel has no PR_SET_MM_MAP, or this is no static program")
	}
	return m, own
}

// A sheltered child executes from the file that it was given, has none of the
// caller's mapped, keeps the caller's name and arguments, and goes on as any other.
func TestSheltered(t *testing.T) {
	m, own := ownImage(t)
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, own, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(other)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := New()
	if os.Geteuid() != 0 {
		// It takes the privilege that who is first in a user namespace has.
		p.Flags = unix.CLONE_NEWUSER
	}
	exe := p.Sheltered(m, "exe")
	p.Rendezvous(false)
	p.Exec([]string{"/proc/self/exe"}, []string{"x"}, helperEnviron("stay"))
	c := start(t, p, FD{exe, fdOf(f)})
	if err := c.Next(); err != nil {
		t.Fatal(err)
	}
	dir := fmt.Sprintf("/proc/%d/", c.Pid)
	if at, err := os.Readlink(dir + "exe"); err != nil || at != other {
		t.Errorf("it executes from %s, %v", at, err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile(dir + "maps")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(maps), self) || !strings.Contains(string(maps), other) {
		t.Errorf("it has mapped\n%s", maps)
	}
	for _, name := range []string{"cmdline", "comm", "environ"} {
		mine, err := os.ReadFile("/proc/self/" + name)
		its, err2 := os.ReadFile(dir + name)
		if err != nil || err2 != nil || !bytes.Equal(mine, its) {
			t.Errorf("%s: %q, %v; want %q, %v", name, its, err2, mine, err)
		}
	}
	for _, fd := range openFDs(t, c.Pid) {
		if at, _ := os.Readlink(fmt.Sprintf("%sfd/%d", dir, fd)); at == other {
			t.Errorf("descriptor %d is still open", fd)
		}
	}
	if err := c.Go(); err != nil {
		t.Fatal(err)
	}
	if err := c.Next(); err != ErrExec {
		t.Errorf("it ended with %v", err)
	}
	if s, err := c.Wait(); err != nil || s.ExitStatus() != 0 {
		t.Errorf("what it executed ended with %v, %v", s, err)
	}
}

// The running program's file is told from others, as far as its first page tells.
func TestSameAs(t *testing.T) {
	m, own := ownImage(t)
	if m.Path() != os.Args[0] && filepath.Base(m.Path()) != filepath.Base(os.Args[0]) {
		t.Errorf("path %q, executed as %q", m.Path(), os.Args[0])
	}
	changed := bytes.Clone(own)
	changed[4000]++
	for name, row := range map[string]struct {
		content []byte
		want    bool
	}{
		"a copy": {own, true}, "another": {changed, false}, "its beginning": {own[:4000], false}, "its first page": {own[:4096], true}, "nothing": {nil, false},
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, row.content, 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got := m.SameAs(fdOf(f)); got != row.want {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
}
