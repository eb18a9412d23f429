package runtime_test

import (
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundletest"
)

const (
	msgmax  = "/proc/sys/kernel/msgmax"
	forward = "/proc/sys/net/ipv4/ip_forward"
	loRoute = "/proc/sys/net/ipv4/conf/lo/accept_source_route"
)

// ownNet adds a network namespace, which a plain user's bundle has not.
func ownNet(s *specs.Spec) {
	dropNS(s, specs.NetworkNamespace)
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace})
}

func hostValue(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimRight(string(data), "\n")
}

// Both forms of a name, values with spaces and line ends, in namespaces of
// which each is the container's own.
func TestSysctl(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		before := hostValue(t, msgmax) + hostValue(t, forward)
		k := b.Kernel(func(s *specs.Spec) {
			ownNet(s)
			s.Linux.Sysctl = map[string]string{
				"kernel.msgmax": "4321\n", "net.ipv4.ip_forward": "1", "net/ipv4/conf/lo/accept_source_route": "1",
				"net.ipv4.ping_group_range": "0 0", "net.ipv4.ip_local_port_range": "2000\t3000",
			}
			if u.IsRoot() {
				s.Linux.Sysctl["kernel.domainname"] = "of.the.container"
			}
		}, msgmax, forward, loRoute, "/proc/sys/net/ipv4/ping_group_range", "/proc/sys/net/ipv4/ip_local_port_range", "/proc/sys/kernel/domainname")
		for path, want := range map[string]string{msgmax: "4321", forward: "1", loRoute: "1",
			"/proc/sys/net/ipv4/ping_group_range": "0\t0", "/proc/sys/net/ipv4/ip_local_port_range": "2000\t3000"} {
			same(t, path, k.Files[path], want)
		}
		if u.IsRoot() {
			same(t, "domainname", k.Files["/proc/sys/kernel/domainname"], "of.the.container")
		}
		same(t, "the host's", hostValue(t, msgmax)+hostValue(t, forward), before)
	})
}

// A user namespace gets no procfs without a pid namespace of its own: the
// caller's is used.
func TestSysctlByTheCallersProc(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		giveMapped(b)
		k := b.Kernel(func(s *specs.Spec) {
			allNew(u, s)
			dropNS(s, specs.PIDNamespace)
			s.Mounts = append(without(s.Mounts, "/proc"), specs.Mount{Destination: "/proc", Source: "/proc", Options: []string{"rbind"}})
			s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
			s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1", "kernel.msgmax": "1234"}
		}, forward, msgmax)
		same(t, forward, k.Files[forward], "1")
		same(t, msgmax, k.Files[msgmax], "1234")
	})
}

// What the container has in the place of a kernel parameter is not written to
// (CVE-2025-52881).
func TestSysctlIsTheKernels(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.File("/planted", "planted", 0o666)
		k := b.Kernel(func(s *specs.Spec) {
			s.Linux.Sysctl = map[string]string{"kernel.msgmax": "4321"}
			s.Mounts = append(s.Mounts, specs.Mount{Destination: msgmax, Source: b.Path("planted"), Type: "bind", Options: []string{"bind"}})
		}, msgmax)
		same(t, "what is bound there", k.Files[msgmax], "planted")
		same(t, "the file", hostValue(t, b.Path("planted")), "planted")
	})
}

func sysctl(pairs ...string) func(*bundletest.Bundle, *specs.Spec) {
	return set(func(s *specs.Spec) {
		ownNet(s)
		s.Linux.Sysctl = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			s.Linux.Sysctl[pairs[i]] = pairs[i+1]
		}
	})
}

// lacking is sysctl without a kind of namespace.
func lacking(kind specs.LinuxNamespaceType, key string) func(*bundletest.Bundle, *specs.Spec) {
	return func(b *bundletest.Bundle, s *specs.Spec) {
		sysctl(key, "1")(b, s)
		dropNS(s, kind)
		if kind == specs.UTSNamespace {
			s.Hostname = ""
		}
	}
}

