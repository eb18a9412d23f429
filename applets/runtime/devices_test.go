package runtime_test

import (
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

func withDevices(list ...specs.LinuxDevice) func(*bundletest.Bundle, *specs.Spec) {
	return set(func(s *specs.Spec) { s.Linux.Devices = list })
}

func TestBadDevices(t *testing.T) {
	mode, none := os.FileMode(0o200000), ^uint32(0)
	null := specs.LinuxDevice{Path: "/x", Type: "c", Major: 1, Minor: 3}
	row := func(name, want string, change func(*specs.LinuxDevice)) bad {
		d := null
		change(&d)
		return bad{name: name, edit: withDevices(d), want: []string{"linux.devices[0]" + want}}
	}
	testBad(t, []bad{
		row("no path", ".path: is missing", func(d *specs.LinuxDevice) { d.Path = "" }),
		row("relative path", `.path: "x" is not an absolute path`, func(d *specs.LinuxDevice) { d.Path = "x" }),
		row("the root", ".path: is the container's root itself", func(d *specs.LinuxDevice) { d.Path = "/." }),
		row("long path", ".path: 4128 bytes are longer than PATH_MAX", func(d *specs.LinuxDevice) { d.Path = longPath }),
		row("NUL", ".path: \"/\\x00\" holds a NUL byte", func(d *specs.LinuxDevice) { d.Path = "/\x00" }),
		row("no type", ".type: is missing", func(d *specs.LinuxDevice) { d.Type = "" }),
		row("unknown type", `.type: "s" is none of c, b, u and p`, func(d *specs.LinuxDevice) { d.Type = "s" }),
		row("no number", ".major: is missing", func(d *specs.LinuxDevice) { d.Major, d.Minor = 0, 0 }),
		row("major", ".major: 4096 is not in 0…4095", func(d *specs.LinuxDevice) { d.Major = 4096 }),
		row("minor", ".minor: -1 is not in 0…1048575", func(d *specs.LinuxDevice) { d.Minor = -1 }),
		row("mode", ".fileMode: 0200000 is more than 07777", func(d *specs.LinuxDevice) { d.FileMode = &mode }),
		row("uid", ".uid: 4294967295 is no id", func(d *specs.LinuxDevice) { d.UID = &none }),
		row("gid", ".gid: 4294967295 is no id", func(d *specs.LinuxDevice) { d.GID = &none }),
		{name: "twice", edit: withDevices(null, null), want: []string{"linux.devices[1].path: /x is there already, as linux.devices[0]"}},
		{name: "another file is there", edit: withDevices(specs.LinuxDevice{Path: "/init", Type: "c", Major: 1, Minor: 3}), want: []string{"linux.devices[0] /init", "file exists"}, who: onlyRoot},
		{name: "another device is there", edit: withDevices(specs.LinuxDevice{Path: "/x/fifo", Type: "c", Major: 1, Minor: 3}),
			prep: func(t *testing.T, b *bundletest.Bundle) {
				b.Mkdir("/x", 0o755)
				if err := unix.Mkfifo(b.Path("x/fifo"), 0o600); err != nil {
					t.Fatal(err)
				}
			}, want: []string{"linux.devices[0] /x/fifo", "file exists"}, who: onlyRoot},
		{name: "not the host's", edit: withDevices(specs.LinuxDevice{Path: "/dev/zero", Type: "c", Major: 1, Minor: 3}), want: []string{"linux.devices[0] /dev/zero: statx()", "no such device"}, who: onlyPlain},
		{name: "not on the host", edit: withDevices(specs.LinuxDevice{Path: "/dev/none", Type: "c", Major: 1, Minor: 3}), want: []string{"linux.devices[0] /dev/none: open_tree(/dev/none)", "no such file"}, who: onlyPlain},
		{name: "without a mount namespace", edit: set(func(s *specs.Spec) {
			*s.Linux = specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.UserNamespace}}, UIDMappings: s.Linux.UIDMappings, GIDMappings: s.Linux.GIDMappings, Devices: []specs.LinuxDevice{null}}
			s.Mounts, s.Hostname = nil, ""
		}), want: []string{"linux.devices[0]: /x cannot be made in a user namespace"}, who: onlyPlain},
	})
}

func TestDevices(t *testing.T) {
	mode, typed, id := os.FileMode(0o640), os.FileMode(unix.S_IFCHR|0o600), uint32(5)
	list := []specs.LinuxDevice{
		{Path: "/dev/null", Type: "c", Major: 1, Minor: 3, FileMode: &mode, UID: &id, GID: &id},
		{Path: "/deep/er/zero", Type: "u", Major: 1, Minor: 5, FileMode: &typed},
		{Path: "/dev/disk", Type: "b", Major: 240, Minor: 300},
		{Path: "/dev/fifo", Type: "p", GID: &id},
		{Path: "/link/full", Type: "c", Major: 1, Minor: 7},
	}
	b := bundletest.New(t, bundletest.Root(t))
	b.Symlink("/made", "/link")
	// The second time, those outside /dev are there already.
	for range 2 {
		looks := b.Look(func(s *specs.Spec) { s.Linux.Devices = list }, "/dev/null", "/dev/tty", "/deep/er/zero", "/dev/disk", "/dev/fifo", "/made/full")
		for path, want := range map[string]bundletest.Look{
			"/dev/null":     {Mode: unix.S_IFCHR | 0o640, Rdev: [2]uint32{1, 3}, UID: 5, GID: 5},
			"/dev/tty":      {Mode: unix.S_IFCHR | 0o666, Rdev: [2]uint32{5, 0}},
			"/deep/er/zero": {Mode: unix.S_IFCHR | 0o600, Rdev: [2]uint32{1, 5}},
			"/dev/disk":     {Mode: unix.S_IFBLK | 0o666, Rdev: [2]uint32{240, 300}},
			"/dev/fifo":     {Mode: unix.S_IFIFO | 0o666, GID: 5},
			"/made/full":    {Mode: unix.S_IFCHR | 0o666, Rdev: [2]uint32{1, 7}},
		} {
			if l := looks[path]; l.Err != "" || l.Mode != want.Mode || l.Rdev != want.Rdev || l.UID != want.UID || l.GID != want.GID {
				t.Errorf("%s: %+v, want %+v", path, l, want)
			}
		}
	}
}

// In a user namespace, the host's own node is bound.
func TestDevicesBound(t *testing.T) {
	b := bundletest.New(t, bundletest.Plain(t))
	mode := os.FileMode(0o600)
	b.Write(func(s *specs.Spec) {
		s.Linux.Devices = []specs.LinuxDevice{
			{Path: "/dev/zero", Type: "c", Major: 1, Minor: 5, FileMode: &mode},
			{Path: "/dev/fifo", Type: "p", FileMode: &mode},
		}
		s.Process.Args = b.Args("look", "/dev/zero", "/dev/fifo")
	})
	r := b.Runtime("run", "--bundle", b.Dir, b.ID)
	if r.Status != 0 || strings.Count(r.Err, "\n") != 1 || !strings.Contains(r.Err, "warning: linux.devices[0]: fileMode, uid and gid have no effect in a user namespace") {
		t.Errorf("status %d, %s", r.Status, r.Err)
	}
	looks := bundletest.ReadLooks(t, r.Out)
	if l := looks["/dev/zero"]; l.Rdev != [2]uint32{1, 5} || l.Content != strings.Repeat("00", 16) {
		t.Errorf("/dev/zero: %+v", l)
	}
	same(t, "fifo", looks["/dev/fifo"].Mode, unix.S_IFIFO|0o600)
}
