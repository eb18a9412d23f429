package runtime_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// mounted runs a container with one more mount, and tells what mountinfo says
// of it.
func mounted(t *testing.T, u bundletest.User, m specs.Mount) bundletest.Mount {
	t.Helper()
	return bundletest.Inside(t, u, func(s *specs.Spec) { s.Mounts = append(s.Mounts, m) }).Mount(t, m.Destination)
}

func TestMountOptions(t *testing.T) {
	for _, row := range []struct {
		words        string
		want         []string // of the mount
		without      []string
		super        []string // of the file system
		superWithout []string
	}{
		{"", []string{"rw", "relatime"}, []string{"nosuid", "nodev", "noexec"}, []string{"rw"}, nil},
		{"ro,nosuid,nodev,noexec,noatime,nosymfollow", []string{"ro", "nosuid", "nodev", "noexec", "noatime", "nosymfollow"}, []string{"relatime"}, nil, nil},
		{"nodiratime,strictatime", []string{"rw", "nodiratime"}, []string{"relatime", "noatime"}, nil, nil},
		{"noatime,relatime", []string{"relatime"}, []string{"noatime"}, nil, nil},
		{"ro,nosuid,rw,suid", []string{"rw"}, []string{"ro", "nosuid"}, nil, nil},
		{"rw,ro", []string{"ro"}, []string{"rw"}, nil, nil},
		{"rro,rnosuid", []string{"ro", "nosuid"}, nil, nil, nil},
		{"size=1m,mode=700,nr_inodes=77", []string{"rw"}, nil, []string{"size=1024k", "mode=700", "nr_inodes=77"}, nil},
		{"defaults,silent,loud", []string{"rw", "relatime"}, nil, nil, nil},
		{"sync,dirsync", nil, nil, []string{"sync", "dirsync"}, nil},
		{"ro,size=64k", []string{"ro"}, nil, []string{"rw", "size=64k"}, []string{"ro"}}, // this mount, not the file system
	} {
		t.Run(row.words, func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				m := mounted(t, u, specs.Mount{Destination: "/mnt", Type: "tmpfs", Source: "some-name", Options: strings.Split(row.words, ",")})
				same(t, "source", m.Source, "some-name")
				check := func(what string, got, want, without []string) {
					for _, w := range want {
						if !slices.Contains(got, w) {
							t.Errorf("%s: %s not in %q", what, w, got)
						}
					}
					for _, w := range without {
						if slices.Contains(got, w) {
							t.Errorf("%s: %s in %q", what, w, got)
						}
					}
				}
				check("mount", m.Options, row.want, row.without)
				check("file system", m.Super, row.super, row.superWithout)
			})
		})
	}
}

// What fsconfig(2) has no room for, mount(2) takes: the paths of an overlay.
func TestLongOptions(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		deep := b.Beside(strings.Repeat("d", 200))
		options := []string{"ro", "nosuid", "nodev", "noatime", "shared"}
		for _, dir := range []string{"lower", "upper", "work"} {
			path := deep + "/" + strings.Repeat(dir, 20)
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			for _, p := range []string{deep, path} {
				if err := os.Chown(p, int(b.UID), int(b.GID)); err != nil {
					t.Fatal(err)
				}
			}
			options = append(options, dir+"dir="+path)
		}
		b.Write(func(s *specs.Spec) {
			s.Process.Args = b.Args("report")
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/over", Type: "overlay", Options: options})
		})
		if r := b.Runtime("explain", "--bundle", b.Dir); !strings.Contains(r.Out, `mount("overlay", ".", "overlay", MS_RDONLY|MS_NOSUID|MS_NODEV|MS_NOATIME, "lowerdir=`) {
			t.Errorf("explain: %+v", r)
		}
		m := b.Report().Mount(t, "/over")
		for _, w := range []string{"ro", "nosuid", "nodev", "noatime"} {
			if !slices.Contains(m.Options, w) {
				t.Errorf("%s not in %q", w, m.Options)
			}
		}
		if !slices.ContainsFunc(m.Propagation, func(p string) bool { return strings.HasPrefix(p, "shared:") }) {
			t.Errorf("propagation %q", m.Propagation)
		}
	})
}

