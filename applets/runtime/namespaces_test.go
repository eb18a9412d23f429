package runtime_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// procNames are the namespaces' names in /proc/PID/ns.
var procNames = map[specs.LinuxNamespaceType]string{
	specs.CgroupNamespace: "cgroup", specs.IPCNamespace: "ipc", specs.MountNamespace: "mnt", specs.NetworkNamespace: "net",
	specs.PIDNamespace: "pid", specs.TimeNamespace: "time", specs.UserNamespace: "user", specs.UTSNamespace: "uts",
}

// sysfs is the default bundle's, which a plain user's has not.
var sysfs = specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}}

func mapped(u bundletest.User) []specs.LinuxIDMapping {
	if u.IsRoot() {
		return []specs.LinuxIDMapping{{HostID: 100000, Size: 65536}}
	}
	return []specs.LinuxIDMapping{{HostID: u.UID, Size: 1}}
}

// allNew asks for a new namespace of each kind.
func allNew(u bundletest.User, s *specs.Spec) {
	s.Linux.Namespaces = nil
	for kind := range procNames {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: kind})
	}
	s.Linux.UIDMappings, s.Linux.GIDMappings = mapped(u), mapped(u)
	s.Mounts = append(without(s.Mounts, "/sys"), sysfs)
	for i := range s.Mounts {
		if s.Mounts[i].Type == "devpts" {
			s.Mounts[i].Options = []string{"newinstance", "ptmxmode=0666", "mode=0620"}
		}
	}
}

func giveMapped(b *bundletest.Bundle) {
	if b.IsRoot() {
		b.Give(100000, 100000)
	}
}

func TestNewNamespaces(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		giveMapped(b)
		b.Write(func(s *specs.Spec) { allNew(u, s) })
		r, host := b.Report(), bundletest.Namespaces(os.Getpid())
		for _, name := range procNames {
			if r.Namespaces[name] == host[name] || r.Namespaces[name] == "" {
				t.Errorf("%s is %s, the host's %s", name, r.Namespaces[name], host[name])
			}
		}
		same(t, "uids", r.UIDs, [3]int{})
		flags, err := strconv.ParseUint(r.Link, 0, 32)
		if err != nil || flags&unix.IFF_UP == 0 {
			t.Errorf("lo has flags %s, %v; want IFF_UP", r.Link, err)
		}
	})
}

// What is not listed is the caller's.
func TestSharedNamespaces(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		r := bundletest.Inside(t, u, func(s *specs.Spec) {
			var few []specs.LinuxNamespace
			for _, n := range s.Linux.Namespaces {
				if n.Type == specs.MountNamespace || n.Type == specs.UserNamespace {
					few = append(few, n)
				}
			}
			s.Linux.Namespaces, s.Hostname = few, ""
			s.Mounts = without(s.Mounts, "/dev/mqueue") // belongs to the IPC namespace
			if !u.IsRoot() {
				s.Mounts[0] = specs.Mount{Destination: "/proc", Source: "/proc", Options: []string{"rbind"}}
				s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
			}
		})
		host := bundletest.Namespaces(os.Getpid())
		for kind, name := range procNames {
			private := kind == specs.MountNamespace || kind == specs.UserNamespace && !u.IsRoot()
			if private == (r.Namespaces[name] == host[name]) {
				t.Errorf("%s is %s, the host's %s", name, r.Namespaces[name], host[name])
			}
		}
		if r.Pid == 1 {
			t.Error("it is process 1 of the host's PID namespace")
		}
		// It has left the caller's session and group all the same.
		if r.Session != r.Pid || r.Group != r.Pid {
			t.Errorf("process %d in session %d, group %d", r.Pid, r.Session, r.Group)
		}
	})
}

// Without a mount namespace there is a root, and nothing is mounted.
func TestNoMountNamespace(t *testing.T) {
	t.Parallel()
	b := bundletest.New(t, bundletest.Root(t))
	looks := b.Look(func(s *specs.Spec) {
		dropNS(s, specs.MountNamespace)
		s.Mounts, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil, nil
	}, "/", "/proc", "/dev/null")
	same(t, "/", looks["/"].Content, "dev init ")
	if l := looks["/dev/null"]; l.Rdev != [2]uint32{1, 3} {
		t.Errorf("/dev/null: %+v", l)
	}
	nothingLeft(t, b)
}

