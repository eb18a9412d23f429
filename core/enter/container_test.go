package enter_test

import (
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundletest"
)

// A container is entered by its name.
func TestContainer(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Process.Args = b.Args("sleep")
			s.Hostname = "entered"
		})
		cmd := b.Detach()
		bundletest.Until(t, "the container", func() bool { return strings.Contains(cmd.Output(), "ready") })
		h := newTools(t, u.IsRoot())
		args := []string{"nsenter", "--state", b.State, "--container", b.ID}
		pid := strconv.Itoa(b.Query().Pid)
		// Its one program is there, and what it is in.
		r := bundletest.ReadReport(t, h.must(append(args, b.Args("report")...)...))
		if r.Hostname != "entered" || r.Pid == 1 || r.Cwd != "/" || r.UIDs != [3]int{} || r.GIDs != [3]int{} {
			t.Errorf("%+v", r)
		}
		its := namespaces(pid)
		for kind, ns := range r.Namespaces {
			if its[kind] != ns {
				t.Errorf("%s: %s, the container's init is in %s", kind, ns, its[kind])
			}
		}
		// Only one of its namespaces.
		one := []string{"nsenter", "--state", b.State, "--container", b.ID, "-u"}
		if !u.IsRoot() {
			one = append(one, "-U", "--preserve-credentials")
		}
		if got := h.inside(one...); got["uts"] != its["uts"] || got["mnt"] != namespaces("self")["mnt"] {
			t.Errorf("%v", got)
		}
		if got := h.must(append(append([]string{}, args...), "--explain")...); !strings.Contains(got, "/proc/"+pid+"/ns/mnt") || !strings.Contains(got, "/proc/"+pid+"/root") {
			t.Errorf("%s", got)
		}
		b.Must("kill", b.ID, "KILL")
		b.Wait(specs.StateStopped)
		for id, want := range map[string]string{b.ID: ": container not running", "nonesuch": "nonesuch"} {
			r := h.run("nsenter", "--state", b.State, "--container", id, "true")
			if r.status.ExitStatus() != 1 || !strings.HasPrefix(r.err, "nsenter: --container: ") || !strings.Contains(r.err, want) {
				t.Errorf("%s: %+v", id, r)
			}
		}
	})
}
