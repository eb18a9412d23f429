package runtime_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// Each test here carries out an attack that worked against a runtime once, and
// looks whether anything changed outside of the container's root.

// outside is a tree of the host beside a bundle's root.
type outside struct {
	t    *testing.T
	path string
	was  string
}

// newOutside makes a tree that the bundle's user can write to, as what is
// attacked by links.
func newOutside(t *testing.T, b *bundletest.Bundle) *outside {
	t.Helper()
	o := &outside{t: t, path: b.Beside("outside")}
	for _, dir := range []string{"a", "empty"} {
		if err := os.MkdirAll(filepath.Join(o.path, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	mkfile(t, filepath.Join(o.path, "a", "secret"), "secret")
	b.Mkdir("/", 0o755) // gives all of it to the user
	o.was = o.look()
	return o
}

// look is what there is, with all that a runtime could change.
func (o *outside) look() string {
	o.t.Helper()
	var s strings.Builder
	err := filepath.WalkDir(o.path, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		fmt.Fprintln(&s, path, st.Mode, st.Uid, st.Gid, st.Rdev, st.Size, st.Dev, st.Ino)
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return s.String()
}

func (o *outside) unchanged(what string) {
	o.t.Helper()
	if is := o.look(); is != o.was {
		o.t.Errorf("%s: outside of the root was\n%s\nand is\n%s", what, o.was, is)
	}
}

// links are the ways to name the tree in a symlink of the bundle's root.
func (o *outside) links(b *bundletest.Bundle, from string) []string {
	o.t.Helper()
	rel, err := filepath.Rel(filepath.Dir(b.Path(from)), o.path)
	if err != nil {
		o.t.Fatal(err)
	}
	return []string{o.path, rel, "../../../../../../../../../../.." + o.path}
}

// attempt runs a container that may be refused, but not otherwise fail.
func attempt(t *testing.T, b *bundletest.Bundle) {
	t.Helper()
	r := b.Runtime("run", "--bundle", b.Dir, b.ID)
	if r.Status == 0 {
		return
	}
	r.Out = "" // of a process that was executed
	r.Fails(t)
}

// A directory of the image that is a symlink out of it leads nowhere (crun's
// CVE-2019-18837; CVE-2026-41579 and -47766 for /dev).
func TestLinkedDirectories(t *testing.T) {
	for _, link := range []string{"/dev", "/vol", "/etc", "/tmp"} {
		t.Run(link[1:], func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				b := bundletest.New(t, u)
				o := newOutside(t, b)
				for _, target := range o.links(b, link) {
					os.Remove(b.Path(link))
					b.Symlink(target, link)
					b.Write(func(s *specs.Spec) {
						s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool { return strings.HasPrefix(m.Destination, "/dev") })
						s.Mounts = append(s.Mounts,
							specs.Mount{Destination: link + "/made/deep", Type: "tmpfs"},
							specs.Mount{Destination: link + "/file", Type: "bind", Source: b.Path("init"), Options: []string{"bind"}},
							specs.Mount{Destination: link + "/a", Type: "tmpfs", Options: []string{"tmpcopyup"}})
						s.Linux.MaskedPaths = []string{link + "/a/secret", link + "/empty"}
						s.Linux.ReadonlyPaths = []string{link + "/a", link}
						s.Process.Cwd = link + "/cwd/deep"
					})
					attempt(t, b)
					o.unchanged("link to " + target)
				}
				nothingLeft(t, b)
			})
		})
	}
}

// /proc and /sys as symlinks would make what is masked and what labels are
// written to something else (CVE-2019-19921, CVE-2023-27561, CVE-2023-28642).
func TestLinkedProc(t *testing.T) {
	for _, path := range []string{"/proc", "/sys"} {
		t.Run(path[1:], func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				b := bundletest.New(t, u)
				b.Mkdir("/x", 0o755)
				b.Symlink("x", path)
				b.Write(func(s *specs.Spec) {
					s.Mounts = []specs.Mount{{Destination: "/proc", Type: "proc"}, {Destination: "/sys", Type: "sysfs"}}
				})
				b.Fails([]string{"mounts[", path}, "run", "--bundle", b.Dir, b.ID)
				nothingLeft(t, b)
			})
		})
	}
}

// exchanger swaps two names of a directory for each other until it is stopped.
type exchanger struct {
	stop  atomic.Bool
	done  sync.WaitGroup
	times atomic.Int64
}