func TestMountPropagation(t *testing.T) {
	for words, want := range map[string]string{
		"": "", "private": "", "rprivate": "", "slave": "", "shared": "shared:", "rshared": "shared:", "unbindable": "unbindable", "runbindable": "unbindable",
		"shared,private": "", "private,shared": "shared:",
	} {
		t.Run(words, func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				m := mounted(t, u, specs.Mount{Destination: "/mnt", Type: "tmpfs", Options: strings.Split(words, ",")})
				var got []string
				for _, p := range m.Propagation {
					got = append(got, strings.TrimRight(p, "0123456789"))
				}
				same(t, "propagation", strings.Join(got, " "), want)
			})
		})
	}
}

// Nothing that is mounted inside shows up outside, and the container's root has
// no peer there.
func TestMountsStayInside(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Process.Args = b.Args("sleep")
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mnt", Type: "tmpfs", Options: []string{"rshared"}})
		})
		ready(t, b.Detach())
		for _, left := range b.Left() {
			if strings.HasPrefix(left, "mount ") {
				t.Error(left)
			}
		}
		b.Must("delete", "--force", b.ID)
	})
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		r := bundletest.Inside(t, u, nil)
		for _, p := range r.Mount(t, "/").Propagation {
			if strings.HasPrefix(p, "shared:") {
				t.Errorf("the root is %s", p)
			}
		}
	})
}

func TestBind(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		if err := os.MkdirAll(b.Dir+"/data/deep", 0o755); err != nil {
			t.Fatal(err)
		}
		mkfile(t, b.Dir+"/data/file", "text")
		if !u.IsRoot() {
			for _, path := range []string{"data", "data/deep", "data/file"} {
				if err := os.Chown(b.Dir+"/"+path, int(u.UID), int(u.GID)); err != nil {
					t.Fatal(err)
				}
			}
		}
		b.File("/existing", "hidden", 0o644)
		b.Symlink("/made/by/link", "/dangling")
		b.Symlink("../../../../existing", "/link")
		bind := func(dest, source string, options ...string) specs.Mount {
			return specs.Mount{Destination: dest, Source: source, Type: "bind", Options: options}
		}
		looks := b.Look(func(s *specs.Spec) {
			s.Mounts = append(s.Mounts,
				bind("/dir", "data", "bind"),               // relative to the bundle
				bind("/dir/deep/er", b.Dir+"/data", "ro"),  // below the one before; made in it
				bind("/new/file", "data/file", "bind"),     // what it is mounted on is made, a file
				bind("/link", "data/file", "bind", "ro"),   // through a symlink, within the root
				bind("/dangling/sub", "data", "rbind"),     // through one that leads nowhere yet
				bind("/proc/sys/../../up", "data", "bind"), // cleaned
			)
		}, "/dir", "/dir/file", "/dir/deep/er", "/new/file", "/existing", "/link", "/made/by/link/sub/file", "/up/file", "/dir/deep/er/file")
		for path, want := range map[string]bundletest.Look{
			"/dir":                   {Content: "deep file "},
			"/dir/file":              {Content: "text"},
			"/dir/deep/er":           {Content: "deep file ", WriteErr: "read-only file system"},
			"/dir/deep/er/file":      {Content: "text", WriteErr: "read-only file system"},
			"/new/file":              {Content: "text"},
			"/existing":              {Content: "text", WriteErr: "read-only file system"},
			"/made/by/link/sub/file": {Content: "text"},
			"/up/file":               {Content: "text"},
		} {
			got := looks[path]
			if got.Err != "" || got.ReadErr != "" || got.Content != want.Content || !strings.HasSuffix(got.WriteErr, want.WriteErr) || got.WriteErr != "" && want.WriteErr == "" {
				t.Errorf("%s: %+v, want %+v", path, got, want)
			}
		}
		// Mount points that were missing are made with the plainest modes.
		for path, mode := range map[string]os.FileMode{"/new": os.ModeDir | 0o755, "/made/by/link": os.ModeDir | 0o755, "/new/file": 0o755} {
			info, err := os.Stat(b.Path(path))
			if err != nil || info.Mode() != mode {
				t.Errorf("%s on the host: %v, %v; want %v", path, info.Mode(), err, mode)
			}
		}
		if data, err := os.ReadFile(b.Path("existing")); err != nil || string(data) != "hidden" {
			t.Errorf("what was mounted over is now %q, %v", data, err)
		}
		if _, err := os.Stat("/made"); !os.IsNotExist(err) {
			t.Errorf("/made on the host: %v", err)
		}
	})
}

