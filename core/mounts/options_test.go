package mounts

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestParse(t *testing.T) {
	const atime = unix.MOUNT_ATTR__ATIME
	for _, c := range []struct {
		words string
		want  Options
	}{
		{"", Options{}},
		{"defaults,silent,loud,noiversion", Options{}},
		{"bind", Options{Bind: true}},
		{"rbind", Options{Bind: true, Recursive: true}},
		{"ro,nosuid,nodev,noexec,nosymfollow", Options{Attr: Attr{Set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_NOSYMFOLLOW}}},
		{"ro,rw", Options{Attr: Attr{Clear: unix.MOUNT_ATTR_RDONLY}}},
		{"rw,ro", Options{Attr: Attr{Set: unix.MOUNT_ATTR_RDONLY}}},
		{"rro,suid", Options{RecAttr: Attr{Set: unix.MOUNT_ATTR_RDONLY}, Attr: Attr{Clear: unix.MOUNT_ATTR_NOSUID}}},
		{"noatime", Options{Attr: Attr{Set: unix.MOUNT_ATTR_NOATIME, Clear: atime}}},
		{"noatime,relatime", Options{Attr: Attr{Clear: atime}}},
		{"rnoatime,rstrictatime", Options{RecAttr: Attr{Set: unix.MOUNT_ATTR_STRICTATIME, Clear: atime}}},
		{"nodiratime,diratime", Options{Attr: Attr{Clear: unix.MOUNT_ATTR_NODIRATIME}}},
		{"private,rslave", Options{Prop: []Prop{{unix.MS_PRIVATE, false}, {unix.MS_SLAVE, true}}}},
		{"sync,lazytime,size=1m,mode=755,newinstance", Options{Flags: []string{"sync", "lazytime"}, Data: []string{"size=1m", "mode=755", "newinstance"}}},
		{`context="a,b",ro`, Options{Data: []string{`context="a,b"`}, Attr: Attr{Set: unix.MOUNT_ATTR_RDONLY}}},
		{"defaults,rasync,rnomand", Options{}},
		{"iversion,rsync,rdirsync,rmand", Options{NoEffect: []string{"iversion", "rsync", "rdirsync", "rmand"}}},
		{"copy-symlink,src-nofollow,dest-nofollow", Options{CopySymlink: true, SrcNoFollow: true, DestNoFollow: true}},
		{"ridmap", Options{IDMap: "ridmap"}},
		{"idmap=uids=0-1-2#3-4-5;gids=0-1-2", Options{IDMap: "idmap=uids=0-1-2#3-4-5;gids=0-1-2"}},
		{"tmpcopyup,remount", Options{CopyUp: true, Remount: true}},
	} {
		got := Parse([]string{c.words})
		if again := Parse(strings.Split(c.words, ",")); !reflect.DeepEqual(got, again) && !strings.Contains(c.words, `"`) {
			t.Errorf("%q: one by one %+v, in one string %+v", c.words, again, got)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %+v; want %+v", c.words, got, c.want)
		}
	}
}

// runcWords are the 60 that `runc features` (1.1.5 and later) lists.
const runcWords = "async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev nodiratime " +
	"noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime " +
	"remount rexec rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw " +
	"rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync tmpcopyup unbindable"

// moreWords are what runc parses and does not list, and what crun(1) has.
const moreWords = "idmap ridmap copy-symlink src-nofollow dest-nofollow rsync rasync rdirsync rmand rnomand"

