package runtime_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundletest"
)

// members are the pids that ps --format json lists.
func members(t *testing.T, b *bundletest.Bundle) []int {
	t.Helper()
	var pids []int
	out := b.Must("ps", "--format", "json", b.ID)
	if err := json.Unmarshal([]byte(out), &pids); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	return pids
}

// The members of a container are all that was started in it, told by whatever
// namespace it has to itself.
func TestMembers(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(b *bundletest.Bundle, s *specs.Spec)
		who  privilege
		left bool // whether what the init leaves behind is known
	}{
		{"pid namespace", nil, anybody, true},
		{"mount namespace", func(b *bundletest.Bundle, s *specs.Spec) { dropNS(s, specs.PIDNamespace); b.Give(0, 0) }, onlyRoot, true},
		{"network namespace", func(b *bundletest.Bundle, s *specs.Spec) {
			dropNS(s, specs.PIDNamespace)
			dropNS(s, specs.MountNamespace)
			s.Mounts, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil, nil
		}, onlyRoot, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				if row.who == onlyRoot && !u.IsRoot() {
					t.Skip("a plain user's pid namespace goes with its /proc")
				}
				b, other := running(t, u, row.edit, withoutCgroups...), running(t, u, row.edit, withoutCgroups...)
				pidFile := b.Beside("exec-pid")
				c := b.Command(execArgs(b, []string{"-d", "--pid-file", pidFile}, "sleep")...)
				if r := c.Run(); r.Status != 0 {
					t.Fatalf("%+v", r)
				}
				ready(t, c)
				text, err := os.ReadFile(pidFile)
				if err != nil {
					t.Fatal(err)
				}
				pid, err := strconv.Atoi(string(text))
				if err != nil {
					t.Fatal(err)
				}
				want := []int{b.Query().Pid, pid}
				slices.Sort(want)
				same(t, "members", members(t, b), want)
				same(t, "the other's", members(t, other), []int{other.Query().Pid})

				b.Must("kill", b.ID, "KILL")
				b.Wait(specs.StateStopped)
				switch {
				case !row.left:
					b.Fails([]string{"the init of " + b.ID + " has ended", "cannot be told"}, "ps", b.ID)
				case row.edit == nil:
					same(t, "members of what has ended", members(t, b), []int{})
				case namespaceHasID(t):
					same(t, "left behind", members(t, b), []int{pid})
				}
				if p, err := os.FindProcess(pid); err == nil {
					p.Kill() // the test's own, which a pid namespace would have taken along
				}
			})
		})
	}
}

// namespaceHasID says whether the kernel gives mount namespaces a number for
// good (Linux 6.11).
func namespaceHasID(t *testing.T) bool {
	t.Helper()
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(release), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return major > 6 || major == 6 && minor >= 11
}

func TestPs(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := running(t, u, nil)
		pid := strconv.Itoa(b.Query().Pid)
		check := func(out string) {
			t.Helper()
			lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
			if len(lines) != 2 {
				t.Fatalf("output %q, want a title and a line", out)
			}
			at := slices.Index(strings.Fields(lines[0]), "PID")
			if at < 0 || strings.Fields(lines[1])[at] != pid || !strings.HasSuffix(lines[1], " sleep") {
				t.Errorf("output %q, want a line about %s", out, pid)
			}
		}
		c := b.Command("ps", b.ID)
		c.Env = append(c.Env, "PATH=/nonexistent")
		r := c.Run()
		same(t, "error without a ps", r.Err, "")
		check(r.Out)
		if title := strings.Join(strings.Fields(r.Out)[:8], " "); title != "UID PID PPID C STIME TTY TIME CMD" {
			t.Errorf("title %q", title)
		}
		c = b.Command("ps", b.ID, "-x")
		c.Env = append(c.Env, "PATH=/nonexistent")
		c.Run().Fails(t, "run ps -x: ", "hint: ")
		b.Fails([]string{"--format xml: is not table or json"}, "ps", "-f", "xml", b.ID)
		b.Fails([]string{"container does not exist"}, "ps", b.ID+"x")
		if _, err := os.Stat("/usr/bin/ps"); err != nil {
			t.Skip("the rest takes the host's ps")
		}
		check(b.Must("ps", b.ID, "-ww", "-ef"))
		check(b.Must("ps", b.ID, "-ww", "-eo", "comm,pid,args"))
		b.Fails([]string{"ps --none: exit status 1: "}, "ps", b.ID, "--none")
		b.Fails([]string{"ps -eo comm: no column PID"}, "ps", b.ID, "-eo", "comm")
	})
}
