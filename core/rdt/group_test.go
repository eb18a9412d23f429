package rdt

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// fake is a folder that looks like resctrl: with a mkdir that fills a group as
// the kernel does.
type fake struct {
	t    *testing.T
	root string
}

const full = "L3:0=ff;1=ff\nMB:0=100;1=100\n"

func newFake(t *testing.T, classes ...string) fake {
	t.Helper()
	f := fake{t, filepath.Join(t.TempDir(), "resctrl")}
	for _, c := range append([]string{"", "info"}, classes...) {
		if err := f.mkdir(filepath.Join(f.root, c), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f.write("info/last_cmd_status", "ok\n")
	return f
}

func (f fake) mkdir(path string, mode os.FileMode) error {
	if err := os.Mkdir(path, mode); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(path, "schemata"), []byte(full), 0o644),
		os.WriteFile(filepath.Join(path, "tasks"), nil, 0o644),
		os.Mkdir(filepath.Join(path, "mon_groups"), 0o755))
}

func (f fake) write(path, content string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.root, path), []byte(content), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f fake) read(path string) string {
	f.t.Helper()
	data, err := os.ReadFile(filepath.Join(f.root, path))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(data)
}

func (f fake) exists(path string) bool {
	_, err := os.Lstat(filepath.Join(f.root, path))
	return err == nil
}

// clear takes out of a group what rmdir(2) takes along in resctrl.
func (f fake) clear(group string) {
	f.t.Helper()
	for _, name := range []string{"schemata", "tasks", "mon_groups"} {
		if err := os.Remove(filepath.Join(f.root, group, name)); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f fake) group(id string, r specs.LinuxIntelRdt) *Group {
	f.t.Helper()
	g, err := New(f.root, id, &r)
	if err != nil {
		f.t.Fatal(err)
	}
	g.mkdir = f.mkdir
	return g
}

const pid = 4711

// enter carries the steps out, and gives those that were done.
func enter(g *Group) (done []Step, err error) {
	for _, s := range g.Steps() {
		if s.Do != nil {
			if err := s.Do(pid); err != nil {
				return done, err
			}
		}
		done = append(done, s)
	}
	return done, nil
}

func (f fake) enter(g *Group) []Step {
	f.t.Helper()
	done, err := enter(g)
	if err != nil {
		f.t.Fatal(err)
	}
	return done
}

// Without a closID, the class is the container's own.
func TestOwnClass(t *testing.T) {
	f := newFake(t)
	g := f.group("box", specs.LinuxIntelRdt{L3CacheSchema: "L3CODE:0=f\nL3DATA:0=3", MemBwSchema: "MB:0=20", Schemata: []string{"L3:1=1", "L2:0=1"}, EnableMonitoring: true})
	missing := g.Missing()
	if want := []string{f.root + "/box/mon_groups/box", f.root + "/box"}; !slices.Equal(missing, want) {
		t.Errorf("to be made: %q, want %q", missing, want)
	}
	f.enter(g)
	lines := "L3CODE:0=f\nL3DATA:0=3\nMB:0=20\nL3:1=1\nL2:0=1\n"
	if got := f.read("box/schemata"); got != lines {
		t.Errorf("schemata %q, want %q", got, lines)
	}
	for _, group := range []string{"box", "box/mon_groups/box"} {
		if got := f.read(group + "/tasks"); got != "4711\n" {
			t.Errorf("tasks of %s: %q", group, got)
		}
	}
	if got := g.Missing(); len(got) != 0 {
		t.Errorf("made, and still missing: %q", got)
	}
	if got := f.read("schemata"); got != full {
		t.Errorf("schemata of the default class: %q", got)
	}
}

// Nothing is written where no schemata are asked for.
func TestNoSchemata(t *testing.T) {
	f := newFake(t, "gold")
	for _, r := range []specs.LinuxIntelRdt{{}, {ClosID: "gold"}, {ClosID: "/"}} {
		g := f.group("box", r)
		f.enter(g)
		group := strings.TrimPrefix(g.dir, f.root)
		if got := f.read(group + "/schemata"); got != full {
			t.Errorf("%+v: schemata %q", r, got)
		}
		if got := f.read(group + "/tasks"); got != "4711\n" {
			t.Errorf("%+v: tasks %q", r, got)
		}
		if r.ClosID != "" && len(g.Missing()) != 0 {
			t.Errorf("%+v: %q would be removed", r, g.Missing())
		}
	}
}

// A class with a name is not removed, whoever made it; a monitoring group is.
func TestNamedClass(t *testing.T) {
	f := newFake(t)
	r := specs.LinuxIntelRdt{ClosID: "gold", Schemata: []string{"L3:0=f"}, EnableMonitoring: true}
	g := f.group("box", r)
	if got, want := g.Missing(), []string{f.root + "/gold/mon_groups/box"}; !slices.Equal(got, want) {
		t.Errorf("to be removed: %q, want %q", got, want)
	}
	f.enter(g)
	if got := f.read("gold/schemata"); !strings.HasPrefix(got, "L3:0=f\n") {
		t.Errorf("schemata %q", got)
	}
	// Another container gets in.
	f.enter(f.group("other", r))
	if !f.exists("gold/mon_groups/other") {
		t.Error("there is no monitoring group for the other")
	}
}

func TestSchemataCompared(t *testing.T) {
	f := newFake(t, "gold")
	if _, err := enter(f.group("box", specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: "L3:0=0ff", MemBwSchema: "MB:1=100"})); err != nil {
		t.Errorf("equal ones: %v", err)
	}
	f.write("gold/schemata", full)
	f.write("gold/tasks", "")
	for want, r := range map[string]specs.LinuxIntelRdt{
		"linux.intelRdt.l3CacheSchema: L3:0=f differs from the group's L3:0=ff;1=ff":     {ClosID: "gold", L3CacheSchema: "L3:0=f"},
		"linux.intelRdt.memBwSchema: MB:0=10 differs from the group's MB:0=100;1=100":    {ClosID: "gold", MemBwSchema: "MB:0=10", Schemata: []string{"L3:0=1"}},
		"linux.intelRdt.closID: look at the resctrl group: open " + f.root + "/platinum": {ClosID: "platinum"},
	} {
		if _, err := enter(f.group("box", r)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", r, err, want)
		}
	}
	if got := f.read("gold/schemata") + f.read("gold/tasks"); got != full {
		t.Errorf("the class was changed: %q", got)
	}
	if f.exists("platinum") {
		t.Error("a class was made that had to exist")
	}
}

