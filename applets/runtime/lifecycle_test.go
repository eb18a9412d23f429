package runtime_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// newBundle makes a bundle whose process is this program inside.
func newBundle(t *testing.T, u bundletest.User, program string, args ...string) *bundletest.Bundle {
	t.Helper()
	b := bundletest.New(t, u)
	b.Write(func(s *specs.Spec) { s.Process.Args = b.Args(program, args...) })
	return b
}

func nothingLeft(t *testing.T, b *bundletest.Bundle) {
	t.Helper()
	if left := b.Left(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// ready waits until a program inside that says so is.
func ready(t *testing.T, c *bundletest.Cmd) {
	t.Helper()
	bundletest.Until(t, "the container to say that it is ready", func() bool { return strings.HasPrefix(c.Output(), "ready\n") })
}

// From create to delete, with what is seen of the container at each step.
func TestLifecycle(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		pidFile := b.Beside("pid")
		c := b.Create("--pid-file", pidFile)
		state := b.Query()
		if state.Status != specs.StateCreated {
			t.Errorf("status %s after create", state.Status)
		}
		if got := b.Processes(); !slices.Equal(got, []int{state.Pid}) {
			t.Errorf("processes %v after create, want the init alone, %d", got, state.Pid)
		}
		if got, err := os.ReadFile(pidFile); err != nil || string(got) != strconv.Itoa(state.Pid) {
			t.Errorf("pid file %q, %v; want %d", got, err, state.Pid)
		}
		// The command that made it has ended: who reaps orphans has it now.
		if got := b.Parent(state.Pid); got != bundletest.Reaper() {
			t.Errorf("the init's parent is %d, want %d", got, bundletest.Reaper())
		}
		if out := c.Output(); out != "" {
			t.Errorf("output %q before start", out)
		}
		created := b.Processes()

		b.Must("start", b.ID)
		if _, err := os.Lstat(filepath.Join(b.State, b.ID, "start.sock")); !os.IsNotExist(err) {
			t.Errorf("the socket that it waited on is there still: %v", err)
		}
		ready(t, c)
		if now := b.Query(); now.Status != specs.StateRunning || now.Pid != state.Pid {
			t.Errorf("after start: %+v, want running, pid %d", now, state.Pid)
		}
		b.Fails([]string{"is running, not created"}, "start", b.ID)
		b.Fails([]string{"is running", "hint: kill it first"}, "delete", b.ID)
		if got := b.Processes(); !slices.Equal(got, created) {
			t.Errorf("processes %v after start, want %v", got, created)
		}

		b.Must("kill", b.ID, "KILL")
		b.Wait(specs.StateStopped)
		if pid := b.Query().Pid; pid != 0 {
			t.Errorf("pid %d of a stopped container, want 0", pid)
		}
		b.Fails([]string{"container not running"}, "kill", b.ID)
		b.Fails([]string{"is stopped, not created"}, "start", b.ID)
		b.Must("delete", b.ID)
		nothingLeft(t, b)
	})
}

func TestUnknownContainer(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		for _, command := range []string{"start", "state", "kill", "delete"} {
			b.Fails([]string{b.ID + ": container does not exist", "hint: "}, command, b.ID)
		}
		b.Must("delete", "--force", b.ID)
	})
}

func TestDeleteForce(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		b.Create()
		b.Must("delete", "--force", b.ID)
		nothingLeft(t, b)

		b.Create()
		b.Must("delete", b.ID) // one that was never started has nothing to lose
		nothingLeft(t, b)

		ready(t, b.Detach())
		b.Must("delete", "-f", b.ID)
		nothingLeft(t, b)

		b.Write(func(s *specs.Spec) { s.Process.Args = b.Args("exit", "0") })
		b.Detach()
		b.Wait(specs.StateStopped)
		b.Must("delete", "--force", b.ID)
		nothingLeft(t, b)
	})
}

// A folder without a state.json is what a create leaves that was killed early.
func TestDeleteUnfinished(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		if err := os.Mkdir(b.State+"/"+b.ID, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(b.State+"/"+b.ID, int(u.UID), int(u.GID)); err != nil {
			t.Fatal(err)
		}
		if got := b.Query().Status; got != specs.StateCreating {
			t.Errorf("status %s, want creating", got)
		}
		b.Fails([]string{"is creating, not created"}, "start", b.ID)
		b.Fails([]string{"container not running"}, "kill", b.ID, "KILL")
		b.Fails([]string{"was never finished", "hint: delete --force"}, "delete", b.ID)
		b.Must("delete", "--force", b.ID)
		nothingLeft(t, b)
	})
}

