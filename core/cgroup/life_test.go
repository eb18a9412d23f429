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