// rbind takes along what is mounted below; "ro" is for the one mount, "rro" for
// all of them.
func TestBindRecursive(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		if !slices.ContainsFunc(hostMounts(t), func(point string) bool { return point == "/dev/pts" }) {
			t.Skip("needs something that is mounted below /dev")
		}
		for word, below := range map[string]string{"ro": "rw", "rro": "ro"} {
			r := bundletest.Inside(t, u, func(s *specs.Spec) {
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/host", Source: "/dev", Options: []string{"rbind", word, "rnoexec"}})
			})
			top, sub := r.Mount(t, "/host"), r.Mount(t, "/host/pts")
			if !top.Has("ro", "noexec") || !sub.Has(below, "noexec") {
				t.Errorf("%s: %q, below it %q", word, top.Options, sub.Options)
			}
		}
	})
	t.Run("alone", func(t *testing.T) {
		t.Parallel()
		r := bundletest.Inside(t, bundletest.Root(t), func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/host", Source: "/dev", Options: []string{"bind"}})
		})
		for _, m := range r.Mounts {
			if strings.HasPrefix(m.Point, "/host/") {
				t.Errorf("bind took %s along", m.Point)
			}
		}
	})
}

func hostMounts(t *testing.T) (points []string) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		points = append(points, strings.Fields(line)[4])
	}
	return points
}

func TestRemount(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Mounts = append(s.Mounts,
				specs.Mount{Destination: "/mnt", Type: "tmpfs", Options: []string{"nosuid", "noatime"}},
				specs.Mount{Destination: "/mnt/made", Type: "tmpfs"},
				specs.Mount{Destination: "/mnt", Options: []string{"remount", "ro", "noexec"}})
		})
		r := b.Report()
		if m := r.Mount(t, "/mnt"); !m.Has("ro", "noexec", "nosuid", "noatime") {
			t.Errorf("%q", m.Options)
		}
		if m := r.Mount(t, "/mnt/made"); !m.Has("rw") {
			t.Errorf("below it: %q", m.Options)
		}
	})
}

// A relative destination is taken from the root, with a warning.
func TestRelativeDestination(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "mnt", Type: "tmpfs"}, specs.Mount{Destination: "/m2", Type: "tmpfs", Options: []string{"iversion"}})
		})
		r := b.Runtime("run", "--bundle", b.Dir, b.ID)
		if r.Status != 0 || !strings.Contains(r.Err, `warning: mounts[6].destination: "mnt" is not absolute, taken as /mnt`) ||
			!strings.Contains(r.Err, "warning: mounts[7].options: iversion has no effect") {
			t.Errorf("status %d, %s", r.Status, r.Err)
		}
		same(t, "type", bundletest.ReadReport(t, r.Out).Mount(t, "/mnt").Type, "tmpfs")
	})
}

