package runtime_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
	"ocibox/core/caps"
)

// same reports what is not as wanted.
func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%#v", got), fmt.Sprintf("%#v", want); g != w {
		t.Errorf("%s: %s, want %s", what, g, w)
	}
}

// has says whether the test has a capability that not every root has.
func has(t *testing.T, capability int) bool {
	t.Helper()
	own, _, err := caps.Own()
	if err != nil {
		t.Fatal(err)
	}
	return own&(1<<capability) != 0
}

// What every process has unless its config.json says otherwise.
func TestProcessDefaults(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		// The caller's own descriptors and umask are not the container's.
		file, err := os.Open("/etc")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		c := b.Command("run", "--bundle", b.Dir, b.ID)
		c.ExtraFiles = []*os.File{file, nil, file}
		result := c.Run()
		if result.Status != 0 || result.Err != "" {
			t.Fatalf("%+v", result)
		}
		r := bundletest.ReadReport(t, result.Out)
		same(t, "descriptors", slices.Sorted(maps.Keys(r.FDs)), []int{0, 1, 2})
		same(t, "pid", r.Pid, 1)
		same(t, "session", r.Session, 1)
		same(t, "process group", r.Group, 1)
		same(t, "a controlling terminal", r.TTY, false)
		same(t, "uids", r.UIDs, [3]int{})
		same(t, "gids", r.GIDs, [3]int{})
		same(t, "umask", r.Umask, 0o022)
		same(t, "cwd", r.Cwd, "/")
		same(t, "hostname", r.Hostname, "ocibox")
		same(t, "arguments", r.Args, b.Args("report"))
		same(t, "blocked signals", r.Status["SigBlk"], "0000000000000000")
		same(t, "ignored signals", r.Status["SigIgn"], "0000000000000000")
		same(t, "dumpable process's parent", r.Status["PPid"], "0")
	})
}

func TestUser(t *testing.T) {
	t.Parallel()
	umask := uint32(0o027)
	user := specs.User{UID: 1000, GID: 1001, AdditionalGids: []uint32{5, 70000}, Umask: &umask}
	check := func(t *testing.T, r *bundletest.Report) {
		t.Helper()
		same(t, "uids", r.UIDs, [3]int{1000, 1000, 1000})
		same(t, "gids", r.GIDs, [3]int{1001, 1001, 1001})
		same(t, "groups", r.Groups, []int{5, 70000})
		same(t, "umask", r.Umask, 0o027)
		same(t, "file system ids", r.Status["Uid"]+" "+r.Status["Gid"], "1000\t1000\t1000\t1000 1001\t1001\t1001\t1001")
	}
	t.Run("host's", func(t *testing.T) {
		t.Parallel()
		check(t, bundletest.Inside(t, bundletest.Root(t), func(s *specs.Spec) { s.Process.User = user }))
	})
	t.Run("mapped", func(t *testing.T) {
		t.Parallel()
		b := bundletest.New(t, bundletest.Root(t))
		b.Give(100000, 100000)
		b.Write(func(s *specs.Spec) {
			ids := []specs.LinuxIDMapping{{HostID: 100000, Size: 80000}}
			idMaps(ids, ids)(b, s)
			s.Process.User = user
		})
		check(t, b.Report())
	})
	t.Run("no groups", func(t *testing.T) {
		t.Parallel()
		r := bundletest.Inside(t, bundletest.Root(t), func(s *specs.Spec) { s.Process.User.UID = 7 })
		same(t, "groups", r.Groups, []int(nil))
		same(t, "gids", r.GIDs, [3]int{})
	})
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		u := bundletest.Plain(t)
		r := bundletest.Inside(t, u, func(s *specs.Spec) {
			s.Process.User = specs.User{UID: 1000, GID: 1001, Umask: &umask}
			s.Linux.UIDMappings[0].ContainerID = 1000
			s.Linux.GIDMappings[0].ContainerID = 1001
		})
		same(t, "uids", r.UIDs, [3]int{1000, 1000, 1000})
		same(t, "gids", r.GIDs, [3]int{1001, 1001, 1001})
		same(t, "umask", r.Umask, 0o027)
	})
}

// capMask gives the text of /proc/PID/status for capability numbers.
func capMask(bits ...int) string {
	n := uint64(0)
	for _, b := range bits {
		n |= 1 << b
	}
	return fmt.Sprintf("%016x", n)
}

