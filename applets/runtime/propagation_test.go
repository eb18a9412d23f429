package runtime_test

import (
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundletest"
)

func TestRootfsPropagation(t *testing.T) {
	for word, want := range map[string]string{
		"shared": "shared:", "rshared": "shared:", "slave": "", "rslave": "", "private": "", "rprivate": "", "unbindable": "unbindable", "runbindable": "unbindable",
	} {
		t.Run(word, func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				r := bundletest.Inside(t, u, func(s *specs.Spec) { s.Linux.RootfsPropagation = word })
				kind := func(point string) string {
					var kinds []string
					for _, p := range r.Mount(t, point).Propagation {
						if p = strings.TrimRight(p, "0123456789"); p != "master:" { // of the host's own
							kinds = append(kinds, p)
						}
					}
					return strings.Join(kinds, " ")
				}
				same(t, "root", kind("/"), want)
				below := ""
				if word[0] == 'r' {
					below = want
				}
				same(t, "below", kind("/dev"), below)
			})
		})
	}
	testBad(t, []bad{
		{name: "unknown", edit: set(func(s *specs.Spec) { s.Linux.RootfsPropagation = "rrshared" }), want: []string{`linux.rootfsPropagation: "rrshared" is none of shared, slave, private`}},
		{name: "of the host", edit: set(func(s *specs.Spec) {
			dropNS(s, specs.MountNamespace)
			s.Mounts, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil, nil
			s.Linux.RootfsPropagation = "shared"
		}), want: []string{"linux.rootfsPropagation: would be the host's", "hint: add"}},
	})
}

// What is mounted inside, below a bind mount that is shared, shows up on the
// host if the root is shared, and else not. What the host has mounted stays.
func TestPropagationToHost(t *testing.T) {
	for word, want := range map[string]string{"rshared": "/kept\n/sub\n", "shared": "/kept\n/sub\n", "": "/kept\n", "rslave": "/kept\n", "private": "/kept\n"} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			b := bundletest.New(t, bundletest.Root(t))
			dir := b.Beside("host")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			b.Write(func(s *specs.Spec) {
				s.Linux.RootfsPropagation = word
				s.Process.Args = b.Args("mount", "/mnt/sub")
				for _, set := range []*[]string{&s.Process.Capabilities.Bounding, &s.Process.Capabilities.Permitted, &s.Process.Capabilities.Effective} {
					*set = append(*set, "CAP_SYS_ADMIN")
				}
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mnt", Source: dir, Options: []string{"rbind", "rshared"}})
			})
			r := b.Command("run", "--bundle", b.Dir, b.ID).Through("isolated", dir).Run()
			if r.Status != 0 || r.Out != want {
				t.Errorf("status %d, mounted on the host: %q, want %q; %s", r.Status, r.Out, want, r.Err)
			}
		})
	}
}

func TestBindSymlinks(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		mkfile(t, b.Dir+"/file", "text")
		for link, target := range map[string]string{b.Dir + "/link": "file", b.Dir + "/far": "/of/the/container"} {
			if err := os.Symlink(target, link); err != nil {
				t.Fatal(err)
			}
		}
		b.File("/target", "kept", 0o644)
		b.Symlink("target", "/onto")
		b.Symlink("old", "/stale")
		bind := func(dest, source string, options ...string) specs.Mount {
			return specs.Mount{Destination: dest, Source: source, Options: append(options, "bind")}
		}
		for range 2 { // the second time the symlinks are there
			looks := b.Look(func(s *specs.Spec) {
				s.Mounts = append(s.Mounts,
					bind("/deep/er/copied", "far", "copy-symlink"),
					bind("/stale", "far", "copy-symlink"),
					bind("/plain", "file", "copy-symlink"),
					bind("/followed", "link"),
					bind("/itself", "link", "src-nofollow"),
					bind("/onto", "file", "dest-nofollow"))
			}, "/deep/er/copied", "/stale", "/plain", "/followed", "/itself", "/onto", "/target")
			for path, want := range map[string]string{"/deep/er/copied": "/of/the/container", "/stale": "/of/the/container", "/itself": "file", "/plain": "", "/onto": ""} {
				same(t, path, looks[path].Link, want)
			}
			for path, want := range map[string]string{"/plain": "text", "/followed": "text", "/onto": "text", "/target": "kept"} {
				same(t, path, looks[path].Content, want)
			}
		}
	})
	testBad(t, []bad{{name: "copied onto a file", edit: withMount(specs.Mount{Destination: "/init", Source: "link", Options: []string{"bind", "copy-symlink"}}),
		prep: func(t *testing.T, b *bundletest.Bundle) {
			if err := os.Symlink("x", b.Dir+"/link"); err != nil {
				t.Fatal(err)
			}
		}, want: []string{"mounts[6] /init", "file exists"}}})
}

func TestRemountFileSystem(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		r := bundletest.Inside(t, u, func(s *specs.Spec) {
			s.Mounts = append(s.Mounts,
				specs.Mount{Destination: "/mnt", Type: "tmpfs", Options: []string{"size=64k"}},
				specs.Mount{Destination: "/mnt", Options: []string{"remount", "size=128k", "nosuid"}})
		})
		m := r.Mount(t, "/mnt")
		same(t, "size", strings.Contains(strings.Join(m.Super, ","), "size=128k"), true)
		same(t, "nosuid", m.Has("nosuid"), true)
	})
}

// Without pivot_root(2), the root is the same, and the host's /proc and /sys
// are not below it.
func TestNoPivot(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.File("/own", "text", 0o644)
		b.Write(func(s *specs.Spec) { s.Process.Args = b.Args("look", "/own", "/..", "/proc/self/root/own") })
		looks := bundletest.ReadLooks(t, b.Must("run", "--no-pivot", "--bundle", b.Dir, b.ID))
		same(t, "file", looks["/own"].Content, "text")
		same(t, "file of the root", looks["/proc/self/root/own"].Content, "text")
		same(t, "the root is its own parent", strings.Contains(looks["/.."].Content, "own "), true)

		b.Write(nil)
		r := bundletest.ReadReport(t, b.Must("run", "--no-pivot", "--bundle", b.Dir, b.ID))
		for _, m := range r.Mounts {
			if m.Type == "proc" && m.Point != "/proc" && !strings.HasPrefix(m.Point, "/proc/") {
				t.Errorf("proc at %s", m.Point)
			}
		}
	})
	testBad(t, []bad{{name: "private root", edit: set(func(s *specs.Spec) { s.Linux.RootfsPropagation = "rprivate" }), args: []string{"--no-pivot"},
		want: []string{"linux.rootfsPropagation: rprivate is not safe without pivot_root(2)"}}})
}
