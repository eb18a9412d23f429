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
		{"tmpcopyup,remount", Options{CopyUp: true, Remount: true}},
	} {
		got, unsupported := Parse([]string{c.words})
		if again, _ := Parse(strings.Split(c.words, ",")); !reflect.DeepEqual(got, again) && !strings.Contains(c.words, `"`) {
			t.Errorf("%q: one by one %+v, in one string %+v", c.words, again, got)
		}
		if unsupported != "" || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %+v, %q; want %+v", c.words, got, unsupported, c.want)
		}
	}
	for _, w := range []string{"idmap", "ridmap", "idmap=uids=0-1-2"} {
		if _, got := Parse([]string{"ro", w}); got != w {
			t.Errorf("%s: refused %q", w, got)
		}
	}
}

// runcWords are the 60 that `runc features` (1.1.5 and later) lists.
const runcWords = "async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev nodiratime " +
	"noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime " +
	"remount rexec rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw " +
	"rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync tmpcopyup unbindable"

// Every word of runc's is known, and none is taken for the file system's data.
func TestWords(t *testing.T) {
	words := Words()
	if !slices.IsSorted(words) || len(slices.Compact(slices.Clone(words))) != len(words) {
		t.Error("not sorted, or a word twice")
	}
	for w := range strings.FieldsSeq(runcWords) {
		if !slices.Contains(words, w) {
			t.Errorf("%s is not known", w)
		}
	}
	for _, w := range words {
		if o, _ := Parse([]string{w}); len(o.Data) > 0 {
			t.Errorf("%s is passed to the file system", w)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct {
		m    specs.Mount
		want string
	}{
		{specs.Mount{}, "mounts[0].destination: is missing"},
		{specs.Mount{Destination: "/../", Type: "tmpfs"}, "mounts[0].destination: is the container's root itself"},
		{specs.Mount{Destination: "/a"}, "mounts[0].type: is missing"},
		{specs.Mount{Destination: "/a", Type: "bind"}, "mounts[0].source: is missing for a bind mount"},
		{specs.Mount{Destination: "/a", Type: "cgroup"}, "mounts[0].type cgroup is not supported yet"},
		{specs.Mount{Destination: "/a", Type: "proc", Options: []string{"tmpcopyup"}}, "mounts[0].options: tmpcopyup needs type tmpfs"},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/b", Options: []string{"ridmap"}}, "mounts[0].options: ridmap is not supported yet"},
		{specs.Mount{Destination: "/a", Type: "overlay", Options: []string{"lowerdir=" + strings.Repeat("a", 256)}}, "mounts[0].options: the value of an option has more than 255 bytes, which is all that fsconfig(2) takes"},
		{specs.Mount{Destination: "/a\x00", Type: "tmpfs"}, "mounts[0]: \"/a\\x00\" holds a NUL byte"},
		{specs.Mount{Destination: "/" + strings.Repeat("a", 5000), Type: "tmpfs"}, "mounts[0]: a string of 5001 bytes is longer than PATH_MAX (4096)"},
	} {
		_, _, err := Read([]specs.Mount{c.m}, "/bundle")
		if err == nil || err.Error() != c.want {
			t.Errorf("%+v: %v; want %s", c.m, err, c.want)
		}
	}
}

func TestReadWarns(t *testing.T) {
	list, warnings, err := Read([]specs.Mount{
		{Destination: "rel/../x", Source: "data", Type: "bind", Options: []string{"ro", "size=1m"}},
	}, "/bundle")
	if err != nil {
		t.Fatal(err)
	}
	if list[0].Dest != "/x" || list[0].Source != "/bundle/data" {
		t.Errorf("%s from %s", list[0].Dest, list[0].Source)
	}
	want := []string{`mounts[0].destination: "rel/../x" is not absolute, taken as /x`, "mounts[0].options: size=1m has no effect on a bind mount or a remount"}
	if !slices.Equal(warnings, want) {
		t.Errorf("warnings %q", warnings)
	}
}
