package runtime_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundletest"
)

// said is what the container is to say, the first at once.
var said = []string{"STATUS=starting", "MAINPID=1\nREADY=1\nSTATUS=up\nFDSTORE=1"}

// hears checks that the manager hears it in its own terms.
func hears(t *testing.T, m *bundletest.Manager, pid int) {
	t.Helper()
	same(t, "message", m.Next(), fmt.Sprintf("READY=1\nSTATUS=up\nMAINPID=%d\n", pid))
	same(t, "message", m.Next(), "BARRIER=1")
}

// waits checks that the command waits for the container to be ready, and that
// the container can be asked for and signalled meanwhile.
func waits(t *testing.T, b *bundletest.Bundle, m *bundletest.Manager, c *bundletest.Cmd) {
	t.Helper()
	same(t, "message", m.Next(), "STATUS=starting\n")
	state := b.Query()
	same(t, "status", state.Status, specs.StateRunning)
	if !slices.Contains(b.Processes(), c.Process.Pid) {
		t.Error("the command has ended before the container was ready")
	}
	b.Must("kill", b.ID, "USR1")
	hears(t, m, state.Pid)
	if r := c.End(); r.Status != 0 || r.Err != "" {
		t.Errorf("%+v", r)
	}
}

func notifying(b *bundletest.Bundle, m *bundletest.Manager, args ...string) *bundletest.Cmd {
	c := b.Command(args...)
	c.Env = append(c.Env, "NOTIFY_SOCKET="+m.Socket)
	return c
}

func begin(t *testing.T, c *bundletest.Cmd) *bundletest.Cmd {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// What the container says of itself comes to the service manager, with its pid
// on the host: whichever way it is started.
func TestNotify(t *testing.T) {
	for _, row := range []struct {
		name string
		run  func(t *testing.T, b *bundletest.Bundle, m *bundletest.Manager)
	}{
		{"run", func(t *testing.T, b *bundletest.Bundle, m *bundletest.Manager) {
			waits(t, b, m, begin(t, notifying(b, m, "run", "--bundle", b.Dir, b.ID)))
		}},
		{"run detached", func(t *testing.T, b *bundletest.Bundle, m *bundletest.Manager) {
			waits(t, b, m, begin(t, notifying(b, m, "run", "--detach", "--bundle", b.Dir, b.ID)))
		}},
		{"create and start", func(t *testing.T, b *bundletest.Bundle, m *bundletest.Manager) {
			if r := notifying(b, m, "create", "--bundle", b.Dir, b.ID).Run(); r.Status != 0 || r.Err != "" {
				t.Fatalf("%+v", r)
			}
			// A socket that a start left which was killed is none.
			mkfile(t, b.State+"/"+b.ID+"/notify/notify.sock", "")
			waits(t, b, m, begin(t, notifying(b, m, "start", b.ID)))
		}},
		{"long state folder", func(t *testing.T, b *bundletest.Bundle, m *bundletest.Manager) {
			b.State += "/" + strings.Repeat("long/", 60)
			waits(t, b, m, begin(t, notifying(b, m, "run", "-d", "--bundle", b.Dir, b.ID)))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				b := newBundle(t, u, "notify", said...)
				m := b.NewManager()
				row.run(t, b, m)
				m.Nothing()
				b.Must("delete", "--force", b.ID)
				nothingLeft(t, b)
			})
		})
	}
}

// A container that ends without a word is waited for no longer.
func TestNotifyNothing(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "exit", "3")
		m := b.NewManager()
		if r := notifying(b, m, "run", "-d", "--bundle", b.Dir, b.ID).Run(); r.Status != 0 || r.Err != "" {
			t.Errorf("%+v", r)
		}
		m.Nothing()
		b.Must("delete", "--force", b.ID)
		nothingLeft(t, b)
	})
}

// A run that is interrupted while it waits leaves nothing.
func TestNotifyInterrupted(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "notify", said...)
		m := b.NewManager()
		c := begin(t, notifying(b, m, "run", "-d", "--bundle", b.Dir, b.ID))
		same(t, "message", m.Next(), "STATUS=starting\n")
		if err := c.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		c.End().Fails(t, "interrupted by SIGINT")
		nothingLeft(t, b)
	})
}

func TestBadManager(t *testing.T) {
	for _, row := range []struct{ name, env, want string }{
		{"relative", "NOTIFY_SOCKET=here", "NOTIFY_SOCKET here is neither an absolute path nor @"},
		{"abstract without a name", "NOTIFY_SOCKET=@", "NOTIFY_SOCKET @ is neither"},
		{"nobody listens", "NOTIFY_SOCKET=/nonexistent/socket", "notify /nonexistent/socket: no such file or directory"},
	} {
		t.Run(row.name, func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				b := newBundle(t, u, "notify", "READY=1")
				c := b.Command("run", "-d", "--bundle", b.Dir, b.ID)
				c.Env = append(c.Env, row.env)
				c.Run().Fails(t, row.want)
				nothingLeft(t, b)
			})
		})
	}
}

// Sockets of systemd's are the container's, before those of --preserve-fds; for
// another process than the runtime they are not.
func TestListenFDs(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		for _, row := range []struct{ pid, want string }{
			{"$$", "2 1 http:ssh\n3 first <nil>\n4 second <nil>\n5 third <nil>\n"},
			{"1", "  \n3 first <nil>\n"},
		} {
			b := newBundle(t, u, "sockets")
			c := b.Command("run", "--preserve-fds", "1", "--bundle", b.Dir, b.ID)
			for _, content := range []string{"first", "second", "third"} {
				mkfile(t, b.Beside(content), content)
				f, err := os.Open(b.Beside(content))
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				c.ExtraFiles = append(c.ExtraFiles, f)
			}
			// The process that will be the runtime knows its pid.
			c.Args = append([]string{"sh", "-c", "LISTEN_PID=" + row.pid + ` exec "$0" "$@"`, c.Path}, c.Args[1:]...)
			c.Path = "/bin/sh"
			c.Env = append(c.Env, "LISTEN_FDS=2", "LISTEN_FDNAMES=http:ssh")
			if r := c.Run(); r.Out != row.want || r.Err != "" {
				t.Errorf("LISTEN_PID=%s: %q, %q; want %q", row.pid, r.Out, r.Err, row.want)
			}
		}
	})
}

func TestListenFDsThatAreNot(t *testing.T) {
	b := bundletest.New(t, bundletest.Plain(t))
	for _, row := range []struct{ fds, want string }{
		{"x", `LISTEN_FDS "x" is not a number`}, {"-1", `LISTEN_FDS "-1" is not a number`}, {"", `LISTEN_FDS "" is not a number`},
		{"1", "LISTEN_FDS 1: descriptor 3 is not open"}, {"2147483647", "descriptor 3 is not open"}, {"9223372036854775808", "is not a number"},
	} {
		c := b.Command("create", "--bundle", b.Dir, b.ID)
		c.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, c.Path}, c.Args[1:]...)
		c.Path = "/bin/sh"
		c.Env = append(c.Env, "LISTEN_FDS="+row.fds)
		c.Run().Fails(t, row.want)
		nothingLeft(t, b)
	}
}
