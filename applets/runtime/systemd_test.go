package runtime_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
	"ocibox/core/cgroup"
	"ocibox/core/dbus/dbustest"
)

// systemd is a bus whose systemd makes directories for its units in slice, in
// the hierarchies in which the real one keeps its own.
func systemd(t *testing.T, slice string) *dbustest.Bus {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make cgroups as systemd does")
	}
	h, err := cgroup.Probe(true)
	if err != nil {
		t.Fatal(err)
	}
	var tops []string
	for _, tree := range h.Legacy {
		dir := filepath.Join(tree.Mount, slice)
		// What systemd leaves alone, the runtime makes; the slice is left.
		t.Cleanup(func() { unix.Rmdir(dir) })
		if tree.Controllers[0] == "name=systemd" {
			tops = append(tops, dir)
		}
	}
	if h.Unified != nil {
		tops = append(tops, filepath.Join(h.Unified.Mount, slice))
		t.Cleanup(func() { unix.Rmdir(filepath.Join(h.Unified.Mount, slice)) })
	}
	if len(tops) == 0 || unix.Access(filepath.Dir(tops[0]), unix.W_OK) != nil {
		t.Skip("needs cgroups that can be written to")
	}
	b := dbustest.New(t)
	b.Start = func(unit string, pids []int) error {
		for _, top := range tops {
			if err := os.MkdirAll(filepath.Join(top, unit), 0o755); err != nil {
				return err
			}
			for _, pid := range pids {
				if err := os.WriteFile(filepath.Join(top, unit, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
					return err
				}
			}
		}
		return nil
	}
	b.Stop = func(unit string) error {
		var errs []error
		for _, top := range tops {
			// Since Linux 6.18 a zombie may still be counted for a moment.
			err := unix.EBUSY
			for end := time.Now().Add(5 * time.Second); err == unix.EBUSY && time.Now().Before(end); time.Sleep(time.Millisecond) {
				err, _ = unix.Rmdir(filepath.Join(top, unit)).(unix.Errno)
			}
			if err != 0 {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	}
	return b
}

// A container's life with systemd.
func TestSystemd(t *testing.T) {
	slice := fmt.Sprintf("ociboxtest%d.slice", os.Getpid())
	bus := systemd(t, slice)
	b := bundletest.New(t, bundletest.Root(t))
	command := func(args ...string) bundletest.Result {
		t.Helper()
		c := b.Command(append([]string{"--systemd-cgroup"}, args...)...)
		c.Env = append(c.Env, "DBUS_SYSTEM_BUS_ADDRESS="+bus.Address)
		return c.Run()
	}
	must := func(args ...string) string {
		t.Helper()
		r := command(args...)
		if r.Status != 0 || r.Err != "" {
			t.Fatalf("%q: exit status %d: %s", args, r.Status, r.Err)
		}
		return r.Out
	}
	b.Write(func(s *specs.Spec) {
		s.Process.Args = b.Args("still")
		s.Linux.CgroupsPath = slice + ":box:"
		s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(100))}}
		s.Annotations = map[string]string{"org.systemd.property.TimeoutStopUSec": "uint64 5", "org.systemd.property.CollectMode": "'inactive-or-failed'"}
	})
	for _, row := range []string{
		`linux.cgroupsPath                              StartTransientUnit("box-explained.scope", "replace"), PIDs = [CHILD], on ` + bus.Address,
		"linux.resources.pids.limit                     property TasksMax = uint64 100",
		"annotations.org.systemd.property.CollectMode   property CollectMode = 'inactive-or-failed'",
		"property DevicePolicy = 'strict'",
	} {
		if out := must("explain", "-b", b.Dir); !strings.Contains(strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(row), " ")) {
			t.Errorf("explain does not have %s:\n%s", row, out)
		}
	}
	must("create", "-b", b.Dir, "c")
	must("start", "c")
	if out := must("ps", "-f", "json", "c"); out == "[]\n" {
		t.Error("ps: there is nobody in the cgroup")
	}
	if r := command("create", "-b", b.Dir, "c2"); r.Status != 0 {
		t.Errorf("another of the same path but for its id: %s", r.Err)
	}
	must("delete", "c2")
	must("update", "--pids-limit", "50", "c")
	must("pause", "c")
	must("resume", "c")
	for _, want := range []string{
		"StartTransientUnit 'box-c.scope' 'replace' @a(sa(sv)) []\n", "  Slice = '" + slice + "'\n", "  Delegate = true\n", "  TasksMax = uint64 100\n",
		"  TimeoutStopUSec = uint64 5\n", "  DeviceAllow = @a(ss) []\n", "SetUnitProperties 'box-c.scope' true\n  TasksMax = uint64 50\n",
	} {
		if !strings.Contains(bus.Calls(), want) {
			t.Errorf("systemd was not asked for %s:\n%s", want, bus.Calls())
		}
	}
	must("delete", "--force", "c")
	if n := bus.Units(); n != 0 {
		t.Errorf("%d units are left", n)
	}
	t.Run("taken", func(t *testing.T) {
		b.Write(func(s *specs.Spec) {
			s.Process.Args = b.Args("still")
			s.Linux.CgroupsPath = slice + ":box:same"
		})
		must("run", "-d", "-b", b.Dir, "first")
		if r := command("create", "-b", b.Dir, "second"); r.Status != 1 || !strings.Contains(r.Err, "linux.cgroupsPath: the cgroup ") || !strings.Contains(r.Err, "is there already, with process") {
			t.Errorf("exit status %d: %s", r.Status, r.Err)
		}
		if out := must("state", "first"); !strings.Contains(out, `"running"`) {
			t.Errorf("the first of that path: %s", out)
		}
		must("delete", "--force", "first")
	})
	t.Run("failed unit", func(t *testing.T) {
		bus.Start = func(string, []int) error { return errors.New("failed") }
		if r := command("create", "-b", b.Dir, "c"); r.Status != 1 || !strings.Contains(r.Err, `the job StartTransientUnit ended as "failed"`) {
			t.Errorf("exit status %d: %s", r.Status, r.Err)
		}
	})
}

func TestNoSystemd(t *testing.T) {
	if _, err := os.Lstat("/run/systemd/system"); err == nil {
		t.Skip("needs a host without systemd")
	}
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(nil)
		b.Fails([]string{"--systemd-cgroup: connect to /", "bus", ": no systemd runs here", "--cgroup-manager cgroupfs makes cgroups without it"}, "--systemd-cgroup", "create", "-b", b.Dir, "c")
	})
}
