package runtime_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// A target is the host's program, which belongs to the user.
type target struct {
	path string
	sum  [sha256.Size]byte
	mode os.FileMode
}

func newTarget(t *testing.T, b *bundletest.Bundle) target {
	t.Helper()
	p := target{path: b.OwnProgram()}
	p.sum, p.mode = p.look(t)
	return p
}

func (p target) look(t *testing.T) ([sha256.Size]byte, os.FileMode) {
	t.Helper()
	data, err := os.ReadFile(p.path)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(p.path)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(data), st.Mode()
}

// stands checks that the attack, which wrote out, was carried out in vain: it
// met what the kernel says of a read-only mount, a sealed file, or a process or
// a mount that is not the container's.
func (p target) stands(t *testing.T, out string) {
	t.Helper()
	if sum, mode := p.look(t); sum != p.sum || mode != p.mode {
		t.Fatalf("the host's program was changed: mode %v; the attack said %s", mode, out)
	}
	var said map[string]string
	if err := json.Unmarshal([]byte(out[max(0, strings.Index(out, "{")):]), &said); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	for step, why := range said {
		switch {
		case !strings.HasPrefix(step, "write") && step != "find":
		case !slices.ContainsFunc([]unix.Errno{unix.EROFS, unix.EPERM, unix.EACCES}, func(e unix.Errno) bool { return strings.HasSuffix(why, e.Error()) }):
			t.Errorf("%s: %q", step, why)
		}
	}
	if len(said) == 0 {
		t.Errorf("no attack: %q", out)
	}
}

// strong gives the process what a container has at most.
func strong(s *specs.Spec) {
	var all []string
	for _, c := range []string{"SYS_ADMIN", "SYS_PTRACE", "DAC_OVERRIDE", "FOWNER", "SYS_CHROOT", "MKNOD", "SETUID", "SETGID"} {
		all = append(all, "CAP_"+c)
	}
	s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: all, Permitted: all, Effective: all}
}

func weak(*specs.Spec) {}

// CVE-2019-5736: the container's program is the runtime's own file, which it
// overwrites when nobody executes it any more.
func TestProgramCannotBeSeized(t *testing.T) {
	for _, row := range []struct {
		name string
		args func(b *bundletest.Bundle) []string
		edit func(*specs.Spec)
	}{
		{"entrypoint", entrypoint, weak},
		{"entrypoint with capabilities", entrypoint, strong},
		{"script", script, weak},
		{"script with capabilities", script, strong},
	} {
		t.Run(row.name, func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				b := bundletest.New(t, u)
				program := newTarget(t, b)
				b.Write(func(s *specs.Spec) {
					s.Process.Args = row.args(b)
					row.edit(s)
				})
				c := b.Detach()
				b.Wait(specs.StateStopped)
				program.stands(t, c.Output()+c.Errors())
				b.Must("delete", b.ID)
				nothingLeft(t, b)
			})
		})
	}
}

// The same by exec, in a container that has been there before.
func TestProgramCannotBeSeizedByExec(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		program := newTarget(t, b)
		ready(t, b.Detach())
		c := b.Command(append([]string{"exec", "--detach", b.ID}, entrypoint(b)...)...)
		if r := c.Run(); r.Status != 0 {
			t.Fatalf("%+v", r)
		}
		bundletest.Until(t, "the attack to end", func() bool { return strings.HasSuffix(c.Output()+c.Errors(), "\n") })
		program.stands(t, c.Output()+c.Errors())
	})
}

func entrypoint(b *bundletest.Bundle) []string {
	return append([]string{"/proc/self/exe"}, b.Args("seize")[1:]...)
}

// script is executed by its first line as PROGRAM @MARK /seize.
func script(b *bundletest.Bundle) []string {
	b.File("/seize", fmt.Sprintf("#!/proc/self/exe %s\n", b.Args("")[1]), 0o755)
	return []string{"/seize"}
}

// A container in whose pid namespace another is made looks at the process that
// is to be its init, and keeps the program to overwrite it later.
func TestProgramCannotBeHunted(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(*specs.Spec)
	}{{"weak", weak}, {"with capabilities", strong}} {
		t.Run(row.name, func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				hunter := newBundle(t, u, "hunt")
				hunter.Write(func(s *specs.Spec) {
					s.Process.Args = hunter.Args("hunt")
					row.edit(s)
				})
				c := hunter.Detach()
				ready(t, c)
				home := fmt.Sprintf("/proc/%d/ns/", hunter.Query().Pid)

				b := bundletest.New(t, u)
				program := newTarget(t, b)
				b.Write(func(s *specs.Spec) {
					for i, n := range s.Linux.Namespaces {
						if n.Type == specs.PIDNamespace || n.Type == specs.UserNamespace {
							s.Linux.Namespaces[i].Path = home + procNames[n.Type]
						}
					}
					s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
				})
				b.Create()
				bundletest.Until(t, "the hunter to look at the init", func() bool {
					return strings.Contains(c.Output(), "found") || strings.Contains(c.Output(), "denied")
				})
				b.Must("delete", "--force", b.ID)
				bundletest.Until(t, "the hunter to try", func() bool { return strings.HasSuffix(c.Output(), "}\n") })
				program.stands(t, c.Output()+c.Errors())
				if u.IsRoot() && row.name != "weak" && !strings.Contains(c.Output(), "found") {
					t.Error("with CAP_SYS_PTRACE it should have seen the program")
				}
				nothingLeft(t, b)
			})
		})
	}
}
