package runtime_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundletest"
)

// rootMount says whether the root directory is a mount, and whether that has
// another below it.
func rootMount(t *testing.T) (is, below bool) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); f[4] == "/" {
			is, below = true, below || f[0] != f[1]
		}
	}
	return is, below
}

const stays = "stays below the container's, and process.capabilities.bounding has CAP_SYS_ADMIN"

// escapes runs the escape in a container that edit makes, and gives what came of
// it and of the warnings.
func escapes(t *testing.T, b *bundletest.Bundle, edit func(*specs.Spec), args ...string) (e bundletest.Escape, warned string) {
	t.Helper()
	secret := b.Beside("secret")
	mkfile(t, secret, "of the host")
	b.Write(func(s *specs.Spec) {
		s.Process.Args = b.Args("escape", secret)
		edit(s)
	})
	r := b.Runtime(append(append([]string{"run", "--bundle", b.Dir}, args...), b.ID)...)
	if err := json.Unmarshal([]byte(r.Out), &e); err != nil || r.Status != 0 {
		t.Fatalf("exit status %d: %s%s", r.Status, r.Out, r.Err)
	}
	for line := range strings.Lines(r.Err) {
		if !strings.Contains(line, stays) {
			t.Errorf("it says %s", line)
		}
		warned += line
	}
	t.Logf("found %q, took %q, entered %q, warned %q", e.Found, e.Took, e.Entered, warned)
	return e, warned
}

// powerful leaves nothing to be wished for.
func powerful(s *specs.Spec) {
	all := []string{"CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_SETPCAP", "CAP_DAC_OVERRIDE"}
	s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all}
	s.Linux.Seccomp = nil
}

// Root in a container with a user namespace of its own does not reach the root
// of the host, also where pivot_root(2) does not take that from its place: in an
// initramfs.
func TestEscape(t *testing.T) {
	is, below := rootMount(t)
	t.Logf("the root of this host is a mount: %v; with another below: %v", is, below)
	for _, row := range []struct {
		name      string
		plain     bool
		edit      func(*specs.Spec)
		reachable bool // in an initramfs
	}{
		{name: "user namespace", edit: func(s *specs.Spec) { powerful(s); remap(s) }},
		{name: "plain", plain: true, edit: powerful},
		{name: "without CAP_SYS_ADMIN", edit: func(*specs.Spec) {}},
		{name: "all capabilities", edit: powerful, reachable: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			u := bundletest.Root
			if row.plain {
				u = bundletest.Plain
			}
			b := bundletest.New(t, u(t))
			if strings.HasPrefix(row.name, "user") {
				b.Give(100000, 200000)
			}
			e, warned := escapes(t, b, row.edit)
			if want := row.reachable && !below; (warned != "") != want {
				t.Errorf("warned %q, want a warning: %v", warned, want)
			}
			if e.Found != "" && warned == "" {
				t.Errorf("it found %q", e.Found)
			}
		})
	}
}

// Without pivot_root(2) nothing keeps root from the host's, and a warning says so.
func TestEscapeNoPivot(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		if _, warned := escapes(t, b, powerful, "--no-pivot"); !strings.Contains(warned, "--no-pivot: the host's root "+stays) {
			t.Errorf("warned %q", warned)
		}
		if e, warned := escapes(t, b, func(*specs.Spec) {}, "--no-pivot"); e.Found != "" || warned != "" {
			t.Errorf("without CAP_SYS_ADMIN: found %q, warned %q", e.Found, warned)
		}
	})
}

// In a root directory that is no mount, which pivot_root(2) refuses as well, a
// container runs, and nothing of the host is below it.
func TestChrooted(t *testing.T) {
	if _, below := rootMount(t); !below {
		t.Skip("the chroot would be one in an initramfs")
	}
	b := bundletest.New(t, bundletest.Root(t))
	top := filepath.Dir(b.Dir)
	b.Around = []string{"chrooted", filepath.Join(t.TempDir(), "root"), top}
	b.Write(nil)
	r := bundletest.ReadReport(t, b.Must("run", "--bundle", b.Dir, b.ID))
	same(t, "pid", r.Pid, 1)
	b.Give(100000, 200000)
	for _, edit := range []func(*specs.Spec){func(*specs.Spec) {}, func(s *specs.Spec) { powerful(s); remap(s) }, powerful} {
		if e, warned := escapes(t, b, edit); e.Found != "" || warned != "" {
			t.Errorf("found %q, warned %q", e.Found, warned)
		}
	}
}

// What is masked in /proc stays so in a user namespace that is made inside: no
// other proc is in sight, be it below the root.
func TestMasksStay(t *testing.T) {
	bundletest.Plain(t) // who is nobody may make user namespaces
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Process.Args = b.Args("reveal")
			s.Process.User.UID, s.Process.User.GID = 5, 6 // nobody maps root's own
			if !u.IsRoot() {
				s.Process.User.UID, s.Process.User.GID = 0, 0
				set := []string{"CAP_SETFCAP"} // to map that
				s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: set, Effective: set, Permitted: set}
			}
			b.Mkdir("/mnt", 0o755)
		})
		var said map[string]string
		if out := b.Must("run", "--bundle", b.Dir, b.ID); json.Unmarshal([]byte(out), &said) != nil {
			t.Fatal(out)
		}
		for _, fs := range []string{"proc", "sysfs"} {
			if said[fs] != "inside: operation not permitted" {
				t.Errorf("mounting %s: %q", fs, said[fs])
			}
		}
	})
}
