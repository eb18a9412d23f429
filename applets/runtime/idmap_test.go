package runtime_test

import (
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundletest"
)

// remap gives root's container a user namespace.
func remap(s *specs.Spec) {
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	s.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: 100000, Size: 65536}}
	s.Linux.GIDMappings = []specs.LinuxIDMapping{{HostID: 200000, Size: 65536}}
}

func TestIDMap(t *testing.T) {
	root := bundletest.Root(t)
	ids := func(host uint32) []specs.LinuxIDMapping { return []specs.LinuxIDMapping{{HostID: host, Size: 1000}} }
	for _, row := range []struct {
		name     string
		userns   bool
		options  []string
		uid, gid []specs.LinuxIDMapping
		want     [2]uint32 // owner of a file of 7:8
	}{
		{"own namespace", true, []string{"bind", "idmap"}, nil, nil, [2]uint32{7, 8}},
		{"own namespace, all of the tree", true, []string{"rbind", "ridmap"}, nil, nil, [2]uint32{7, 8}},
		{"maps", false, []string{"bind", "idmap"}, ids(50), ids(60), [2]uint32{57, 68}},
		{"maps without the word", false, []string{"bind"}, ids(50), ids(60), [2]uint32{57, 68}},
		{"maps and a namespace", true, []string{"bind", "idmap"}, ids(100050), ids(200060), [2]uint32{57, 68}},
		{"words", false, []string{"bind", "idmap=uids=7-9-1;gids=8-10-1#20-30-4"}, nil, nil, [2]uint32{9, 10}},
		{"relative words", true, []string{"bind", "idmap=uids=@7-9-1;gids=@8-10-1"}, nil, nil, [2]uint32{9, 10}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := bundletest.New(t, root)
			source := b.Beside("data")
			if err := os.Mkdir(source, 0o755); err != nil {
				t.Fatal(err)
			}
			mkfile(t, source+"/file", "text")
			if err := os.Chown(source+"/file", 7, 8); err != nil {
				t.Fatal(err)
			}
			if row.userns {
				b.Give(100000, 200000)
			}
			looks := b.Look(func(s *specs.Spec) {
				if row.userns {
					remap(s)
				}
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mnt", Source: source, Options: row.options, UIDMappings: row.uid, GIDMappings: row.gid})
			}, "/mnt/file")
			l := looks["/mnt/file"]
			same(t, "owner", [2]uint32{l.UID, l.GID}, row.want)
			same(t, "content", l.Content, "text")
		})
	}
}

// What is below another user's private folder is not for the container's root,
// but for the caller.
func TestSourcesOutOfReach(t *testing.T) {
	b := bundletest.New(t, bundletest.Root(t))
	b.Give(100000, 200000)
	private := b.Beside("private")
	for _, dir := range []string{private, private + "/data"} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, 4321, 4321); err != nil {
			t.Fatal(err)
		}
	}
	mkfile(t, private+"/data/file", "text")
	looks := b.Look(func(s *specs.Spec) {
		remap(s)
		// More than a socket holds at once.
		for range 600 {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mnt", Source: private + "/data/file", Options: []string{"bind", "ro"}})
		}
	}, "/mnt")
	same(t, "content", looks["/mnt"].Content, "text")
}

// The host's /sys and /proc stand in for those that a user namespace may not
// mount.
func TestHostBound(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		if u.IsRoot() {
			b.Give(100000, 200000)
		}
		b.Write(func(s *specs.Spec) {
			if u.IsRoot() {
				remap(s)
			}
			dropNS(s, specs.PIDNamespace)
			dropNS(s, specs.NetworkNamespace)
			s.Mounts[5] = specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}}
		})
		r := b.Runtime("run", "--bundle", b.Dir, b.ID)
		for _, w := range []string{"warning: mounts[0]: the host's /proc is bound", "warning: mounts[5]: the host's /sys is bound"} {
			if r.Status != 0 || !strings.Contains(r.Err, w) {
				t.Fatalf("status %d, %s", r.Status, r.Err)
			}
		}
		report := bundletest.ReadReport(t, r.Out)
		if m := report.Mount(t, "/sys"); m.Type != "sysfs" || !m.Has("ro", "nosuid", "noexec", "nodev") {
			t.Errorf("/sys: %+v", m)
		}
		same(t, "type", report.Mount(t, "/proc").Type, "proc")
		for _, m := range report.Mounts {
			if strings.HasPrefix(m.Point, "/sys/fs/cgroup") && !m.Has("ro") {
				t.Errorf("%s is not read-only", m.Point)
			}
		}
	})
}