func (e *exchanger) start(t *testing.T, a, b string) {
	t.Helper()
	e.done.Go(func() {
		for !e.stop.Load() {
			if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE); err != nil {
				t.Errorf("exchange: %v", err)
				return
			}
			e.times.Add(1)
		}
	})
}

// end stops it, and says that it did attack.
func (e *exchanger) end(t *testing.T, attacks int) {
	t.Helper()
	e.stop.Store(true)
	e.done.Wait()
	if n := e.times.Load(); n < int64(attacks) {
		t.Errorf("only %d exchanges for %d containers", n, attacks)
	}
}

// A part of a volume is a directory at one moment and a symlink out of the root
// at the next, while containers are made on it (CVE-2021-30465, CVE-2024-45310,
// CVE-2025-31133, CVE-2025-52881).
func TestExchangedDirectories(t *testing.T) {
	const attacks = 100 // for each of the two users
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		o := newOutside(t, b)
		for i, path := range []string{"/vol", "/other"} {
			b.Mkdir(path+"/a/b", 0o777)
			b.File(path+"/a/secret", "the container's", 0o666)
			b.Symlink(o.links(b, path+"/link")[i], path+"/link")
		}
		b.Write(func(s *specs.Spec) {
			s.Process.Cwd = "/other/a/cwd"
			for _, path := range []string{"/vol", "/other"} {
				s.Mounts = append(s.Mounts,
					specs.Mount{Destination: path + "/a/made/deep", Type: "tmpfs", Source: path + " deep"},
					specs.Mount{Destination: path + "/a/b", Type: "tmpfs", Source: path + " b"},
					specs.Mount{Destination: path + "/a/file", Type: "bind", Source: b.Path("init"), Options: []string{"bind"}})
				s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, path+"/a/secret", path+"/a/b")
				s.Linux.ReadonlyPaths = append(s.Linux.ReadonlyPaths, path+"/a")
			}
		})
		var race exchanger
		race.start(t, b.Path("vol/a"), b.Path("vol/link"))
		race.start(t, b.Path("other/a"), b.Path("other/link"))
		ran := 0
		for range attacks {
			r := b.Runtime("run", "--bundle", b.Dir, b.ID)
			if r.Status != 0 {
				r.Fails(t)
				continue
			}
			ran++
			// A read-only path is a copy, with what is mounted there.
			inside := map[string]bool{}
			for _, m := range bundletest.ReadReport(t, r.Out).Mounts {
				inside[m.Source] = true
			}
			for _, m := range []string{`/vol\040deep`, `/vol\040b`, `/other\040deep`, `/other\040b`} {
				if !inside[m] {
					t.Errorf("mount %q is not inside: %v", m, inside)
				}
			}
		}
		race.end(t, attacks)
		if ran == 0 {
			t.Error("no container of all ran: nothing was attacked")
		}
		o.unchanged("race")
		nothingLeft(t, b)
	})
}

// A file is masked by the host's null device, and default devices are the
// kernel's, whatever the image has at /dev/null and /dev/console (CVE-2025-31133,
// CVE-2025-52565).
func TestPlantedDevices(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		for _, name := range []string{"null", "console", "pts/0", "fd"} {
			b := bundletest.New(t, u)
			o := newOutside(t, b)
			b.File("/secret", "secret", 0o666)
			b.Mkdir("/dev/pts", 0o755)
			b.Symlink(filepath.Join(o.path, "a", "secret"), "/dev/"+name)
			b.Write(func(s *specs.Spec) {
				s.Mounts = s.Mounts[:1]
				s.Linux.MaskedPaths = []string{"/secret", "/dev/" + name}
				s.Process.Args = b.Args("write", "/secret")
			})
			attempt(t, b)
			o.unchanged("/dev/" + name)
			st, err := os.ReadFile(b.Path("secret"))
			if err != nil || string(st) != "secret" {
				t.Errorf("/dev/%s: the masked file holds %q, %v", name, st, err)
			}
			nothingLeft(t, b)
		}
	})
}

// The terminal's other end is not looked for by a name of the image's.
func TestPlantedTerminal(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		o := newOutside(t, b)
		b.Mkdir("/dev", 0o755)
		b.Symlink(filepath.Join(o.path, "a", "secret"), "/dev/console")
		b.Symlink(filepath.Join(o.path, "a"), "/dev/pts")
		b.Write(func(s *specs.Spec) {
			s.Process.Terminal = true
			s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool { return m.Destination == "/dev" })
		})
		attempt(t, b)
		o.unchanged("terminal")
		nothingLeft(t, b)
	})
}

