package runtime_test

import (
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundletest"
)

// pair runs, with these options of the runtime, a container of two processes that
// tell what signals they get.
func pair(t *testing.T, u bundletest.User, pidNamespace bool, globals ...string) (*bundletest.Bundle, *bundletest.Cmd) {
	t.Helper()
	b := bundletest.New(t, u)
	b.Globals = globals
	b.Write(func(s *specs.Spec) {
		if !pidNamespace {
			dropNS(s, specs.PIDNamespace)
		}
		s.Process.Args = b.Args("pair")
	})
	c := b.Detach()
	bundletest.Until(t, "both processes to be ready", func() bool { return c.Output() == "ready\nready\n" })
	return b, c
}

// --all reaches the init and the others, and whichever signal it is.
func TestKillAll(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		for _, own := range []bool{true, false} {
			if !own && !u.IsRoot() {
				continue // a plain user cannot mount the host's proc
			}
			b, c := pair(t, u, own)
			b.Must("kill", b.ID, "USR1")
			bundletest.Until(t, "USR1 at the init", func() bool { return strings.Count(c.Output(), "SIGUSR1\n") == 1 })
			b.Must("kill", "--all", b.ID, "USR2")
			bundletest.Until(t, "USR2 at both", func() bool { return strings.Count(c.Output(), "SIGUSR2\n") == 2 })
			b.Must("kill", "-a", b.ID, "0")
			b.Must("kill", "-a", b.ID, "KILL")
			b.Wait(specs.StateStopped)
			bundletest.Until(t, "all to end", func() bool { return len(b.Processes()) == 0 })
			if got := strings.Count(c.Output(), "SIGUSR"); got != 3 {
				t.Errorf("%d signals: %q", got, c.Output())
			}
			b.Fails([]string{"container not running"}, "kill", b.ID, "KILL")
			b.Must("kill", "--all", b.ID, "KILL")
			b.Must("kill", "--all", b.ID)
			b.Fails([]string{"container does not exist"}, "kill", "--all", "unknown", "KILL")
		}
	})
}

// What the init of a container without a pid namespace, and without a cgroup,
// left behind.
func TestKillAllOfStopped(t *testing.T) {
	t.Parallel()
	b, _ := pair(t, bundletest.Root(t), false, withoutCgroups...)
	known := false
	editState(t, b, func(state map[string]any) { known = state["mountID"] != nil })
	b.Must("kill", b.ID, "KILL")
	b.Wait(specs.StateStopped)
	if n := len(b.Processes()); n != 1 {
		t.Fatalf("%d processes are left, want 1", n)
	}
	if !known {
		b.Fails([]string{"cannot be told from other processes"}, "kill", "--all", b.ID, "KILL")
		t.Skip("mount namespaces have no number of their own before Linux 6.11")
	}
	b.Must("kill", "--all", b.ID, "KILL")
	bundletest.Until(t, "the one left behind to end", func() bool { return len(b.Processes()) == 0 })
	b.Must("delete", b.ID)
	nothingLeft(t, b)
}

// --regex is for every container that it matches, whatever becomes of one.
func TestRegex(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		// Cgroups of the same name would collide.
		b.Globals = withoutCgroups
		for _, id := range []string{"web-1", "web-2", "db-1"} {
			b.Must("create", "--bundle", b.Dir, id)
		}
		b.Must("start", "web-1")
		status := func(id string) specs.ContainerState {
			t.Helper()
			b.ID = id
			return b.Query().Status
		}
		r := b.Runtime("delete", "--regex", "^web")
		r.Fails(t, "1 of 2 containers: container web-1 is running")
		if got := b.Must("list", "-q"); got != "web-1\ndb-1\n" {
			t.Errorf("after delete: %q", got)
		}
		for _, args := range [][]string{{"list", "-q"}, {"list"}, {"list", "-f", "json"}} {
			ask := b.Command(args...)
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			ask.Stdout = full
			ask.Run().Fails(t, "no space left on device")
			full.Close()
		}
		b.Must("kill", "--regex", "1$", "KILL")
		for _, id := range []string{"web-1", "db-1"} {
			bundletest.Until(t, id+" to end", func() bool { return status(id) == specs.StateStopped })
		}
		b.Must("delete", "-r", "nothing like that")
		b.Fails([]string{`--regex "("`, "a ( without its )"}, "kill", "-r", "(", "KILL")
		b.Must("delete", "-f", "-r", "eb|db")
		nothingLeft(t, b)
	})
}
