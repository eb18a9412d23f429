package plan

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundle"
	"ocibox/core/caps"
	"ocibox/core/idmap"
	"ocibox/core/namespace"
)

var update = flag.Bool("update", false, "write the golden files")

// root and user are hosts that do not depend on the one that the test runs on.
var (
	root = Host{Self: idmap.Self{CapSetuid: true, CapSetgid: true, CapSetfcap: true}, Caps: caps.All(40), CapLast: 40, Nofile: [2]uint64{1024, 4096}}
	user = Host{Self: idmap.Self{EUID: 1000, EGID: 1000}, CapLast: 40, Nofile: [2]uint64{1024, 4096},
		Stdio: [3]Stream{{UID: 1000}, {UID: 1000}, {Shared: true}}}
)

// bare is a config.json with one namespace and nothing that is not needed.
func bare(n ...specs.LinuxNamespace) *specs.Spec {
	s := &specs.Spec{
		Version: "1.3.0",
		Root:    &specs.Root{Path: "/rootfs"},
		Process: &specs.Process{Args: []string{"/init"}, Cwd: "/"},
		Linux:   &specs.Linux{Namespaces: n},
	}
	for _, n := range n {
		if n.Type == specs.UserNamespace && n.Path == "" {
			s.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: 1000, Size: 1}}
			s.Linux.GIDMappings = []specs.LinuxIDMapping{{HostID: 1000, Size: 1}}
		}
	}
	return s
}

// resctrl is h with resctrl mounted.
func resctrl(h Host) Host {
	h.Resctrl = func() (string, error) { return "/sys/fs/resctrl", nil }
	return h
}

type golden struct {
	name   string
	in     Input
	target *Target // of Exec; nil for Compile
	goarch string  // that it holds for, or ""
}