// What the kernel says about a refusal is in the error.
func TestRefused(t *testing.T) {
	full := func(name string) func(f fake) func(string, os.FileMode) error {
		return func(f fake) func(string, os.FileMode) error {
			return func(path string, mode os.FileMode) error {
				file := filepath.Join(path, name)
				return errors.Join(f.mkdir(path, mode), os.Remove(file), os.Symlink("/dev/full", file))
			}
		}
	}
	none := func(which string) func(f fake) func(string, os.FileMode) error {
		return func(f fake) func(string, os.FileMode) error {
			return func(path string, mode os.FileMode) error {
				if strings.HasSuffix(path, which) {
					return unix.ENOSPC
				}
				return f.mkdir(path, mode)
			}
		}
	}
	for _, c := range []struct {
		r     specs.LinuxIntelRdt
		mkdir func(f fake) func(string, os.FileMode) error
		want  string
	}{
		{specs.LinuxIntelRdt{}, none("resctrl/box"), "linux.intelRdt: no space"},
		{specs.LinuxIntelRdt{EnableMonitoring: true}, none("mon_groups/box"), "linux.intelRdt.enableMonitoring: no space"},
		{specs.LinuxIntelRdt{}, full("tasks"), "linux.intelRdt: write "},
		{specs.LinuxIntelRdt{L3CacheSchema: "L3:0=f"}, full("schemata"), "linux.intelRdt.l3CacheSchema: write "},
		{specs.LinuxIntelRdt{Schemata: []string{"L3:0=f"}}, full("schemata"), "linux.intelRdt.schemata[0]: write "},
	} {
		f := newFake(t)
		g := f.group("box", c.r)
		g.mkdir = c.mkdir(f)
		f.write("info/last_cmd_status", "out of CLOSIDs\n")
		_, err := enter(g)
		if !errors.Is(err, unix.ENOSPC) || !strings.HasPrefix(err.Error(), c.want) || !strings.HasSuffix(err.Error(), "no space left on device: out of CLOSIDs") {
			t.Errorf("%+v: %v, want %s", c.r, err, c.want)
		}
	}
}

func TestUndo(t *testing.T) {
	undo := func(f fake, done []Step) {
		f.t.Helper()
		for _, s := range slices.Backward(done) {
			if s.Undo == nil {
				continue
			}
			if err := s.Undo(); err != nil {
				f.t.Error(err)
			}
		}
	}
	t.Run("own class", func(t *testing.T) {
		f := newFake(t)
		done := f.enter(f.group("box", specs.LinuxIntelRdt{}))
		f.clear("box")
		undo(f, done)
		if f.exists("box") {
			t.Error("it is still there")
		}
	})
	t.Run("monitoring group", func(t *testing.T) {
		f := newFake(t, "gold")
		done := f.enter(f.group("box", specs.LinuxIntelRdt{ClosID: "gold", EnableMonitoring: true}))
		f.clear("gold/mon_groups/box")
		undo(f, done)
		if f.exists("gold/mon_groups/box") || !f.exists("gold") {
			t.Error("it is still there, or the class is gone")
		}
	})
	t.Run("not made", func(t *testing.T) {
		f := newFake(t, "gold")
		undo(f, f.enter(f.group("box", specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: "L3:0=ff"})))
		if !f.exists("gold") {
			t.Error("a class that was there is removed")
		}
	})
	t.Run("others in it", func(t *testing.T) {
		f := newFake(t)
		done := f.enter(f.group("box", specs.LinuxIntelRdt{ClosID: "gold", L3CacheSchema: "L3:0=ff"}))
		f.write("gold/tasks", "1\n4711\n")
		undo(f, done)
		if !f.exists("gold") {
			t.Error("a class with another process in it is removed")
		}
	})
}

func TestRemove(t *testing.T) {
	f := newFake(t)
	empty := filepath.Join(f.root, "box")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Remove(filepath.Join(f.root, "nothing"), empty); err != nil || f.exists("box") {
		t.Errorf("%v; it is there: %t", err, f.exists("box"))
	}
	if err := Remove(f.root); !errors.Is(err, unix.ENOTEMPTY) || !f.exists("schemata") {
		t.Errorf("a folder with files: %v", err)
	}
}

// The id of a container without a closID names its class.
func TestNewName(t *testing.T) {
	for _, id := range []string{"info", "mon_groups", ".."} {
		if _, err := New("/", id, &specs.LinuxIntelRdt{}); err == nil || !strings.HasPrefix(err.Error(), "linux.intelRdt: ") {
			t.Errorf("%s: %v", id, err)
		}
		if _, err := New("/", id, &specs.LinuxIntelRdt{ClosID: "/"}); err != nil {
			t.Errorf("%s in the default class: %v", id, err)
		}
	}
}
