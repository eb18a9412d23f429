package enter_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundletest"
	"ocibox/core/proc"
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

// CVE-2019-5736, by nsenter: what is executed in the container is our own file,
// which it overwrites when nobody executes it any more.
func TestProgramCannotBeSeized(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Process.Args = b.Args("sleep")
			var all []string
			for _, c := range []string{"SYS_ADMIN", "SYS_PTRACE", "DAC_OVERRIDE", "FOWNER", "SYS_CHROOT", "MKNOD"} {
				all = append(all, "CAP_"+c)
			}
			s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: all, Permitted: all, Effective: all}
		})
		cmd := b.Detach()
		bundletest.Until(t, "the container", func() bool { return strings.Contains(cmd.Output(), "ready") })
		h := newTools(t, u.IsRoot())
		program := h.at("program")
		if h.cred != nil {
			check(t, os.Chown(program, plainID, plainID))
		}
		before, err := os.ReadFile(program)
		check(t, err)
		args := append([]string{"nsenter", "--state", b.State, "--container", b.ID, "/proc/self/exe"}, b.Args("seize")[1:]...)
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		check(t, err)
		defer out.Close()
		attack := h.command(args...)
		attack.Stdout, attack.Stderr = out, out
		check(t, attack.Start())
		bundletest.Until(t, "the attack to begin", func() bool {
			st, err := out.Stat()
			check(t, err)
			return st.Size() > 0 || slices.ContainsFunc(b.Processes(), func(pid int) bool { return slices.Contains(proc.Args(pid), "overwrite") })
		})
		// As long as nsenter is there nobody can write to what it executes.
		if err := attack.Process.Kill(); !errors.Is(err, os.ErrProcessDone) {
			check(t, err)
		}
		attack.Wait()
		bundletest.Until(t, "the attack to end", func() bool { return len(b.Processes()) == 1 })
		said, err := os.ReadFile(out.Name())
		check(t, err)
		after, err := os.ReadFile(program)
		check(t, err)
		if !bytes.Equal(before, after) {
			t.Fatal("the program was changed")
		}
		tried := 0
		for _, word := range []string{"read-only file system", "operation not permitted", "permission denied"} {
			tried += strings.Count(string(said), word)
		}
		if tried == 0 {
			t.Errorf("no attack: %s", said)
		}
	})
}
