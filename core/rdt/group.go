package rdt

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// Group is where a container belongs in resctrl: a class of service and, where
// its use of the resources is monitored, a group below that.
type Group struct {
	root    string // where resctrl is mounted
	dir     string // of the class
	monitor string // of the monitoring group, or ""
	named   bool   // the class has a name of its own, closID
	lines   []line // of its schemata
	made    bool   // the class was made for this container
	pid     int
	mkdir   func(path string, mode os.FileMode) error
}

// New is the group of the container id in the resctrl that is mounted at root.
func New(root, id string, r *specs.LinuxIntelRdt) (*Group, error) {
	g := &Group{root: root, dir: filepath.Join(root, cmp.Or(r.ClosID, id)), named: r.ClosID != "", lines: lines(r), mkdir: os.Mkdir}
	if !g.named {
		if err := checkName(id); err != nil {
			return nil, fault.In(field, err)
		}
	}
	if r.EnableMonitoring {
		g.monitor = filepath.Join(g.dir, "mon_groups", id)
	}
	return g, nil
}

// Step is a thing to do on the way into the group.
type Step struct {
	Field, Text string
	Do          func(pid int) error // nil where the next one does it too
	Undo        func() error        // nil where there is nothing to take back
}

// Steps are what brings a process into the group, in order.
func (g *Group) Steps() []Step {
	var steps []Step
	switch {
	case g.mustExist():
		steps = append(steps, Step{field + ".closID", "find the resctrl group " + g.dir, g.class, nil})
	default:
		steps = append(steps, Step{field, "make the resctrl group " + g.dir + ", or compare its schemata", g.class, g.unmake})
	}
	for _, l := range g.lines {
		steps = append(steps, Step{l.field, fmt.Sprintf("write %q to %s/schemata", l.text, g.dir), nil, nil})
	}
	if len(g.lines) > 0 {
		// They go into one open file; the error names the line.
		steps[len(steps)-1].Do = g.write
	}
	if g.monitor != "" {
		steps = append(steps, Step{field + ".enableMonitoring", "make the monitoring group " + g.monitor, g.makeMonitor, g.unmakeMonitor})
	}
	return append(steps, g.Join()...)
}

// Join is what brings one more process into a group that is there.
func (g *Group) Join() []Step {
	steps := []Step{{field, "write the CHILD's pid to " + g.dir + "/tasks", g.assign(g.dir), nil}}
	if g.monitor != "" {
		// It takes only those that are in the class.
		steps = append(steps, Step{field + ".enableMonitoring", "write the CHILD's pid to " + g.monitor + "/tasks", g.assign(g.monitor), nil})
	}
	return steps
}

// mustExist says that the class is a matter of whoever has named it.
func (g *Group) mustExist() bool { return g.named && len(g.lines) == 0 }

// Missing lists those folders of the group that Steps will make for this
// container alone, and that go with it when it is deleted: not a class that has
// a name of its own.
func (g *Group) Missing() []string {
	var dirs []string
	for _, d := range []struct {
		path string
		own  bool
	}{{g.monitor, g.monitor != ""}, {g.dir, !g.named}} {
		if _, err := os.Lstat(d.path); d.own && errors.Is(err, fs.ErrNotExist) {
			dirs = append(dirs, d.path)
		}
	}
	return dirs
}

// class makes the class, or checks the one that is there.
func (g *Group) class(pid int) error {
	g.pid = pid
	if !g.mustExist() {
		err := g.mkdir(g.dir, 0o755)
		if err == nil {
			g.made = true
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return g.refused(field, err)
		}
	}
	schemata, err := os.ReadFile(filepath.Join(g.dir, "schemata"))
	if err != nil {
		return fault.In(field+".closID", fault.Op(err, "look at the resctrl group"))
	}
	for _, l := range g.lines {
		if l.compared {
			if err := match(string(schemata), l); err != nil {
				return err
			}
		}
	}
	return nil
}

// unmake removes a class that was made. One with a name of its own stays if
// others were put into it meanwhile.
func (g *Group) unmake() error {
	if !g.made {
		return nil
	}
	if g.named {
		tasks, err := os.ReadFile(filepath.Join(g.dir, "tasks"))
		if err != nil {
			return fault.Op(err, "look at the resctrl group")
		}
		for task := range strings.FieldsSeq(string(tasks)) {
			if task != strconv.Itoa(g.pid) {
				return nil
			}
		}
	}
	return Remove(g.dir)
}

// write writes the schemata, a line at a time: so it is known which of them
// the kernel refuses.
func (g *Group) write(int) error {
	f, err := os.OpenFile(filepath.Join(g.dir, "schemata"), os.O_WRONLY, 0)
	if err != nil {
		return fault.In(field, err)
	}
	defer f.Close()
	for _, l := range g.lines {
		if _, err := f.WriteString(l.text + "\n"); err != nil {
			return g.refused(l.field, err)
		}
	}
	return nil
}

func (g *Group) makeMonitor(int) error {
	if err := g.mkdir(g.monitor, 0o755); err != nil {
		return g.refused(field+".enableMonitoring", err)
	}
	return nil
}

func (g *Group) unmakeMonitor() error { return Remove(g.monitor) }

// assign puts a process, and so what it will fork, into a group.
func (g *Group) assign(dir string) func(pid int) error {
	return func(pid int) error {
		f, err := os.OpenFile(filepath.Join(dir, "tasks"), os.O_WRONLY, 0)
		if err != nil {
			return fault.In(field, err)
		}
		defer f.Close()
		if _, err := f.WriteString(strconv.Itoa(pid) + "\n"); err != nil {
			return g.refused(field, err)
		}
		return nil
	}
}

// refused is an error with what the kernel says of its reason.
func (g *Group) refused(field string, err error) error {
	status, readErr := os.ReadFile(filepath.Join(g.root, "info", "last_cmd_status"))
	if why := strings.TrimSpace(string(status)); readErr == nil && why != "ok" {
		err = fmt.Errorf("%w: %s", err, why)
	}
	return fault.In(field, err)
}

// Remove removes groups that are there, in order. Who is in one of them goes
// to the class above, or the default one.
func Remove(dirs ...string) error {
	for _, dir := range dirs {
		if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
			return fault.Op(err, "remove the resctrl group %s", dir)
		}
	}
	return nil
}