// The capabilities after the execve, capabilities(7).
func TestCapabilities(t *testing.T) {
	chown, killing, bind := unix.CAP_CHOWN, unix.CAP_KILL, unix.CAP_NET_BIND_SERVICE
	three := []string{"CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	for _, row := range []struct {
		name                    string
		caps                    *specs.LinuxCapabilities
		uid                     uint32
		bnd, prm, eff, inh, amb string
	}{
		{"none", nil, 0, capMask(), capMask(), capMask(), capMask(), capMask()},
		{"empty", &specs.LinuxCapabilities{}, 0, capMask(), capMask(), capMask(), capMask(), capMask()},
		{"root", &specs.LinuxCapabilities{Bounding: three, Permitted: three, Effective: three}, 0,
			capMask(chown, killing, bind), capMask(chown, killing, bind), capMask(chown, killing, bind), capMask(), capMask()},
		{"permitted less than bounding", &specs.LinuxCapabilities{Bounding: three, Permitted: three[:1], Effective: three[:1]}, 0,
			capMask(chown, killing, bind), capMask(chown), capMask(chown), capMask(), capMask()},
		{"not root", &specs.LinuxCapabilities{Bounding: three, Permitted: three, Effective: three}, 1000,
			capMask(chown, killing, bind), capMask(), capMask(), capMask(), capMask()},
		{"ambient", &specs.LinuxCapabilities{Bounding: three, Permitted: three, Effective: three, Inheritable: three[2:], Ambient: three[2:]}, 1000,
			capMask(chown, killing, bind), capMask(bind), capMask(bind), capMask(bind), capMask(bind)},
		{"inheritable", &specs.LinuxCapabilities{Bounding: three, Permitted: three, Inheritable: three[1:]}, 1000,
			capMask(chown, killing, bind), capMask(), capMask(), capMask(killing, bind), capMask()},
	} {
		t.Run(row.name, func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				r := bundletest.Inside(t, u, func(s *specs.Spec) {
					s.Process.Capabilities = row.caps
					s.Process.User.UID = row.uid
					if !u.IsRoot() {
						s.Linux.UIDMappings[0].ContainerID = row.uid
					}
				})
				for _, set := range []struct{ name, want string }{{"CapBnd", row.bnd}, {"CapPrm", row.prm}, {"CapEff", row.eff}, {"CapInh", row.inh}, {"CapAmb", row.amb}} {
					same(t, set.name, r.Status[set.name], set.want)
				}
			})
		})
	}
}

func TestRlimits(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		limits := []specs.POSIXRlimit{{Type: "RLIMIT_CORE", Soft: 0, Hard: 4096}, {Type: "RLIMIT_NOFILE", Soft: 100, Hard: 200},
			{Type: "RLIMIT_CPU", Soft: 1000, Hard: 2000}, {Type: "RLIMIT_FSIZE", Soft: 1 << 40, Hard: 1 << 41}, {Type: "RLIMIT_RTTIME", Soft: 5, Hard: ^uint64(0)}}
		want := map[int]syscall.Rlimit{unix.RLIMIT_CORE: {Cur: 0, Max: 4096}, unix.RLIMIT_NOFILE: {Cur: 100, Max: 200},
			unix.RLIMIT_CPU: {Cur: 1000, Max: 2000}, unix.RLIMIT_FSIZE: {Cur: 1 << 40, Max: 1 << 41}, unix.RLIMIT_RTTIME: {Cur: 5, Max: ^uint64(0)}}
		if u.IsRoot() && has(t, unix.CAP_SYS_RESOURCE) {
			limits = append(limits, specs.POSIXRlimit{Type: "RLIMIT_RTPRIO", Soft: 1, Hard: 99})
			want[unix.RLIMIT_RTPRIO] = syscall.Rlimit{Cur: 1, Max: 99}
		}
		r := bundletest.Inside(t, u, func(s *specs.Spec) { s.Process.Rlimits = limits })
		for n, w := range want {
			same(t, fmt.Sprint("limit ", n), r.Rlimits[n], w)
		}
	})
}

// The Go runtime raises the soft limit of open files for itself; a container
// has the caller's.
func TestInheritedNofile(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) { s.Process.Rlimits = nil })
		for _, command := range [][]string{{"run"}, {"run", "--detach"}} {
			c := b.Command(append(command, "--bundle", b.Dir, b.ID)...).Through("limited", "300")
			if r := c.Run(); r.Status != 0 || r.Err != "" {
				t.Fatalf("%+v", r)
			}
			bundletest.Until(t, "the report", func() bool { return strings.HasSuffix(c.Output(), "\n") })
			same(t, "soft limit", bundletest.ReadReport(t, c.Output()).Rlimits[unix.RLIMIT_NOFILE].Cur, 300)
		}
	})
}