// A number is never looked up as a name (CVE-2016-3697).
func TestNumericUserIsNoName(t *testing.T) {
	r := bundletest.New(t, bundletest.Root(t))
	r.File("/etc/passwd", "1000:x:0:0::/root:/bin/sh\n", 0o644)
	r.File("/etc/group", "1000:x:0:\n", 0o644)
	r.Write(func(s *specs.Spec) { s.Process.User = specs.User{UID: 1000, GID: 1000} })
	in := r.Report()
	same(t, "uids", in.UIDs, [3]int{1000, 1000, 1000})
	same(t, "gids", in.GIDs, [3]int{1000, 1000, 1000})
}

// No capability is inheritable or ambient that config.json does not give so
// (CVE-2022-24769, CVE-2022-29162).
func TestNothingInheritable(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		r := bundletest.Inside(t, u, nil)
		for _, set := range []string{"CapInh", "CapAmb"} {
			same(t, set, r.Status[set], "0000000000000000")
		}
	})
}

// A working directory by a descriptor that the runtime had open is one outside
// (CVE-2024-21626).
func TestCwdByDescriptor(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Mkdir("/link", 0o755)
		for fd := 3; fd < 14; fd++ {
			for i, path := range []string{"/proc/self/fd/%d", "/proc/1/fd/%d", "/link/%d", "/proc/self/fd/%d/../.."} {
				cwd := fmt.Sprintf(path, fd)
				if i == 2 {
					b.Symlink(fmt.Sprintf("/proc/self/fd/%d", fd), cwd)
				}
				b.Write(func(s *specs.Spec) { s.Process.Cwd = cwd })
				b.Fails([]string{"process.cwd"}, "run", "--bundle", b.Dir, b.ID)
			}
		}
		nothingLeft(t, b)
	})
}

// A process cannot type into the terminal that its standard input is
// (CVE-2016-2779, CVE-2017-5226).
func TestTyping(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) { s.Process.Args = b.Args("type") })
		_, terminal := openTerminal(t)
		c := b.Command("run", "--bundle", b.Dir, b.ID)
		onTerminal(c, terminal)
		c.Stdout = nil
		r := c.Run()
		if r.Status == 0 || !strings.Contains(r.Err, "inside: ") {
			t.Errorf("typing: %+v", r)
		}
	})
}

// Strings and lists that are longer than any number of bits of a message of
// ours are used or refused whole (CVE-2021-43784).
func TestLongConfig(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		long := strings.Repeat("x", 1<<16+5)
		for field, edit := range map[string]func(*specs.Spec){
			"linux.uidMappings": func(s *specs.Spec) {
				s.Linux.UIDMappings = nil
				for i := range uint32(400) {
					s.Linux.UIDMappings = append(s.Linux.UIDMappings, specs.LinuxIDMapping{ContainerID: i, HostID: 600000 + 2*i, Size: 1})
				}
				if u.IsRoot() {
					s.Linux.GIDMappings = []specs.LinuxIDMapping{{HostID: 0, Size: 1}}
					s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
				}
			},
			"mounts[0]":              func(s *specs.Spec) { s.Mounts = []specs.Mount{{Destination: "/" + long, Type: "tmpfs"}} },
			"linux.maskedPaths[0]":   func(s *specs.Spec) { s.Linux.MaskedPaths = []string{"/" + long} },
			"linux.namespaces[0]":    func(s *specs.Spec) { s.Linux.Namespaces[0].Path = "/" + long },
			"process.cwd":            func(s *specs.Spec) { s.Process.Cwd = "/" + long },
			"root.path":              func(s *specs.Spec) { s.Root.Path = long },
			"argument list too long": func(s *specs.Spec) { s.Process.Env = append(s.Process.Env, "A="+long+long) },
		} {
			b.Write(edit)
			b.Fails([]string{field}, "run", "--bundle", b.Dir, b.ID)
		}
		b.Write(func(s *specs.Spec) {
			for i := range 1000 {
				s.Process.Env = append(s.Process.Env, fmt.Sprintf("A%d=%s", i, long[:500]))
				s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, fmt.Sprintf("/none/%s/%d", long[:200], i))
			}
		})
		if r := b.Report(); len(r.Env) < 1000 || !slices.Contains(r.Env, "A999="+long[:500]) {
			t.Errorf("%d variables", len(r.Env))
		}
		nothingLeft(t, b)
	})
}
