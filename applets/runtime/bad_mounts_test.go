package runtime_test

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundletest"
)

// withMount adds a mount behind the six of every bundle: mounts[6].
func withMount(m specs.Mount) func(*bundletest.Bundle, *specs.Spec) {
	return set(func(s *specs.Spec) { s.Mounts = append(s.Mounts, m) })
}

func TestBadMounts(t *testing.T) {
	tmpfs := func(options ...string) func(*bundletest.Bundle, *specs.Spec) {
		return withMount(specs.Mount{Destination: "/mnt", Type: "tmpfs", Source: "tmpfs", Options: options})
	}
	bind := func(source string, options ...string) func(*bundletest.Bundle, *specs.Spec) {
		return withMount(specs.Mount{Destination: "/mnt", Type: "bind", Source: source, Options: append(options, "bind")})
	}
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1, Size: 1}}
	testBad(t, []bad{
		{name: "no destination", edit: withMount(specs.Mount{Type: "tmpfs"}), want: []string{"mounts[6].destination: is missing"}},
		{name: "the root", edit: withMount(specs.Mount{Destination: "/.", Type: "tmpfs"}), want: []string{"mounts[6].destination: is the container's root itself"}},
		{name: "no type", edit: withMount(specs.Mount{Destination: "/mnt"}), want: []string{"mounts[6].type: is missing"}},
		{name: "unknown type", edit: withMount(specs.Mount{Destination: "/mnt", Type: "funfs"}), want: []string{"mounts[6] /mnt: fsopen(funfs)", "no such device"}},
		{name: "NUL", edit: withMount(specs.Mount{Destination: "/m\x00", Type: "tmpfs"}), want: []string{"mounts[6]", "NUL"}},
		{name: "destination too long", edit: withMount(specs.Mount{Destination: longPath, Type: "tmpfs"}), want: []string{"mounts[6]", "longer than PATH_MAX"}},
		{name: "option too long", edit: tmpfs("size=" + longPath), want: []string{"mounts[6]", "longer than PATH_MAX"}},
		{name: "no source", edit: bind(""), want: []string{"mounts[6].source: is missing for a bind mount"}},
		{name: "source missing", edit: bind("/nonexistent"), want: []string{"mounts[6] /mnt: open_tree(/nonexistent)", "no such file or directory"}},
		{name: "source missing in the bundle", edit: bind("none"), want: []string{"mounts[6] /mnt", "bundle/none", "no such file or directory"}},
		// The kernel's own words, from the log of the fs context.
		{name: "bad value", edit: tmpfs("size=64q"), want: []string{"mounts[6] /mnt: fsconfig(size=64q): tmpfs: Bad value for 'size'\n"}},
		{name: "unknown option", edit: tmpfs("fun"), want: []string{"mounts[6] /mnt: fsconfig(fun): tmpfs: Unknown parameter 'fun'\n"}},
		{name: "option in capitals", edit: tmpfs("RO"), want: []string{"mounts[6] /mnt: fsconfig(RO)", "Unknown parameter 'RO'"}},
		{name: "tmpcopyup of a bind", edit: bind("/tmp", "tmpcopyup"), want: []string{"mounts[6].options: tmpcopyup needs type tmpfs"}},
		{name: "remount of nothing", edit: withMount(specs.Mount{Destination: "/none", Options: []string{"remount", "ro"}}), want: []string{"mounts[6] /none", "no such file or directory"}},
		{name: "remount of what is no mount", edit: withMount(specs.Mount{Destination: "/plain", Options: []string{"remount", "ro"}}),
			prep: func(_ *testing.T, b *bundletest.Bundle) { b.Mkdir("/plain", 0o755) }, want: []string{"mounts[6] /plain", "invalid argument"}},
		{name: "directory onto a file", edit: withMount(specs.Mount{Destination: "/init", Type: "tmpfs"}), want: []string{"mounts[6] /init", "hint: /init is a file in the container, what is mounted there is a directory"}},
		{name: "bound directory onto a file", edit: withMount(specs.Mount{Destination: "/init", Source: "/tmp", Options: []string{"rbind"}}), want: []string{"mounts[6] /init", "hint: /init is a file"}},
		{name: "bound file onto a directory", edit: bind("config.json"), prep: func(_ *testing.T, b *bundletest.Bundle) { b.Mkdir("/mnt", 0o755) },
			want: []string{"mounts[6] /mnt", "hint: /mnt is a directory in the container, what is mounted there is a file"}},
		{name: "below a file", edit: withMount(specs.Mount{Destination: "/init/x", Type: "tmpfs"}), want: []string{"mounts[6] /init/x", "not a directory"}},
		{name: "loop of symlinks", edit: withMount(specs.Mount{Destination: "/loop", Type: "tmpfs"}), prep: func(_ *testing.T, b *bundletest.Bundle) { b.Symlink("loop", "/loop") },
			want: []string{"mounts[6] /loop", "too many levels of symbolic links"}},
		{name: "proc on a symlink", edit: set(func(s *specs.Spec) {}), prep: func(_ *testing.T, b *bundletest.Bundle) { b.Symlink("sys", "/proc") },
			want: []string{"mounts[0] /proc", "not a directory"}},
		{name: "owners mapped by a plain user", edit: withMount(specs.Mount{Destination: "/mnt", Type: "bind", Source: "/tmp", Options: []string{"bind"}, UIDMappings: ids, GIDMappings: ids}),
			want: []string{"mounts[6]: mapping the owners of a mount takes CAP_SYS_ADMIN"}, who: onlyPlain},
		{name: "owners mapped of what cannot be", edit: withMount(specs.Mount{Destination: "/mnt", Type: "bind", Source: "/proc", Options: []string{"rbind"}, UIDMappings: ids, GIDMappings: ids}),
			want: []string{"mounts[6] /mnt: mount_setattr()", "invalid argument"}, who: onlyRoot},
		{name: "idmap without a user namespace", edit: bind("/tmp", "idmap"), want: []string{"mounts[6].options: idmap without uidMappings", "the container has none"}, who: onlyRoot},
		{name: "devpts of a group that is not mapped", edit: set(func(s *specs.Spec) {
			s.Mounts[2].Options = append(s.Mounts[2].Options, "gid=5")
		}), want: []string{"mounts[2] /dev/pts", "gid=5", "hint: gid=5: that group has to be in linux.gidMappings"}, who: onlyPlain},
		{name: "what is mounted over", edit: bind("/sys"), want: []string{"mounts[6] /mnt: open_tree(/sys)", "hint: a user namespace may not uncover", "rbind"}, who: onlyPlain},
	})
}
