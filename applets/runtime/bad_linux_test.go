package runtime_test

import (
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// withNS adds a namespace.
func withNS(kind specs.LinuxNamespaceType, path string) func(*bundletest.Bundle, *specs.Spec) {
	return set(func(s *specs.Spec) {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: kind, Path: path})
	})
}

// dropNS takes one out.
func dropNS(s *specs.Spec, kind specs.LinuxNamespaceType) {
	var rest []specs.LinuxNamespace
	for _, n := range s.Linux.Namespaces {
		if n.Type != kind {
			rest = append(rest, n)
		}
	}
	s.Linux.Namespaces = rest
}

func idMaps(uid, gid []specs.LinuxIDMapping) func(*bundletest.Bundle, *specs.Spec) {
	return set(func(s *specs.Spec) {
		dropNS(s, specs.UserNamespace)
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
		s.Linux.UIDMappings, s.Linux.GIDMappings = uid, gid
	})
}

func TestBadNamespaces(t *testing.T) {
	one := []specs.LinuxIDMapping{{HostID: 100000, Size: 1}}
	testBad(t, []bad{
		{name: "unknown", edit: withNS("netns", ""), want: []string{`linux.namespaces[`, `].type: "netns" is no namespace`}},
		{name: "without a type", edit: withNS("", ""), want: []string{`"" is no namespace`}},
		{name: "twice", edit: withNS("pid", ""), want: []string{"linux.namespaces[5]: pid is there already, as linux.namespaces[0]"}},
		{name: "twice with a path", edit: withNS("uts", "/proc/self/ns/uts"), want: []string{"uts is there already"}},
		{name: "path relative", edit: withNS("cgroup", "ns/cgroup"), want: []string{"].path", "not an absolute path"}},
		{name: "path missing", edit: withNS("cgroup", "/nonexistent/ns"), want: []string{"linux.namespaces[5].path", "/nonexistent/ns: no such file or directory"}},
		{name: "path of another kind", edit: withNS("cgroup", "/proc/self/ns/net"), want: []string{"linux.namespaces[5].path", "/proc/self/ns/net is a net namespace, not a cgroup namespace"}},
		{name: "path no namespace", edit: withNS("cgroup", "/proc/self/status"), want: []string{"linux.namespaces[5].path", "/proc/self/status is not a namespace", "hint: a namespace file is /proc/PID/ns/cgroup"}},
		{name: "path a directory", edit: withNS("cgroup", "/tmp"), want: []string{"linux.namespaces[5].path", "/tmp is not a namespace"}},
		{name: "path a fifo", edit: func(b *bundletest.Bundle, s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "cgroup", Path: b.Beside("fifo")})
		}, prep: func(t *testing.T, b *bundletest.Bundle) { mkfifo(t, b.Beside("fifo")) }, want: []string{"linux.namespaces[5].path", "fifo is not a namespace"}},
		{name: "user namespace of one's own", edit: set(func(s *specs.Spec) {
			dropNS(s, specs.UserNamespace)
			s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace, Path: "/proc/self/ns/user"})
		}), want: []string{"linux.namespaces[", "/proc/self/ns/user", "setns"}, who: onlyPlain},
		{name: "maps without a user namespace", edit: set(func(s *specs.Spec) {
			dropNS(s, specs.UserNamespace)
			s.Linux.UIDMappings = one
		}), want: []string{"linux.uidMappings: needs a user namespace", "hint: "}},
		{name: "user namespace without maps", edit: idMaps(nil, nil), want: []string{"linux.uidMappings: is missing"}},
		{name: "no gid map", edit: idMaps([]specs.LinuxIDMapping{{Size: 1}}, nil), want: []string{"linux.gidMappings"}},
		{name: "uid maps overlap inside", edit: idMaps([]specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 10}, {ContainerID: 9, HostID: 200000, Size: 10}}, one),
			want: []string{"linux.uidMappings[1]", "overlap"}},
		{name: "gid maps overlap outside", edit: idMaps(one, []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 10}, {ContainerID: 100, HostID: 100009, Size: 10}}),
			want: []string{"linux.gidMappings[1]", "overlap"}},
		{name: "map of nothing", edit: idMaps([]specs.LinuxIDMapping{{Size: 0}}, one), want: []string{"linux.uidMappings[0]"}},
		{name: "map beyond the last id", edit: idMaps([]specs.LinuxIDMapping{{ContainerID: 0, HostID: 4294967290, Size: 100}}, one), want: []string{"linux.uidMappings[0]"}},
		{name: "another user's ids", edit: idMaps([]specs.LinuxIDMapping{{HostID: 1, Size: 1}}, one), want: []string{"linux.uidMappings"}, who: onlyPlain},
		{name: "hostname of the host", edit: set(func(s *specs.Spec) { dropNS(s, specs.UTSNamespace) }), want: []string{"hostname: would be the host's", "hint: "}},
		{name: "domainname of the host", edit: set(func(s *specs.Spec) {
			dropNS(s, specs.UTSNamespace)
			s.Hostname, s.Domainname = "", "d"
		}), want: []string{"domainname: would be the host's"}},
		{name: "hostname too long", edit: set(func(s *specs.Spec) { s.Hostname = strings.Repeat("h", 65) }), want: []string{"hostname: 65 bytes are more than 64"}},
		{name: "hostname with NUL", edit: set(func(s *specs.Spec) { s.Hostname = "a\x00" }), want: []string{"hostname", "NUL"}},
		{name: "no mount namespace", edit: set(func(s *specs.Spec) { dropNS(s, specs.MountNamespace) }), want: []string{"mounts: would change the host's mounts", "hint: "}},
		{name: "plain user without user namespace", edit: set(func(s *specs.Spec) {
			dropNS(s, specs.UserNamespace)
			s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
		}), want: []string{"linux.namespaces", "operation not permitted", "hint: a plain user needs a user namespace"}, who: onlyPlain},
	})
}

