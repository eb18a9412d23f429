package cgroup

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/dbus/dbustest"
)

// onUnits has the bus's systemd make directories of the host for its units, as
// the real one does: that of version 2, and its own of version 1.
func onUnits(t *testing.T, b *dbustest.Bus, h Host) {
	t.Helper()
	dirs := func(unit string) (list []string) {
		slice, err := expandSlice("box-test.slice")
		if err != nil {
			t.Fatal(err)
		}
		for _, tree := range h.Legacy {
			if tree.Controllers[0] == "name=systemd" {
				list = append(list, filepath.Join(tree.Mount, slice, unit))
			}
		}
		if h.Unified != nil {
			list = append(list, filepath.Join(h.Unified.Mount, slice, unit))
		}
		return list
	}
	b.Start = func(unit string, pids []int) error {
		for _, dir := range dirs(unit) {
			if _, err := mkdirs(dir, nil); err != nil {
				return err
			}
			for _, pid := range pids {
				if err := write(dir+"/cgroup.procs", strconv.Itoa(pid)); err != nil {
					return err
				}
			}
		}
		return nil
	}
	b.Stop = func(unit string) error {
		var errs []error
		for _, dir := range dirs(unit) {
			errs = append(errs, remove(dir))
		}
		return errors.Join(errs...)
	}
}

// A unit's life, as far as cgroups see it, on every layout.
func TestUnit(t *testing.T) {
	for _, l := range []layout{v2, v1, hybrid} {
		t.Run(string(l), func(t *testing.T) {
			realm(t, l, func(t *testing.T) {
				h, b := host(t), dbustest.New(t)
				onUnits(t, b, h)
				s, err := FindSystemd(b.Address)
				if err != nil {
					t.Fatal(err)
				}
				limit := int64(100)
				r := Request{ID: "box", Path: "box-test.slice:p:n", Manager: Systemd, Systemd: s, Privileged: true}
				// A host with version 1 too has the controller there.
				limited := l != v2 || slices.Contains(h.Unified.Controllers, "pids")
				if limited {
					r.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}}
				}
				g, _, err := New(h, r)
				if err != nil {
					t.Fatal(err)
				}
				limits, _, err := Limits(r.Resources, g)
				if err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command("sleep", "60")
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				defer cmd.Process.Kill()
				if err := g.Start(cmd.Process.Pid, limits); err != nil {
					t.Fatal(err)
				}
				for _, dir := range g.Dirs() {
					pids, err := pidsIn(dir, true)
					if want := []int{cmd.Process.Pid}; err != nil || !slices.Equal(pids, want) {
						t.Errorf("%s: %v, %v; want %v", dir, pids, err, want)
					}
				}
				g = kept(t, g)
				if limited {
					limit = 50
					changeUnit(t, b, g, r.Resources)
				}
				done := make(chan error, 1)
				go func() { done <- cmd.Wait() }()
				if err := g.Kill(); err != nil {
					t.Fatal(err)
				}
				<-done
				for range 2 { // the second time it is gone
					if err := g.Remove(); err != nil {
						t.Error(err)
					}
				}
				for _, dir := range g.Dirs() {
					if _, err := os.Stat(dir); err == nil {
						t.Errorf("%s is left", dir)
					}
					remove(filepath.Dir(filepath.Dir(dir))) // the slices, which stay
				}
				if n := b.Units(); n != 0 {
					t.Errorf("%d units are left", n)
				}
			})
		})
	}
}

// changeUnit sets a limit of 50 processes.
func changeUnit(t *testing.T, b *dbustest.Bus, g *Group, r *specs.LinuxResources) {
	t.Helper()
	limits, _, err := Limits(r, g)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Set(limits); err != nil {
		t.Fatal(err)
	}
	dir, _ := g.Dir("pids")
	if data, err := os.ReadFile(dir + "/pids.max"); err != nil || string(data) != "50\n" {
		t.Errorf("pids.max: %q, %v", data, err)
	}
	if want := "SetUnitProperties 'p-n.scope' true\n  TasksMax = uint64 50\n"; !strings.Contains(b.Calls(), want) {
		t.Errorf("%s is not in\n%s", want, b.Calls())
	}
}

// kept is the group as state.json keeps it.
func kept(t *testing.T, g *Group) *Group {
	t.Helper()
	data, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	again := &Group{}
	if err := json.Unmarshal(data, again); err != nil {
		t.Fatal(err)
	}
	return again
}
