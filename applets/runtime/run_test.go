package runtime_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// The exit status of a foreground run is the process's own.
func TestRunStatus(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		for _, status := range []int{0, 1, 7, 255} {
			b := newBundle(t, u, "exit", fmt.Sprint(status))
			if r := b.Runtime("run", "--bundle", b.Dir, b.ID); r.Status != status || r.Err != "" {
				t.Errorf("exit %d: %+v", status, r)
			}
			nothingLeft(t, b)
		}
	})
}

// One that died of a signal gives 128 and its number, as a shell does.
func TestRunSignal(t *testing.T) {
	t.Run("from outside", func(t *testing.T) {
		bundletest.Each(t, func(t *testing.T, u bundletest.User) {
			b := newBundle(t, u, "sleep")
			c := b.Command("run", "--bundle", b.Dir, b.ID)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			ready(t, c)
			b.Must("kill", b.ID, "KILL")
			if r := c.End(); r.Status != 128+9 || r.Err != "" {
				t.Errorf("%+v", r)
			}
			nothingLeft(t, b)
		})
	})
	// Not the init of a PID namespace, which a signal of its own does not kill.
	t.Run("of its own", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, bundletest.Root(t), "die", "15")
		b.Write(func(s *specs.Spec) {
			dropNS(s, specs.PIDNamespace)
			s.Process.Args = b.Args("die", "15")
		})
		if r := b.Runtime("run", "--bundle", b.Dir, b.ID); r.Status != 128+15 {
			t.Errorf("%+v", r)
		}
		nothingLeft(t, b)
	})
}

func TestRunStreams(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "cat")
		c := b.Command("run", "--bundle", b.Dir, b.ID)
		text := strings.Repeat("0123456789\n", 100000) // more than a pipe holds
		c.Stdin = strings.NewReader(text)
		if r := c.Run(); r.Status != 0 || r.Err != "" || r.Out != text {
			t.Errorf("status %d, error %q, %d bytes of %d", r.Status, r.Err, len(r.Out), len(text))
		}
		b.Write(func(s *specs.Spec) { s.Process.Args = b.Args("exit", "none") })
		if r := b.Runtime("run", "--bundle", b.Dir, b.ID); r.Out != "" || !strings.HasPrefix(r.Err, "inside: ") {
			t.Errorf("standard error of the container: %+v", r)
		}
	})
}

// What the caller is sent goes to the container.
func TestRunForwardsSignals(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "trap")
		c := b.Command("run", "--bundle", b.Dir, b.ID)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ready(t, c)
		want := "ready\n"
		for _, sig := range []unix.Signal{unix.SIGUSR1, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGCONT, unix.SIGTERM} {
			if err := c.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			want += unix.SignalName(sig) + "\n"
			bundletest.Until(t, unix.SignalName(sig)+" to arrive", func() bool { return c.Output() == want })
		}
		if r := c.End(); r.Status != 3 || r.Err != "" { // what trap gives after SIGTERM
			t.Errorf("%+v", r)
		}
		nothingLeft(t, b)
	})
}

func TestRunKeep(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "exit", "7")
		if r := b.Runtime("run", "--keep", "--bundle", b.Dir, b.ID); r.Status != 7 {
			t.Errorf("%+v", r)
		}
		if got := b.Query().Status; got != specs.StateStopped {
			t.Errorf("status %s", got)
		}
		b.Must("delete", b.ID)
		nothingLeft(t, b)
	})
}

// Somebody else may delete a container while its run waits for it.
func TestRunDeletedMeanwhile(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		c := b.Command("run", "--bundle", b.Dir, b.ID)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ready(t, c)
		b.Must("delete", "--force", b.ID)
		if r := c.End(); r.Status != 128+9 || r.Err != "" {
			t.Errorf("%+v", r)
		}
		nothingLeft(t, b)
	})
}

func TestRunDetached(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		pidFile := b.Beside("pid")
		ready(t, b.Detach("--pid-file", pidFile))
		state := b.Query()
		if state.Status != specs.StateRunning {
			t.Errorf("status %s", state.Status)
		}
		if got, err := os.ReadFile(pidFile); err != nil || string(got) != fmt.Sprint(state.Pid) {
			t.Errorf("pid file %q, %v; want %d", got, err, state.Pid)
		}
		if got := b.Parent(state.Pid); got != bundletest.Reaper() {
			t.Errorf("the init's parent is %d, want %d", got, bundletest.Reaper())
		}
	})
}

// What the init leaves behind is run's to reap, and its end is not the init's.
func TestRunOrphans(t *testing.T) {
	t.Parallel()
	b := bundletest.New(t, bundletest.Root(t))
	b.Write(func(s *specs.Spec) {
		dropNS(s, specs.PIDNamespace)
		s.Process.Args = b.Args("orphan")
	})
	for range 10 {
		if r := b.Runtime("run", "--bundle", b.Dir, b.ID); r.Status != 4 || r.Err != "" {
			t.Errorf("%+v", r)
		}
		nothingLeft(t, b)
	}
}

// --preserve-fds passes the descriptors from 3 up, and no other.
func TestPreserveFDs(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		for n := range 3 {
			b := bundletest.New(t, u)
			want := []int{0, 1, 2}
			var paths []string
			var files []*os.File
			for i := range 2 {
				path := b.Beside(fmt.Sprint("file", i))
				mkfile(t, path, "")
				f, err := os.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				files = append(files, f)
				if i < n {
					want = append(want, 3+i)
					paths = append(paths, path)
				}
			}
			check := func(how, text string) {
				t.Helper()
				r := bundletest.ReadReport(t, text)
				fds := slices.Sorted(maps.Keys(r.FDs))
				if !slices.Equal(fds, want) {
					t.Fatalf("%s --preserve-fds %d: descriptors %v, want %v", how, n, r.FDs, want)
				}
				for i, path := range paths {
					if got := r.FDs[3+i]; filepath.Base(got) != filepath.Base(path) {
						t.Errorf("%s --preserve-fds %d: descriptor %d is %s, want %s", how, n, 3+i, got, path)
					}
				}
			}
			run := b.Command("run", "--preserve-fds", fmt.Sprint(n), "--bundle", b.Dir, b.ID)
			run.ExtraFiles = files
			r := run.Run()
			if r.Status != 0 || r.Err != "" {
				t.Fatalf("%+v", r)
			}
			check("run", r.Out)
			create := b.Command("create", "--preserve-fds", fmt.Sprint(n), "--bundle", b.Dir, b.ID)
			create.ExtraFiles = files
			if r := create.Run(); r.Status != 0 || r.Err != "" {
				t.Fatalf("%+v", r)
			}
			b.Must("start", b.ID)
			b.Wait(specs.StateStopped)
			check("create", create.Output())
		}
	})
}