func goldens() []golden {
	list := []golden{
		{name: "root", in: Input{Spec: bundle.Default(), Host: root, Home: "/root"}},
		{name: "rootless", in: Input{Spec: bundle.Rootless(1000, 1000), Host: user, Home: "/root"}},
		{name: "host-root", in: Input{Spec: func() *specs.Spec {
			s := bare(specs.LinuxNamespace{Type: specs.MountNamespace})
			s.Root.Path = "/"
			return s
		}(), Host: root}},
		{name: "run", in: Input{Spec: bare(), Host: root, Started: true, PreserveFDs: 2}},
		{name: "root-in-userns", in: Input{Spec: bare(specs.LinuxNamespace{Type: specs.MountNamespace}), Host: func() Host {
			h := root
			h.Userns, h.NoSetgroups = true, true
			return h
		}()}},
		{name: "subids", in: Input{Spec: func() *specs.Spec {
			s := bundle.Rootless(1000, 1000)
			s.Linux.UIDMappings = append(s.Linux.UIDMappings, specs.LinuxIDMapping{ContainerID: 1, HostID: 100000, Size: 65536})
			s.Linux.GIDMappings = append(s.Linux.GIDMappings, specs.LinuxIDMapping{ContainerID: 1, HostID: 100000, Size: 65536})
			s.Process.User = specs.User{UID: 5, GID: 6, AdditionalGids: []uint32{7, 8}, Umask: new(uint32)}
			adj := 100
			s.Process.OOMScoreAdj = &adj
			return s
		}(), Host: user}},
		{name: "remapped", in: Input{Spec: func() *specs.Spec {
			s := bundle.Default()
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace}, specs.LinuxNamespace{Type: specs.CgroupNamespace})
			s.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: 100000, Size: 65536}}
			s.Linux.GIDMappings = []specs.LinuxIDMapping{{HostID: 100000, Size: 65536}}
			s.Process.ConsoleSize = &specs.Box{Height: 24, Width: 80}
			s.Process.User.UID = 1000
			return s
		}(), Host: root}},
		{name: "pod", in: Input{Spec: func() *specs.Spec {
			s := bare(specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: "/proc/7/ns/net"}, specs.LinuxNamespace{Type: specs.IPCNamespace, Path: "/proc/7/ns/ipc"},
				specs.LinuxNamespace{Type: specs.UserNamespace, Path: "/proc/7/ns/user"}, specs.LinuxNamespace{Type: specs.PIDNamespace},
				specs.LinuxNamespace{Type: specs.MountNamespace}, specs.LinuxNamespace{Type: specs.UTSNamespace})
			s.Hostname, s.Domainname = "host", "domain"
			return s
		}(), Host: root}},
		{name: "mounts", in: Input{Bundle: "/bundle", Spec: func() *specs.Spec {
			s := bare(specs.LinuxNamespace{Type: specs.MountNamespace})
			s.Root.Path = "rootfs"
			s.Mounts = []specs.Mount{
				{Destination: "/data", Source: "data", Type: "bind", Options: []string{"rbind", "ro", "rnosuid", "noatime", "rslave", "shared"}},
				{Destination: "/scratch", Source: "tmpfs", Type: "tmpfs", Options: []string{"tmpcopyup", "ro", "nodev", "size=1m", "sync"}},
				{Destination: "/disk", Source: "/dev/sdb", Type: "ext4", Options: []string{"ro", "data=journal"}},
				{Destination: "/data", Options: []string{"remount", "rw", "private"}},
				{Destination: "/scratch", Options: []string{"remount", "size=2m"}},
				{Destination: "/etc/localtime", Source: "/etc/localtime", Options: []string{"bind", "copy-symlink"}},
				{Destination: "/link", Source: "link", Options: []string{"bind", "src-nofollow", "dest-nofollow"}},
			}
			return s
		}(), Host: root}},
		{name: "devices-rdt", in: Input{Spec: func() *specs.Spec {
			s := bare(specs.LinuxNamespace{Type: specs.NetworkNamespace}, specs.LinuxNamespace{Type: specs.UserNamespace})
			s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"a": {Name: "net%d"}, "b": {Name: "net0"}, "c": {}}
			s.Linux.IntelRdt = &specs.LinuxIntelRdt{MemBwSchema: "MB:0=20", Schemata: []string{"L3:0=f", "L2:0=3"}, EnableMonitoring: true}
			return s
		}(), Host: resctrl(root)}},
		{name: "devices-joined", in: Input{Spec: func() *specs.Spec {
			s := bare(specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: "/run/netns/n"})
			s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"a": {}}
			s.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: "gold"}
			return s
		}(), Host: resctrl(root)}},
		{name: "hooks", in: Input{Spec: func() *specs.Spec {
			s := bare(specs.LinuxNamespace{Type: specs.MountNamespace})
			seconds := 5
			hook := func(path string) []specs.Hook {
				return []specs.Hook{{Path: path}, {Path: path + "2", Args: []string{"own name", "x"}, Env: []string{"A=1"}, Timeout: &seconds}}
			}
			s.Hooks = &specs.Hooks{CreateRuntime: hook("/a"), CreateContainer: hook("/b"), StartContainer: hook("/c"), Poststart: hook("/d"), Poststop: hook("/e")}
			s.Annotations = map[string]string{HooksStderr: "/var/log/hooks"}
			return s
		}(), Host: root}},
		{name: "idmap", in: Input{Spec: func() *specs.Spec {
			s := bare(specs.LinuxNamespace{Type: specs.MountNamespace}, specs.LinuxNamespace{Type: specs.UserNamespace})
			ids := []specs.LinuxIDMapping{{HostID: 5000, Size: 10}}
			s.Mounts = []specs.Mount{
				{Destination: "/own", Source: "/a", Options: []string{"rbind", "ridmap", "ro"}},
				{Destination: "/mapped", Source: "/b", Options: []string{"bind", "idmap"}, UIDMappings: ids, GIDMappings: ids},
				{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"ro"}},
				{Destination: "/proc", Type: "proc", Source: "proc"},
			}
			return s
		}(), Host: root}},
		{name: "devices", in: Input{Spec: func() *specs.Spec {
			s := bare(specs.LinuxNamespace{Type: specs.MountNamespace})
			mode, id := os.FileMode(0o600), uint32(7)
			s.Linux.Devices = []specs.LinuxDevice{
				{Path: "/dev/null", Type: "c", Major: 1, Minor: 3, FileMode: &mode},
				{Path: "/srv/disk", Type: "b", Major: 8, Minor: 1, UID: &id, GID: &id},
				{Path: "/dev/fifo", Type: "p"},
			}
			s.Linux.RootfsPropagation = "rshared"
			return s
		}(), Host: root}},
		{name: "no-pivot", in: Input{NoPivot: true, Spec: bare(specs.LinuxNamespace{Type: specs.MountNamespace}), Host: func() Host {
			h := root
			h.KernelMounts = []string{"/sys", "/proc"}
			return h
		}()}},
	}
	list = slices.Concat(list, liftGoldens(), kernelGoldens(), seccompGoldens(), cgroupGoldens())
	for _, k := range namespace.Kinds {
		list = append(list,
			golden{name: "new-" + k.Proc, in: Input{Spec: bare(specs.LinuxNamespace{Type: k.Type}), Host: user}},
			golden{name: "join-" + k.Proc, in: Input{Spec: bare(specs.LinuxNamespace{Type: k.Type, Path: "/proc/7/ns/" + k.Proc}), Host: root}})
	}
	return append(list, execGoldens()...)
}

func (g golden) compile() (*Plan, error) {
	if g.target != nil {
		return Exec(g.in, *g.target)
	}
	return Compile(g.in)
}

// The compile step from config.json to what explain prints. -update writes the
// files anew.
func TestGolden(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			if g.goarch != "" && g.goarch != runtime.GOARCH {
				t.Skipf("the filter is one for %s", g.goarch)
			}
			g.in.ID = "golden"
			if g.in.Bundle == "" {
				g.in.Bundle = "/bundle"
			}
			p, err := g.compile()
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := p.Explain(&got, false); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", g.name+".txt")
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("explain differs from %s (go test -update writes it):\n%s", file, firstDifference(got.String(), string(want)))
			}
			if strings.Contains(got.String(), "syscall_") {
				t.Error("a system call has no name in core/clone")
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "got  " + g[i] + "\nwant " + w[i]
		}
	}
	return "one has more lines"
}

// Every golden file belongs to a case.
func TestNoStrayGoldens(t *testing.T) {
	files, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, g := range goldens() {
		names[g.name+".txt"] = true
	}
	for _, f := range files {
		if !names[f.Name()] {
			t.Errorf("testdata/%s: no case writes it", f.Name())
		}
	}
}
