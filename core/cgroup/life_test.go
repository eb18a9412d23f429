package cgroup

import (
	"os/exec"
	"slices"
	"testing"
)

// A container's life, as far as cgroups see it, on every layout.
func TestLife(t *testing.T) {
	for _, l := range []layout{v2, v1, hybrid} {
		t.Run(string(l), func(t *testing.T) {
			realm(t, l, func(t *testing.T) {
				g := made(t, Request{ID: "box"})
				t.Logf("%+v", g)
				cmd := exec.Command("sleep", "60")
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				put(t, g, cmd.Process.Pid)
				pids, err := g.Pids()
				if want := []int{cmd.Process.Pid}; err != nil || !slices.Equal(pids, want) {
					t.Errorf("Pids: %v, %v; want %v", pids, err, want)
				}
				frozen := func(want bool) {
					t.Helper()
					if got, err := g.Frozen(); got != want || err != nil {
						t.Errorf("Frozen: %v, %v; want %v", got, err, want)
					}
				}
				frozen(false)
				if err := g.Freeze(); err != nil {
					t.Fatal(err)
				}
				frozen(true)
				if err := g.Thaw(); err != nil {
					t.Fatal(err)
				}
				frozen(false)
				done := make(chan error, 1)
				go func() { done <- cmd.Wait() }()
				if err := g.Kill(); err != nil {
					t.Fatal(err)
				}
				<-done
			})
		})
	}
}

// A group has every controller of the hierarchy, though none on the way to it had been
// enabled.
func TestEnableBelow(t *testing.T) {
	realm(t, v2, func(t *testing.T) {
		all := host(t).Unified.Controllers
		if len(all) == 0 {
			t.Skip("the hierarchy has no controllers on this host")
		}
		g, _, err := New(host(t), Request{ID: "box", Path: "/top/deep/er", Privileged: true})
		if err != nil {
			t.Fatal(err)
		}
		undo, err := g.Make()
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := undo(); err != nil {
				t.Error(err)
			}
		}()
		have, err := words(g.Unified + "/cgroup.controllers")
		if err != nil || !slices.Equal(have, all) {
			t.Errorf("controllers %v, %v; want %v", have, err, all)
		}
	})
}
