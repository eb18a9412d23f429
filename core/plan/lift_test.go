package plan

import (
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundle"
)

// bottomed is h with a root that pivot_root(2) cannot take from its place.
func bottomed(h Host) Host {
	h.Bottom, h.KernelMounts = true, []string{"/sys", "/proc"}
	return h
}

// chrooted is h after a chroot(2).
func chrooted(h Host) Host {
	h.Chrooted = true
	return h
}

func liftGoldens() []golden {
	mount, userns := specs.LinuxNamespace{Type: specs.MountNamespace}, specs.LinuxNamespace{Type: specs.UserNamespace}
	plain := bottomed(user)
	return []golden{
		{name: "bottom", in: Input{Spec: bare(mount), Host: bottomed(root)}},
		{name: "chrooted", in: Input{Spec: bare(mount), Host: chrooted(root)}},
		{name: "chrooted-userns", in: Input{Spec: bare(mount, userns), Host: chrooted(root)}},
		{name: "bottom-userns", in: Input{Spec: bare(mount, userns, specs.LinuxNamespace{Type: specs.UTSNamespace}), Host: bottomed(root)}},
		{name: "bottom-rootless", in: Input{Spec: bundle.Rootless(1000, 1000), Host: plain}},
		{name: "bottom-subids", in: Input{Spec: func() *specs.Spec {
			s := bare(mount, userns)
			s.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 5, HostID: 100000, Size: 10}}
			s.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 6, HostID: 100000, Size: 10}}
			s.Process.User = specs.User{UID: 5, GID: 6}
			return s
		}(), Host: plain}},
		{name: "bottom-joined", in: Input{Spec: bare(mount, specs.LinuxNamespace{Type: specs.UserNamespace, Path: "/proc/7/ns/user"}), Host: bottomed(root)}},
		{name: "bottom-joined-rootless", in: Input{Spec: bare(mount, specs.LinuxNamespace{Type: specs.UserNamespace, Path: "/proc/7/ns/user"}), Host: plain}},
	}
}

// Whoever can get at the host's root is warned of, and nobody else.
func TestReachable(t *testing.T) {
	mount, userns := specs.LinuxNamespace{Type: specs.MountNamespace}, specs.LinuxNamespace{Type: specs.UserNamespace}
	joined := specs.LinuxNamespace{Type: specs.UserNamespace, Path: "/proc/7/ns/user"}
	for _, row := range []struct {
		name    string
		host    Host
		ns      []specs.LinuxNamespace
		caps    []string
		noPivot bool
		want    string // in the warning, "" for none
	}{
		{name: "an ordinary root", host: root, ns: []specs.LinuxNamespace{mount}, caps: []string{"CAP_SYS_ADMIN"}},
		{name: "lifted", host: bottomed(root), ns: []specs.LinuxNamespace{mount}, caps: []string{"CAP_SYS_ADMIN"}, want: "the root of this host"},
		{name: "lifted, powerless", host: bottomed(root), ns: []specs.LinuxNamespace{mount}, caps: []string{"CAP_KILL"}},
		{name: "in a chroot", host: chrooted(root), ns: []specs.LinuxNamespace{mount}, caps: []string{"CAP_SYS_ADMIN"}},
		{name: "no mount namespace", host: bottomed(root), caps: []string{"CAP_SYS_ADMIN"}},
		{name: "locked", host: bottomed(root), ns: []specs.LinuxNamespace{mount, userns}, caps: []string{"CAP_SYS_ADMIN"}},
		{name: "locked, plain", host: bottomed(user), ns: []specs.LinuxNamespace{mount, userns}, caps: []string{"CAP_SYS_ADMIN"}},
		{name: "joined", host: bottomed(root), ns: []specs.LinuxNamespace{mount, joined}, caps: []string{"CAP_SYS_ADMIN"}},
		{name: "joined, plain", host: bottomed(user), ns: []specs.LinuxNamespace{mount, joined}, caps: []string{"CAP_SYS_ADMIN"}, want: "the root of this host"},
		{name: "no pivot", host: root, ns: []specs.LinuxNamespace{mount}, caps: []string{"CAP_SYS_ADMIN"}, noPivot: true, want: "--no-pivot: the host's root"},
		{name: "no pivot, plain", host: user, ns: []specs.LinuxNamespace{mount, userns}, caps: []string{"CAP_SYS_ADMIN"}, noPivot: true, want: "--no-pivot: the host's root"},
		{name: "no pivot, powerless", host: bottomed(root), ns: []specs.LinuxNamespace{mount}, noPivot: true},
	} {
		s := bare(row.ns...)
		s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: row.caps}
		p, err := Compile(Input{ID: "c", Bundle: "/bundle", Spec: s, Host: row.host, NoPivot: row.noPivot})
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		got := strings.Join(p.Warnings, "; ")
		if strings.Contains(got, "CAP_SYS_ADMIN, by which") != (row.want != "") || !strings.HasPrefix(got, row.want) {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}