// An id in use is an error that the container with it does not feel.
func TestIDInUse(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		pidFile := b.Beside("pid")
		c := b.Create()
		pid := b.Query().Pid
		for _, command := range []string{"create", "run"} {
			b.Fails([]string{"container " + b.ID + " exists already", "hint: "}, command, "--bundle", b.Dir, "--pid-file", pidFile, b.ID)
		}
		if got := b.Query(); got.Status != specs.StateCreated || got.Pid != pid {
			t.Errorf("now it is %+v", got)
		}
		if _, err := os.Stat(pidFile); !os.IsNotExist(err) {
			t.Errorf("pid file of a container that was not made: %v", err)
		}
		b.Must("start", b.ID)
		ready(t, c)
	})
}

func TestKillSignals(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "trap")
		c := b.Detach()
		ready(t, c)
		want := "ready\n"
		for _, s := range []struct{ arg, shown string }{
			{"USR1", "SIGUSR1"}, {"SIGUSR2", "SIGUSR2"}, {"sigusr1", "SIGUSR1"}, {"12", "SIGUSR2"}, {"HUP", "SIGHUP"},
			{"RTMIN+3", "signal 37"}, {"SIGRTMAX-1", "signal 63"}, {"64", "signal 64"},
		} {
			b.Must("kill", b.ID, s.arg)
			want += s.shown + "\n"
			bundletest.Until(t, s.arg+" to arrive", func() bool { return c.Output() == want })
		}
		b.Must("kill", b.ID) // SIGTERM
		b.Wait(specs.StateStopped)
		if got := c.Output(); got != want+"SIGTERM\n" {
			t.Errorf("the container wrote %q", got)
		}
	})
}

// A created container is killed too (runtime.md, "Kill").
func TestKillCreated(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		b.Create()
		b.Must("kill", b.ID, "KILL")
		b.Wait(specs.StateStopped)
		b.Fails([]string{"is stopped, not created"}, "start", b.ID)
		b.Must("delete", b.ID)
		nothingLeft(t, b)
	})
}

// What is changed in config.json after create does not matter (runtime.md,
// "Lifecycle").
func TestConfigAfterCreate(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "echo", "first")
		c := b.Create()
		mkfile(t, configPath(b), "gone")
		b.Must("start", b.ID)
		b.Wait(specs.StateStopped)
		if got := c.Output(); got != "first\n" {
			t.Errorf("the container wrote %q", got)
		}
	})
}

// The pid of a process that has ended may be another's: state.json keeps which it
// was, and that other one is left alone.
func TestReusedPid(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		b.Globals = withoutCgroups // or else it is in the container's
		ready(t, b.Detach())
		pid := b.Query().Pid
		t.Cleanup(func() { unix.Kill(pid, unix.SIGKILL) })
		editState(t, b, another)
		if got := b.Query(); got.Status != specs.StateStopped || got.Pid != 0 {
			t.Errorf("state %+v, want stopped", got)
		}
		b.Fails([]string{"container not running"}, "kill", b.ID, "KILL")
		b.Must("delete", "--force", b.ID)
		if got := b.Processes(); !slices.Equal(got, []int{pid}) {
			t.Errorf("processes %v, want the other one, %d, untouched", got, pid)
		}
	})
}

// A state folder whose sockets' paths are too long for sun_path, unix(7).
func TestLongStateFolder(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		b.State += "/" + strings.Repeat("long/", 60)
		c := b.Create()
		if got := b.Query().Status; got != specs.StateCreated {
			t.Errorf("status %s", got)
		}
		b.Must("start", b.ID)
		ready(t, c)
		b.Must("delete", "--force", b.ID)
		nothingLeft(t, b)
	})
}

// Those who only ask do not start a container, nor keep it from being started.
func TestManyAsk(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		c := b.Create()
		var asking []*bundletest.Cmd
		for range 20 {
			ask := b.Command("list")
			if err := ask.Start(); err != nil {
				t.Fatal(err)
			}
			asking = append(asking, ask)
		}
		b.Must("start", b.ID)
		for _, ask := range asking {
			if r := ask.End(); r.Status != 0 || r.Err != "" {
				t.Errorf("%+v", r)
			}
		}
		ready(t, c)
		if got := b.Query().Status; got != specs.StateRunning {
			t.Errorf("status %s", got)
		}
	})
}
