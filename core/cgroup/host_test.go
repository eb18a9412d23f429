package cgroup

import (
	"io/fs"
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fake is a source of files, with the type of the file system at mount points.
func fake(files map[string]string, types map[string]unix.Statfs_t, inode uint64) source {
	return source{
		func(path string) ([]byte, error) {
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, fs.ErrNotExist
		},
		func(path string, st *unix.Statfs_t) error {
			one, ok := types[path]
			if !ok {
				return unix.ENOENT
			}
			*st = one
			return nil
		},
		func(string) (uint64, error) { return inode, nil },
		func() (uint64, error) {
			if files["/proc/self/cgroup"] == "0::/\n" {
				return rootInode, nil
			}
			return 0, unix.ENOTTY
		},
	}
}

// What is found, as a process of each host reads it in /proc, and where a
// container of root's goes there.
func TestHosts(t *testing.T) {
	v1, v2 := unix.Statfs_t{Type: unix.CGROUP_SUPER_MAGIC}, unix.Statfs_t{Type: unix.CGROUP2_SUPER_MAGIC}
	ro := unix.Statfs_t{Type: unix.CGROUP2_SUPER_MAGIC, Flags: unix.ST_RDONLY}
	const two = "/sys/fs/cgroup"
	const legacy = `35 34 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:15 - cgroup cgroup rw,cpu,cpuacct
36 34 0:31 / /sys/fs/cgroup/pids rw,nosuid - cgroup cgroup rw,pids
37 34 0:32 / /sys/fs/cgroup/systemd rw,nosuid - cgroup cgroup rw,xattr,name=systemd
`
	legacyTypes := map[string]unix.Statfs_t{two + "/cpu,cpuacct": v1, two + "/pids": v1, two + "/systemd": v1}
	const legacyOwn = "5:cpu,cpuacct:/shell\n4:pids:/\n1:name=systemd:/user.slice/shell\n"
	legacyTrees := []Tree{
		{1, []string{"cpu", "cpuacct"}, two + "/cpu,cpuacct", two + "/cpu,cpuacct/shell", false},
		{1, []string{"pids"}, two + "/pids", two + "/pids", false},
		{1, []string{"name=systemd"}, two + "/systemd", two + "/systemd/user.slice/shell", false},
	}
	legacyDirs := map[string]string{"cpu": two + "/cpu,cpuacct/shell/c", "cpuacct": two + "/cpu,cpuacct/shell/c", "pids": two + "/pids/c", "name=systemd": two + "/systemd/user.slice/shell/c"}
	with := func(types map[string]unix.Statfs_t, path string, st unix.Statfs_t) map[string]unix.Statfs_t {
		types = maps.Clone(types)
		types[path] = st
		return types
	}
	for _, c := range []struct {
		name, own, mounts, controllers, at string
		types                              map[string]unix.Statfs_t
		inode                              uint64
		host                               Host
		group                              *Group // or nil: none
	}{
		{name: "version 2", own: "0::/shell\n", controllers: "cpu io\n", at: two, types: map[string]unix.Statfs_t{two: v2}, inode: rootInode,
			host: Host{Unified: &Tree{2, []string{"cpu", "io"}, two, two + "/shell", false}}, group: &Group{Unified: two + "/c"}},
		{name: "version 2, from its root", own: "0::/\n", at: two, types: map[string]unix.Statfs_t{two: v2}, inode: rootInode,
			host: Host{Unified: &Tree{2, []string{}, two, two, false}}, group: &Group{Unified: two + "/c"}},
		{name: "version 2 elsewhere", own: "0::/a/b\n", mounts: "40 1 0:9 / /mnt/c\\040g rw - cgroup2 none rw\n", at: "/mnt/c g", types: map[string]unix.Statfs_t{"/mnt/c g": v2},
			host: Host{Unified: &Tree{2, []string{}, "/mnt/c g", "/mnt/c g/a/b", false}}, group: &Group{Unified: "/mnt/c g/a/c"}},
		{name: "read-only", own: "0::/\n", at: two, types: map[string]unix.Statfs_t{two: ro}, inode: rootInode,
			host: Host{Unified: &Tree{2, []string{}, two, two, true}}},
		{name: "in a container, bound", own: "0::/docker/x/shell\n", mounts: "40 1 0:9 /docker/x /sys/fs/cgroup rw - cgroup2 none rw\n", at: two, types: map[string]unix.Statfs_t{two: v2}, inode: 77,
			host: Host{Unified: &Tree{2, []string{}, two, two + "/shell", false}}, group: &Group{Unified: two + "/c"}},
		{name: "bound from elsewhere", own: "0::/docker/xy\n", mounts: "40 1 0:9 /docker/x /sys/fs/cgroup rw - cgroup2 none rw\n", at: two, types: map[string]unix.Statfs_t{two: v2}, inode: 77,
			host: Host{Unified: &Tree{2, []string{}, two, two, false}}, group: &Group{Unified: two + "/c"}},
		{name: "outside of the namespace", own: "0::/../other\n", mounts: "40 1 0:9 / /sys/fs/cgroup rw - cgroup2 none rw\n", at: two, types: map[string]unix.Statfs_t{two: v2}, inode: 77,
			host: Host{Unified: &Tree{2, []string{}, two, two, false}}, group: &Group{Unified: two + "/c"}},
		{name: "version 1", own: legacyOwn + "0::/\n", mounts: legacy, types: legacyTypes, host: Host{Legacy: legacyTrees}, group: &Group{Legacy: legacyDirs}},
		{name: "both", own: legacyOwn + "0::/user.slice/shell\n", mounts: legacy + "38 34 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", at: two + "/unified", types: with(legacyTypes, two+"/unified", v2),
			host:  Host{Legacy: legacyTrees, Unified: &Tree{2, []string{}, two + "/unified", two + "/unified/user.slice/shell", false}},
			group: &Group{Legacy: legacyDirs, Unified: two + "/unified/user.slice/c"}},
		{name: "version 1, mounted twice", own: "4:pids:/\n", mounts: "36 34 0:31 / /mnt/pids rw - cgroup cgroup rw,pids\n36 34 0:31 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n", types: map[string]unix.Statfs_t{"/mnt/pids": v1, two + "/pids": v1},
			host: Host{Legacy: legacyTrees[1:2]}, group: &Group{Legacy: map[string]string{"pids": two + "/pids/c"}}},
		{name: "covered", own: "0::/\n", mounts: "40 1 0:9 / /sys/fs/cgroup rw - cgroup2 none rw\n", types: map[string]unix.Statfs_t{two: {Type: unix.TMPFS_MAGIC}}},
		{name: "not mounted", own: "0::/\n", mounts: "40 1 0:9 / / rw - ext4 none rw\nnonsense\n"},
		{name: "no cgroups in the kernel"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"/proc/self/mountinfo": c.mounts, c.at + "/cgroup.controllers": c.controllers}
			if c.own != "" {
				files["/proc/self/cgroup"] = c.own
			}
			h, err := fake(files, c.types, c.inode).probe(true)
			if err != nil || !reflect.DeepEqual(h, c.host) {
				t.Fatalf("%v: %+v %+v, want %+v", err, h, h.Unified, c.host)
			}
			g, warnings, err := New(h, Request{ID: "c", Privileged: true})
			if err != nil || len(warnings) > 0 {
				t.Fatal(warnings, err)
			}
			if g == nil || c.group == nil {
				if g != c.group {
					t.Errorf("%+v, want %+v", g, c.group)
				}
			} else if g.Unified != c.group.Unified || !maps.Equal(g.Legacy, c.group.Legacy) {
				t.Errorf("%+v, want %+v", g, c.group)
			}
			// What was asked for by name is not left out in silence.
			_, _, err = New(h, Request{ID: "c", Path: "/p", Privileged: true})
			if (err != nil) != (c.group == nil) || err != nil && !strings.HasPrefix(err.Error(), "linux.cgroupsPath: takes a cgroup, and ") {
				t.Errorf("with a path: %v", err)
			}
		})
	}
}

// Whose own place nobody asks for has none looked up.
func TestProbeWithoutOwn(t *testing.T) {
	const two = "/sys/fs/cgroup"
	types := map[string]unix.Statfs_t{two: {Type: unix.CGROUP2_SUPER_MAGIC}}
	h, err := fake(map[string]string{two + "/cgroup.controllers": "cpu pids\n"}, types, rootInode).probe(false)
	if want := (Host{Unified: &Tree{2, []string{"cpu", "pids"}, two, two, false}}); err != nil || !reflect.DeepEqual(h, want) {
		t.Errorf("%+v, %v; want %+v", h.Unified, err, want.Unified)
	}
}

// The inode that the kernel tells is that of the cgroup that procfs tells.
func TestOwnInode(t *testing.T) {
	inode, err := ownInode()
	if err != nil {
		t.Skipf("before Linux 6.13: %v", err)
	}
	unified, _, err := Of(os.Getpid())
	if err != nil || unified == "" {
		t.Skipf("no hierarchy of version 2 is to be seen: %v", err)
	}
	var st unix.Stat_t
	if err := unix.Stat(unified, &st); err != nil || st.Ino != inode {
		t.Errorf("%d, want %d of %s (%v)", inode, st.Ino, unified, err)
	}
}