func TestBadPaths(t *testing.T) {
	testBad(t, []bad{
		{name: "masked relative", edit: set(func(s *specs.Spec) { s.Linux.MaskedPaths = []string{"/proc/keys", "proc/kcore"} }), want: []string{`linux.maskedPaths[1]: "proc/kcore" is not an absolute path`}},
		{name: "masked empty", edit: set(func(s *specs.Spec) { s.Linux.MaskedPaths = []string{""} }), want: []string{"linux.maskedPaths[0]: is missing"}},
		{name: "masked too long", edit: set(func(s *specs.Spec) { s.Linux.MaskedPaths = []string{longPath} }), want: []string{"linux.maskedPaths[0]", "longer than PATH_MAX"}},
		{name: "read-only relative", edit: set(func(s *specs.Spec) { s.Linux.ReadonlyPaths = []string{"proc"} }), want: []string{`linux.readonlyPaths[0]: "proc"`}},
		{name: "read-only with NUL", edit: set(func(s *specs.Spec) { s.Linux.ReadonlyPaths = []string{"/\x00"} }), want: []string{"linux.readonlyPaths[0]", "NUL"}},
		{name: "masked a loop", edit: set(func(s *specs.Spec) { s.Linux.MaskedPaths = []string{"/loop"} }), prep: func(_ *testing.T, b *bundletest.Bundle) { b.Symlink("loop", "/loop") },
			want: []string{"linux.maskedPaths[0] /loop", "too many levels of symbolic links"}},
	})
}

// A field that is there and asks for nothing is no reason to refuse.
func TestEmptyFields(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{}}
			s.Linux.Resources = &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{}, Memory: &specs.LinuxMemory{}}
			s.Linux.Sysctl = map[string]string{}
			s.Process.Args = b.Args("exit", "0")
		})
		b.Foreground()
	})
}

// What cannot be granted of process.capabilities is a warning (config.md).
func TestUnknownCapability(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Process.Args = b.Args("echo", "it runs")
			s.Process.Capabilities.Bounding = append(s.Process.Capabilities.Bounding, "CAP_FUN", "KILL")
		})
		r := b.Runtime("run", "--bundle", b.Dir, b.ID)
		if r.Status != 0 || r.Out != "it runs\n" {
			t.Errorf("exit status %d, output %q", r.Status, r.Out)
		}
		if want := "runtime: warning: process.capabilities.bounding: CAP_FUN, KILL: unknown\n"; r.Err != want {
			t.Errorf("warning %q, want %q", r.Err, want)
		}
	})
}

func mkfifo(t *testing.T, path string) {
	t.Helper()
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
}