func TestNoNewPrivilegesAndOOM(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		adj := 500
		if u.IsRoot() && has(t, unix.CAP_SYS_RESOURCE) {
			adj = -500
		}
		for _, yes := range []bool{true, false} {
			r := bundletest.Inside(t, u, func(s *specs.Spec) {
				s.Process.NoNewPrivileges = yes
				s.Process.OOMScoreAdj = &adj
			})
			same(t, "NoNewPrivs", r.Status["NoNewPrivs"], map[bool]string{true: "1", false: "0"}[yes])
			same(t, "oom_score_adj", r.OOMScoreAdj, strconv.Itoa(adj))
		}
	})
	t.Run("in root's user namespace", func(t *testing.T) {
		t.Parallel()
		b := bundletest.New(t, bundletest.Root(t))
		if !has(t, unix.CAP_SYS_RESOURCE) {
			t.Skip("needs CAP_SYS_RESOURCE")
		}
		adj := -500
		b.Give(100000, 100000)
		b.Write(func(s *specs.Spec) {
			ids := []specs.LinuxIDMapping{{HostID: 100000, Size: 80000}}
			idMaps(ids, ids)(b, s)
			s.Process.OOMScoreAdj = &adj
		})
		same(t, "oom_score_adj", b.Report().OOMScoreAdj, "-500")
	})
}

func TestCwdAndNames(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		r := bundletest.Inside(t, u, func(s *specs.Spec) {
			s.Process.Cwd = "/made/for/it"
			s.Hostname, s.Domainname = strings.Repeat("h", 64), "example.org"
		})
		same(t, "cwd", r.Cwd, "/made/for/it")
		same(t, "hostname", r.Hostname, strings.Repeat("h", 64))
		same(t, "domainname", r.Domain, "example.org")
		host, err := os.Hostname()
		if err != nil || host == r.Hostname {
			t.Errorf("the host's name is now %q, %v", host, err)
		}
	})
}

func TestEnvironment(t *testing.T) {
	for _, row := range []struct {
		name, passwd string
		env, want    []string
	}{
		{"as it is", "", []string{"A=1", "EMPTY=", "B=x=y z\n", "HOME=/h"}, []string{"A=1", "EMPTY=", "B=x=y z\n", "HOME=/h"}},
		{"last one wins", "", []string{"A=1", "B=2", "HOME=/", "A=3"}, []string{"A=3", "B=2", "HOME=/"}},
		{"home from passwd", "no:x:1:1::/no:\nroot:x:0:0:r:/root/home:/bin/sh\nroot2:x:0:0::/second:\n", []string{"A=1"}, []string{"A=1", "HOME=/root/home"}},
		{"home not in passwd", "no:x:1:1::/no:\n", nil, []string{"HOME=/"}},
		{"home without passwd", "", nil, []string{"HOME=/"}},
		{"home empty", "root:x:0:0:::\n", nil, []string{"HOME=/"}},
		{"home given and empty", "root:x:0:0::/root:\n", []string{"HOME="}, []string{"HOME="}},
		{"broken passwd", "root\n:::\n+::::::\nroot:x:0:0::/root:\n", nil, []string{"HOME=/root"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				b := bundletest.New(t, u)
				if row.passwd != "" {
					b.File("/etc/passwd", row.passwd, 0o644)
				}
				b.Write(func(s *specs.Spec) { s.Process.Env = row.env })
				same(t, "environment", b.Report().Env, row.want)
			})
		})
	}
}

// The passwd is the container's, also where the image's is a symlink that would
// lead to the host's, a fifo, or hidden under a mount.
func TestHomeIsTheContainers(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Mkdir("/etc", 0o755)
		b.Symlink("../../../../../../../../../etc/passwd", "/etc/passwd")
		b.Write(func(s *specs.Spec) { s.Process.Env = nil })
		same(t, "with a symlink to itself", b.Report().Env, []string{"HOME=/"})

		remove(t, b.Path("etc/passwd"))
		mkfifo(t, b.Path("etc/passwd"))
		same(t, "with a fifo", b.Report().Env, []string{"HOME=/"})

		remove(t, b.Path("etc/passwd"))
		mkfile(t, b.Beside("passwd"), "root:x:0:0::/bound:\n")
		b.Write(func(s *specs.Spec) {
			s.Process.Env = nil
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/etc/passwd", Source: "../passwd", Type: "bind", Options: []string{"ro"}})
		})
		same(t, "bound", b.Report().Env, []string{"HOME=/bound"})
	})
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