// Every word of runc's and crun's is known, and none is taken for the file system's data.
func TestWords(t *testing.T) {
	words := Words()
	if !slices.IsSorted(words) || len(slices.Compact(slices.Clone(words))) != len(words) {
		t.Error("not sorted, or a word twice")
	}
	for w := range strings.FieldsSeq(runcWords + " " + moreWords) {
		if !slices.Contains(words, w) {
			t.Errorf("%s is not known", w)
		}
	}
	for _, w := range words {
		if o := Parse([]string{w}); len(o.Data) > 0 {
			t.Errorf("%s is passed to the file system", w)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	one := []specs.LinuxIDMapping{{HostID: 1, Size: 1}}
	for _, c := range []struct {
		m    specs.Mount
		want string
	}{
		{specs.Mount{}, "mounts[0].destination: is missing"},
		{specs.Mount{Destination: "/../", Type: "tmpfs"}, "mounts[0].destination: is the container's root itself"},
		{specs.Mount{Destination: "/a"}, "mounts[0].type: is missing"},
		{specs.Mount{Destination: "/a", Type: "bind"}, "mounts[0].source: is missing for a bind mount"},
		{specs.Mount{Destination: "/a", Type: "proc", Options: []string{"tmpcopyup"}}, "mounts[0].options: tmpcopyup needs type tmpfs"},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/b", Options: []string{"ridmap"}}, "mounts[0].options: ridmap without uidMappings and gidMappings takes those of a user namespace, and the container has none"},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/b", UIDMappings: one}, "mounts[0].gidMappings: is missing: uidMappings is there"},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/b", GIDMappings: one}, "mounts[0].uidMappings: is missing: gidMappings is there"},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/b", UIDMappings: []specs.LinuxIDMapping{{}}, GIDMappings: one}, "mounts[0].uidMappings[0]: size is 0"},
		{specs.Mount{Destination: "/a", Type: "tmpfs", UIDMappings: one, GIDMappings: one}, "mounts[0].uidMappings: owners are mapped of bind mounts only"},
		{specs.Mount{Destination: "/a", Options: []string{"remount"}, UIDMappings: one, GIDMappings: one}, "mounts[0].uidMappings: owners are mapped of bind mounts only"},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/b", Options: []string{"idmap=uids=0-1-1;gids=0-1-1"}, UIDMappings: one, GIDMappings: one}, "mounts[0].options: idmap=uids=0-1-1;gids=0-1-1: uidMappings and gidMappings are there too"},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/b", Options: []string{"idmap=uids=0-1-1"}}, "mounts[0].options: idmap=uids=0-1-1: takes both uids= and gids="},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/b", Options: []string{"idmap=uids=0-1"}}, `mounts[0].options: idmap=uids=0-1: "0-1" is not of the form FROM-TO-LENGTH`},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/b", Options: []string{"idmap=pids=0-1-1"}}, `mounts[0].options: idmap=pids=0-1-1: "pids=0-1-1" is neither uids= nor gids=`},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/b", Options: []string{"idmap=uids=0--1-1"}}, `mounts[0].options: idmap=uids=0--1-1: "0--1-1" is not of the form FROM-TO-LENGTH`},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/b", Options: []string{"idmap=uids=0-x-1"}}, `mounts[0].options: idmap=uids=0-x-1: "x" in "0-x-1" is not a number of 32 bits`},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/b", Options: []string{"idmap=uids=@0-1-1;gids=0-1-1"}}, `mounts[0].options: idmap=uids=@0-1-1;gids=0-1-1: "@0-1-1" is not within one range of the container's own map`},
		{specs.Mount{Destination: "/a", Type: "tmpfs", Options: []string{"copy-symlink"}}, "mounts[0].options: copy-symlink is for bind mounts"},
		{specs.Mount{Destination: "/a", Type: "tmpfs", Options: []string{"src-nofollow"}}, "mounts[0].options: src-nofollow is for bind mounts"},
		{specs.Mount{Destination: "/a", Type: "tmpfs", Options: []string{"dest-nofollow"}}, "mounts[0].options: dest-nofollow is for bind mounts"},
		{specs.Mount{Destination: "/a", Type: "overlay", Options: []string{"remount", "lowerdir=" + strings.Repeat("a", 256)}}, "mounts[0].options: the value of an option has more than 255 bytes, which is all that fsconfig(2) takes"},
		{specs.Mount{Destination: "/a", Type: "overlay", Options: []string{"lowerdir=" + strings.Repeat("a", 2000), "upperdir=" + strings.Repeat("a", 2100)}}, "mounts[0].options: more than 4095 bytes, which is all that mount(2) takes"},
		{specs.Mount{Destination: "/a\x00", Type: "tmpfs"}, "mounts[0]: \"/a\\x00\" holds a NUL byte"},
		{specs.Mount{Destination: "/" + strings.Repeat("a", 5000), Type: "tmpfs"}, "mounts[0]: a string of 5001 bytes is longer than PATH_MAX (4096)"},
	} {
		_, _, err := Read(&specs.Spec{Mounts: []specs.Mount{c.m}}, "/bundle")
		if err == nil || err.Error() != c.want {
			t.Errorf("%+v: %v; want %s", c.m, err, c.want)
		}
	}
}

func TestReadWarns(t *testing.T) {
	list, warnings, err := Read(&specs.Spec{Mounts: []specs.Mount{
		{Destination: "rel/../x", Source: "data", Type: "bind", Options: []string{"ro", "size=1m"}},
	}}, "/bundle")
	if err != nil {
		t.Fatal(err)
	}
	if list[0].Dest != "/x" || list[0].Source != "/bundle/data" {
		t.Errorf("%s from %s", list[0].Dest, list[0].Source)
	}
	want := []string{`mounts[0].destination: "rel/../x" is not absolute, taken as /x`, "mounts[0].options: size=1m has no effect"}
	if !slices.Equal(warnings, want) {
		t.Errorf("warnings %q", warnings)
	}
}

// crun(1): with @, the second ID is one of the container's.
func TestRelativeIDMap(t *testing.T) {
	s := &specs.Spec{
		Linux: &specs.Linux{
			Namespaces:  []specs.LinuxNamespace{{Type: specs.UserNamespace}},
			UIDMappings: []specs.LinuxIDMapping{{HostID: 0, Size: 1}, {ContainerID: 1, HostID: 2, Size: 1000}},
			GIDMappings: []specs.LinuxIDMapping{{HostID: 100, Size: 50}},
		},
		Mounts: []specs.Mount{{Destination: "/a", Source: "/b", Options: []string{"bind", "ridmap=uids=@1-3-10#20-21-1;gids=@0-7-3"}}},
	}
	list, _, err := Read(s, "/bundle")
	if err != nil {
		t.Fatal(err)
	}
	want := &IDMap{
		Recursive: true,
		UID:       []specs.LinuxIDMapping{{ContainerID: 1, HostID: 4, Size: 10}, {ContainerID: 20, HostID: 21, Size: 1}},
		GID:       []specs.LinuxIDMapping{{HostID: 107, Size: 3}},
	}
	if !reflect.DeepEqual(list[0].Owners, want) {
		t.Errorf("%+v, want %+v", list[0].Owners, want)
	}
}