// A tmpfs has the mode of what it covers, unless an option says another; where
// it covers nothing, the kernel's.
func TestTmpfsMode(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Mkdir("/plain", 0o2710)
		b.Mkdir("/said", 0o700)
		b.Mkdir("/copied", 0o700)
		b.File("/copied/file", "", 0o644)
		b.Mkdir("/copied", 0o1733)
		mounts := map[string]struct {
			options []string
			mode    uint32
		}{
			"/plain":     {nil, 0o2710},
			"/said":      {[]string{"mode=0751"}, 0o751},
			"/none":      {nil, 0o1777},
			"/none-said": {[]string{"size=1m", "mode=711"}, 0o711},
			"/copied":    {[]string{"tmpcopyup", "mode=750"}, 0o750},
			"/new":       {[]string{"tmpcopyup"}, 0o1777},
			"/new-said":  {[]string{"tmpcopyup", "mode=1770"}, 0o1770},
		}
		paths := append(slices.Collect(maps.Keys(mounts)), "/copied/file")
		looks := b.Look(func(s *specs.Spec) {
			for path, m := range mounts {
				s.Mounts = append(s.Mounts, specs.Mount{Destination: path, Type: "tmpfs", Options: m.options})
			}
		}, paths...)
		for path, m := range mounts {
			if l := looks[path]; l.Err != "" || l.Mode != unix.S_IFDIR|m.mode {
				t.Errorf("%s: %o, %s; want %o", path, l.Mode, l.Err, m.mode)
			}
		}
		same(t, "copied", looks["/copied/file"].Mode, unix.S_IFREG|0o644)
	})
}

func TestCopyUp(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		for _, ro := range []bool{false, true} {
			b := bundletest.New(t, u)
			b.Mkdir("/data/deep/er", 0o750)
			b.File("/data/deep/er/file", strings.Repeat("content ", 1000), 0o4711)
			b.File("/data/empty", "", 0)
			b.Mkdir("/data/sticky", 0o1777)
			b.Symlink("deep/er/file", "/data/link")
			b.Symlink("/nonexistent", "/data/dangling")
			if err := unix.Mkfifo(b.Path("data/fifo"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Lchown(b.Path("data/fifo"), int(u.UID), int(u.GID)); err != nil {
				t.Fatal(err)
			}
			for i := range 300 { // more than one read of the directory
				b.Symlink("x", fmt.Sprintf("/data/sticky/%s%d", strings.Repeat("n", 50), i))
			}
			b.Mkdir("/data", 0o711)
			options := []string{"tmpcopyup", "nosuid"}
			if ro {
				options = append(options, "ro")
			}
			looks := b.Look(func(s *specs.Spec) {
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/data", Type: "tmpfs", Options: options})
			}, "/data", "/data/deep/er", "/data/deep/er/file", "/data/empty", "/data/sticky", "/data/link", "/data/dangling", "/data/fifo")
			for path, mode := range map[string]uint32{
				"/data": unix.S_IFDIR | 0o711, "/data/deep/er": unix.S_IFDIR | 0o750, "/data/deep/er/file": unix.S_IFREG | 0o4711, "/data/empty": unix.S_IFREG,
				"/data/sticky": unix.S_IFDIR | 0o1777, "/data/link": unix.S_IFLNK | 0o777, "/data/dangling": unix.S_IFLNK | 0o777, "/data/fifo": unix.S_IFIFO | 0o600,
			} {
				if l := looks[path]; l.Err != "" || l.Mode != mode || l.UID != 0 || l.GID != 0 {
					t.Errorf("%s: %o %d:%d, %s; want %o 0:0", path, l.Mode, l.UID, l.GID, l.Err, mode)
				}
			}
			// The fifo would be read by nobody, and look does not wait.
			same(t, "content", looks["/data/deep/er/file"].Content, strings.Repeat("content ", 512))
			same(t, "names", looks["/data"].Content, "dangling deep empty fifo link sticky ")
			same(t, "many names", strings.Count(looks["/data/sticky"].Content, " "), 300)
			same(t, "link", looks["/data/link"].Real, "/data/deep/er/file")
			same(t, "read-only", strings.Contains(looks["/data"].WriteErr, "read-only file system"), ro)
		}
	})
}