// A second container in namespaces of the first.
func TestJoinNamespaces(t *testing.T) {
	type kinds = []specs.LinuxNamespaceType
	const pid, net, ipc, uts, user, cgroup, clock = specs.PIDNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.UserNamespace, specs.CgroupNamespace, specs.TimeNamespace
	join := func(t *testing.T, u bundletest.User, joined kinds) {
		first := bundletest.New(t, u)
		giveMapped(first)
		owned := false // by a user namespace of its own
		for _, k := range joined {
			owned = owned || k == user
		}
		first.Write(func(s *specs.Spec) {
			s.Process.Args = first.Args("sleep")
			allNew(u, s)
			s.Hostname = "first"
			if u.IsRoot() && !owned {
				dropNS(s, user)
				s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
			}
		})
		ready(t, first.Detach())
		source := first.Query().Pid

		second := bundletest.New(t, u)
		if owned {
			giveMapped(second)
		}
		second.Write(func(s *specs.Spec) {
			allNew(u, s)
			s.Hostname = ""
			for _, k := range joined {
				dropNS(s, k)
				s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: k, Path: fmt.Sprintf("/proc/%d/ns/%s", source, procNames[k])})
			}
			if owned || u.IsRoot() {
				s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
			}
			if !owned && u.IsRoot() {
				dropNS(s, user)
			}
		})
		want, host := bundletest.Namespaces(source), bundletest.Namespaces(os.Getpid())
		var isJoined = map[string]bool{}
		for _, k := range joined {
			isJoined[procNames[k]] = true
		}
		check := func(r *bundletest.Report) {
			t.Helper()
			for kind, name := range procNames {
				switch got := r.Namespaces[name]; {
				case isJoined[name] && got != want[name]:
					t.Errorf("%s is %s, want the first's %s", name, got, want[name])
				case !isJoined[name] && got == want[name] && (kind != user || !u.IsRoot()):
					t.Errorf("%s is the first's %s, and should be new", name, got)
				case got == host[name] && (kind != user || !u.IsRoot()):
					t.Errorf("%s is the host's %s", name, got)
				}
			}
			if (r.Pid == 1) == isJoined["pid"] {
				t.Errorf("it is process %d", r.Pid)
			}
			if isJoined["uts"] {
				same(t, "hostname", r.Hostname, "first")
			}
			same(t, "uids", r.UIDs, [3]int{})
		}
		check(second.Report())
		nothingLeft(t, second)
		// The child forks on its way: it has to be the container's init that
		// create leaves, and its parent's child.
		c := second.Create()
		init := second.Query().Pid
		same(t, "processes", second.Processes(), []int{init})
		same(t, "parent", second.Parent(init), bundletest.Reaper())
		second.Must("start", second.ID)
		second.Wait(specs.StateStopped)
		check(bundletest.ReadReport(t, c.Output()))
	}
	for _, row := range []struct {
		joined kinds
		who    privilege
	}{
		{kinds{pid}, onlyRoot}, {kinds{net}, onlyRoot}, {kinds{ipc}, onlyRoot}, {kinds{uts}, onlyRoot}, {kinds{cgroup}, onlyRoot}, {kinds{clock}, onlyRoot},
		{kinds{pid, net, ipc, uts, cgroup, clock}, onlyRoot},
		{kinds{user}, anybody}, {kinds{net, user}, anybody}, {kinds{user, net, pid}, anybody}, {kinds{pid, net, ipc, uts, cgroup, clock, user}, anybody},
	} {
		t.Run(fmt.Sprint(row.joined), func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				if row.who == onlyRoot && !u.IsRoot() {
					t.Skip("a plain user may join only what belongs to a user namespace that it joins too")
				}
				join(t, u, row.joined)
			})
		})
	}
}

// A mount namespace is joined too: of a process that sees the bundle.
func TestJoinMountNamespace(t *testing.T) {
	t.Parallel()
	b := bundletest.New(t, bundletest.Root(t))
	helper := exec.Command("/proc/self/exe", b.Args("sleep")[1:]...)
	helper.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { helper.Process.Kill(); helper.Wait() }()
	b.Write(func(s *specs.Spec) {
		dropNS(s, specs.MountNamespace)
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.MountNamespace, Path: fmt.Sprintf("/proc/%d/ns/mnt", helper.Process.Pid)})
	})
	same(t, "mount namespace", b.Report().Namespaces["mnt"], bundletest.Namespaces(helper.Process.Pid)["mnt"])
}

// Root of a user namespace, as unshare -r makes one, runs root's bundles.
func TestInUserNamespace(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			allNew(u, s)
			dropNS(s, specs.UserNamespace)
			s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
		})
		r := b.Command("run", "--bundle", b.Dir, b.ID).Through("as-root").Run()
		if r.Status != 0 || r.Err != "" {
			t.Fatalf("%+v", r)
		}
		report, host := bundletest.ReadReport(t, r.Out), bundletest.Namespaces(os.Getpid())
		for _, name := range procNames {
			if report.Namespaces[name] == host[name] {
				t.Errorf("%s is the host's %s", name, host[name])
			}
		}
		same(t, "type of /dev/null", report.Mount(t, "/dev/null").Type, hostType(t, "/dev"))
		// Another user namespace inside that one.
		b.Write(func(s *specs.Spec) {
			allNew(u, s)
			s.Linux.UIDMappings = []specs.LinuxIDMapping{{Size: 1}}
			s.Linux.GIDMappings = s.Linux.UIDMappings
		})
		if r := b.Command("run", "--bundle", b.Dir, b.ID).Through("as-root").Run(); r.Status != 0 || r.Err != "" {
			t.Errorf("%+v", r)
		}
		nothingLeft(t, b)
	})
}

// hostType is the type of the file system at a mount point of the host.
func hostType(t *testing.T, point string) (kind string) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		own, fs, _ := strings.Cut(line, " - ")
		if strings.Fields(own)[4] == point {
			kind = strings.Fields(fs)[0]
		}
	}
	return kind
}

// A limit that is reached is named, with its value.
func TestNamespaceLimit(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		const limit = "/proc/sys/user/max_pid_namespaces"
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			allNew(u, s)
			dropNS(s, specs.UserNamespace)
			s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
		})
		for _, command := range []string{"create", "run"} {
			r := b.Command(command, "--bundle", b.Dir, b.ID).Through("sysctl", limit, "0").Through("as-root").Run()
			r.Fails(t, "linux.namespaces: clone3(", "no space left on device", "hint: a limit on namespaces is reached: ", limit+" is 0")
			nothingLeft(t, b)
		}
	})
}
