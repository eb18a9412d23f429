package runtime_test

import (
	"os"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// forking makes the child fork, as it does to join a namespace and make others.
func forking(s *specs.Spec) {
	dropNS(s, specs.IPCNamespace)
	s.Mounts = without(s.Mounts, "/dev/mqueue")
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.IPCNamespace, Path: "/proc/self/ns/ipc"})
}

// A create that is killed, at whatever moment, leaves no process that waits
// for ever, and nothing that delete --force could not remove.
func TestCreateKilled(t *testing.T) {
	for _, variant := range []struct {
		name string
		edit func(*specs.Spec)
		who  func(*testing.T) bundletest.User
	}{
		{"root", func(*specs.Spec) {}, bundletest.Root},
		{"forking", forking, bundletest.Root},
		{"plain", func(*specs.Spec) {}, bundletest.Plain},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			b := bundletest.New(t, variant.who(t))
			b.Write(func(s *specs.Spec) {
				s.Process.Args = b.Args("sleep")
				variant.edit(s)
			})
			whole := duration(t, b)
			const rounds = 30
			for i := range rounds {
				c := b.Command("create", "--bundle", b.Dir, b.ID)
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				pause(whole * time.Duration(i) * 5 / 4 / rounds)
				c.Process.Kill()
				c.End()
				// What it made either is a whole container or ends by itself.
				bundletest.Until(t, "a killed create's child to end", func() bool {
					return len(b.Processes()) == 0 || b.Query().Status == specs.StateCreated
				})
				b.Must("delete", "--force", b.ID)
				if left := b.Left(); len(left) > 0 {
					t.Fatalf("killed after %d/%d: left behind: %q", i, rounds, left)
				}
			}
			b.Create()
			b.Must("start", b.ID)
		})
	}
}

// duration is how long a create takes here and now.
func duration(t *testing.T, b *bundletest.Bundle) time.Duration {
	t.Helper()
	begin := time.Now()
	b.Create()
	d := time.Since(begin)
	b.Must("delete", b.ID)
	return d
}

// pause aims at a moment inside a command; nothing depends on meeting it.
func pause(d time.Duration) { <-time.After(d) }

// A create that is told to stop takes back what it did.
func TestCreateInterrupted(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Mkdir("/big", 0o755)
		b.File("/big/file", "", 0o644)
		// To copy that takes a while, so the signal comes in the midst of it.
		if err := os.Truncate(b.Path("big/file"), 256<<20); err != nil {
			t.Fatal(err)
		}
		b.Write(func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/big", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup"}})
		})
		for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP} {
			for tries := 0; ; tries++ {
				c := b.Command("create", "--bundle", b.Dir, "--pid-file", b.Beside("pid"), b.ID)
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				bundletest.Until(t, "the child of create", func() bool { return len(b.Processes()) > 1 || c.Errors() != "" })
				c.Process.Signal(sig)
				r := c.End()
				if r.Status == 0 && tries < 5 { // it was faster
					b.Must("delete", "--force", b.ID)
					continue
				}
				r.Fails(t, "interrupted by "+unix.SignalName(sig))
				nothingLeft(t, b)
				if _, err := os.Stat(b.Beside("pid")); !os.IsNotExist(err) {
					t.Errorf("pid file: %v", err)
				}
				break
			}
		}
	})
}

// Of two that want one id, one gets it.
func TestConcurrentCreate(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		for range 5 {
			b := newBundle(t, u, "sleep")
			var all []*bundletest.Cmd
			for range 3 {
				c := b.Command("create", "--bundle", b.Dir, b.ID)
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				all = append(all, c)
			}
			var made *bundletest.Cmd
			for _, c := range all {
				if r := c.End(); r.Status != 0 {
					r.Fails(t, "exists already")
				} else if made != nil {
					t.Error("two of them were made")
				} else {
					made = c
				}
			}
			if made == nil {
				t.Fatal("none was made")
			}
			b.Must("start", b.ID)
			ready(t, made)
			b.Must("delete", "--force", b.ID)
			nothingLeft(t, b)
		}
	})
}

// Who asks while a container goes is told that it is there, or that it is not.
func TestDeleteMeanwhile(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		for range 10 {
			b.Detach()
			var all []*bundletest.Cmd
			for _, args := range [][]string{{"state", b.ID}, {"list"}, {"delete", "--force", b.ID}, {"state", b.ID}, {"list", "-f", "json"}, {"kill", b.ID, "USR1"}, {"delete", "-f", b.ID}} {
				c := b.Command(args...)
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				all = append(all, c)
			}
			for _, c := range all {
				r := c.End()
				switch command := c.Args[3]; {
				case r.Status == 0 && r.Err == "":
				case command == "state" && strings.Contains(r.Err, "container does not exist"):
				case command == "kill" && (strings.Contains(r.Err, "container does not exist") || strings.Contains(r.Err, "container not running")):
				default:
					t.Errorf("%+v", r)
				}
			}
			nothingLeft(t, b)
		}
	})
}

// A foreground run that is told to end does, whenever that comes: its container
// has not begun, or gets the signal.
func TestRunTerminated(t *testing.T) {
	t.Parallel()
	b := bundletest.New(t, bundletest.Root(t))
	b.Write(func(s *specs.Spec) {
		// The init of a PID namespace would not die of it.
		dropNS(s, specs.PIDNamespace)
		s.Process.Args = b.Args("sleep")
	})
	whole := duration(t, b)
	const rounds = 40
	for i := range rounds {
		c := b.Command("run", "--bundle", b.Dir, b.ID)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		pause(whole * time.Duration(i) * 3 / 2 / rounds)
		c.Process.Signal(unix.SIGTERM)
		r := c.End()
		switch {
		case r.Status == -1: // it had not begun to listen
		case r.Status == 128+15 && r.Err == "":
		case r.Status == 1 && strings.HasSuffix(r.Err, ": interrupted by SIGTERM\n"):
		default:
			t.Errorf("%+v", r)
		}
		nothingLeft(t, b)
		if t.Failed() {
			t.Fatalf("after %d/%d", i, rounds)
		}
	}
}

// A signal that ends an exec does so at any moment: before the process executes anything,
// or as the process's own.
func TestExecTerminated(t *testing.T) {
	t.Parallel()
	b := running(t, bundletest.Root(t), nil)
	start := time.Now()
	b.Must(append([]string{"exec", b.ID}, b.Args("exit", "0")...)...)
	whole := time.Since(start)
	const rounds = 40
	for i := range rounds {
		c := b.Command(append([]string{"exec", b.ID}, b.Args("sleep")...)...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		pause(whole * time.Duration(i) * 3 / 2 / rounds)
		c.Process.Signal(unix.SIGTERM)
		r := c.End()
		switch {
		case r.Status == -1: // it had not begun to listen
		case r.Status == 128+15 && r.Err == "":
		case r.Status == 255 && strings.HasSuffix(r.Err, ": interrupted by SIGTERM\n"):
		default:
			t.Errorf("%+v", r)
		}
		bundletest.Until(t, "the end of what was executed", func() bool { return len(b.Processes()) == 1 })
		if t.Failed() {
			t.Fatalf("after %d/%d", i, rounds)
		}
	}
}