func TestBadSysctl(t *testing.T) {
	testBad(t, []bad{
		{name: "the host's", edit: sysctl("vm.swappiness", "1"), want: []string{"linux.sysctl vm.swappiness: would be the host's: no namespace has one of its own"}},
		{name: "without a network namespace", edit: lacking(specs.NetworkNamespace, "net.ipv4.ip_forward"), want: []string{"linux.sysctl net.ipv4.ip_forward: would be the host's: it needs a network namespace", `hint: add {"type": "network"} to linux.namespaces`}},
		{name: "without an ipc namespace", edit: lacking(specs.IPCNamespace, "kernel/shmmax"), want: []string{"linux.sysctl kernel/shmmax: would be the host's: it needs an ipc namespace"}},
		{name: "queues without an ipc namespace", edit: lacking(specs.IPCNamespace, "fs.mqueue.msg_max"), want: []string{"linux.sysctl fs.mqueue.msg_max: would be the host's: it needs an ipc namespace"}},
		{name: "without a uts namespace", edit: lacking(specs.UTSNamespace, "kernel.domainname"), want: []string{"linux.sysctl kernel.domainname: would be the host's: it needs a uts namespace"}},
		{name: "without a user namespace", edit: lacking(specs.UserNamespace, "user.max_net_namespaces"), want: []string{"linux.sysctl user.max_net_namespaces: would be the host's: it needs a user namespace"}, who: onlyRoot},
		{name: "the host's network namespace", edit: func(b *bundletest.Bundle, s *specs.Spec) {
			sysctl("net.ipv4.ip_forward", "1")(b, s)
			dropNS(s, specs.NetworkNamespace)
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: "/proc/self/ns/net"})
		}, want: []string{"linux.sysctl net.ipv4.ip_forward: would be the host's: /proc/self/ns/net is its net namespace"}},
		{name: "hostname", edit: sysctl("kernel.hostname", "h"), want: []string{"linux.sysctl kernel.hostname: is what the field hostname is for"}},
		{name: "domainname twice", edit: func(b *bundletest.Bundle, s *specs.Spec) {
			sysctl("kernel.domainname", "d")(b, s)
			s.Domainname = "d"
		}, want: []string{"linux.sysctl kernel.domainname: is what the field domainname says already"}},
		{name: "twice", edit: sysctl("net.ipv4.ip_forward", "1", "net/ipv4/ip_forward", "0"), want: []string{"linux.sysctl net/ipv4/ip_forward: is there already, as net.ipv4.ip_forward"}},
		{name: "empty", edit: sysctl("", "1"), want: []string{`linux.sysctl: "" is not the name`}},
		{name: "dots", edit: sysctl("net/../kernel/panic", "1"), want: []string{`linux.sysctl: "net/../kernel/panic" is not the name of a kernel parameter`}},
		{name: "dots as slashes", edit: sysctl("net.//.kernel.panic", "1"), want: []string{`"net.//.kernel.panic" is not the name of a kernel parameter`}},
		{name: "absolute", edit: sysctl("/net/ipv4/ip_forward", "1"), want: []string{"is not the name of a kernel parameter"}},
		{name: "name too long", edit: sysctl("net/"+longPath, "1"), want: []string{"linux.sysctl", "longer than PATH_MAX"}},
		{name: "NUL in the name", edit: sysctl("net.\x00", "1"), want: []string{"linux.sysctl", "NUL"}},
		{name: "NUL in the value", edit: sysctl("net.ipv4.ip_forward", "1\x00"), want: []string{"linux.sysctl net.ipv4.ip_forward", "NUL"}},
		{name: "unknown", edit: sysctl("net.ipv4.nothing", "1"), want: []string{"linux.sysctl net.ipv4.nothing: openat2(sys/net/ipv4/nothing): no such file or directory"}},
		{name: "a folder", edit: sysctl("net.ipv4", "1"), want: []string{"linux.sysctl net.ipv4: openat2(sys/net/ipv4): "}},
		{name: "bad value", edit: sysctl("net.ipv4.ip_forward", "many"), want: []string{"linux.sysctl net.ipv4.ip_forward: write(many): invalid argument"}},
		{name: "groups that are not mapped", edit: sysctl("net.ipv4.ping_group_range", "0 2147483647"),
			want: []string{"linux.sysctl net.ipv4.ping_group_range: write(0 2147483647): invalid argument", "hint: gid 2147483647 is not in linux.gidMappings"}, who: onlyPlain},
	})
}
