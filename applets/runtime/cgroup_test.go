package runtime_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
	"ocibox/core/cgroup"
	"ocibox/core/container"
	"ocibox/core/names"
)

// withoutCgroups are global options for containers that have no cgroup of their
// own.
var withoutCgroups = []string{"--cgroup-manager", "disabled"}

// controlled makes a bundle of root's, on a host whose cgroups have all of the
// controllers.
func controlled(t *testing.T, controllers ...string) *bundletest.Bundle {
	t.Helper()
	u := bundletest.Root(t)
	h, err := cgroup.Probe(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range controllers {
		if !slices.ContainsFunc(append(slices.Clone(h.Legacy), unified(h)), func(t cgroup.Tree) bool { return slices.Contains(t.Controllers, c) }) {
			t.Skipf("the cgroups of this host have no controller %s", c)
		}
	}
	return bundletest.New(t, u)
}

func unified(h cgroup.Host) cgroup.Tree {
	if h.Unified == nil {
		return cgroup.Tree{}
	}
	return *h.Unified
}

// limitedTo writes the config.json of a container with these limits.
func limitedTo(t *testing.T, b *bundletest.Bundle, resources, program string, args ...string) {
	t.Helper()
	b.Write(func(s *specs.Spec) {
		s.Process.Args = b.Args(program, args...)
		if err := json.Unmarshal([]byte(resources), s.Linux.Resources); err != nil {
			t.Fatal(err)
		}
	})
}

// stats are the figures of a container.
func stats(t *testing.T, b *bundletest.Bundle) cgroup.Stats {
	t.Helper()
	var e struct {
		Type, ID string
		Data     cgroup.Stats
	}
	if err := json.Unmarshal([]byte(b.Must("events", "--stats", b.ID)), &e); err != nil {
		t.Fatal(err)
	}
	if e.Type != "stats" || e.ID != b.ID {
		t.Errorf("event of type %q for %q", e.Type, e.ID)
	}
	return e.Data
}

// Who takes more memory than the limit is killed, and events tells of it.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	b := controlled(t, "memory")
	limitedTo(t, b, `{"memory": {"limit": 67108864, "swap": 67108864}}`, "eat", "200")
	c := b.Create()
	events := b.Command("events", "--interval", "100ms", b.ID)
	if err := events.Start(); err != nil {
		t.Fatal(err)
	}
	bundletest.Until(t, "the first figures", func() bool { return strings.Contains(events.Output(), `"type":"stats"`) })
	b.Must("start", b.ID)
	b.Wait(specs.StateStopped)
	if r := events.End(); r.Status != 0 || !strings.Contains(r.Out, `{"type":"oom","id":"`+b.ID+`"}`+"\n") {
		t.Errorf("events: exit status %d, %s%s", r.Status, r.Out, r.Err)
	}
	lines := strings.Split(strings.TrimSpace(c.Output()), "\n")
	if n, err := strconv.Atoi(lines[len(lines)-1]); err != nil || n < 20 || n > 70 {
		t.Errorf("it got %q MiB of 64", lines[len(lines)-1])
	}
	b.Must("delete", b.ID)
	nothingLeft(t, b)
}

// The limit of processes ends what would be a fork bomb.
func TestPidsLimit(t *testing.T) {
	t.Parallel()
	b := controlled(t, "pids")
	limitedTo(t, b, `{"pids": {"limit": 60}}`, "breed", "500")
	c := b.Detach()
	bundletest.Until(t, "it to have tried", func() bool { return strings.Contains(c.Output(), "\n") })
	word, why, _ := strings.Cut(c.Output(), " ")
	// Each has several threads, which count.
	if n, err := strconv.Atoi(word); err != nil || n < 1 || n > 59 || !strings.Contains(why, "resource temporarily unavailable") {
		t.Errorf("it made %q", c.Output())
	}
	if s := stats(t, b); s.Pids.Limit != 60 || s.Pids.Current < 50 || s.Pids.Current > 60 {
		t.Errorf("figures %+v", s.Pids)
	}
	b.Must("delete", "--force", b.ID)
	nothingLeft(t, b)
}

// A quota throttles: what a process gets of a processor is a part of what it
// gets without.
func TestCPUQuota(t *testing.T) {
	b := controlled(t, "cpu")
	burn := func(resources string) int {
		t.Helper()
		limitedTo(t, b, resources, "burn", "1000")
		n, err := strconv.Atoi(strings.TrimSpace(b.Foreground()))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	free, throttled := burn(`{}`), burn(`{"cpu": {"quota": 10000, "period": 100000}}`)
	if throttled*2 > free {
		t.Errorf("%d %% of a processor with a quota of 10 %%, %d %% without", throttled, free)
	}
}

// A device that no rule allows can be made, and not used.
func TestDeviceRules(t *testing.T) {
	t.Parallel()
	b := controlled(t)
	const fuse, loop = "c 10:229", "b 240:300"
	run := func(rules string) string {
		t.Helper()
		b.Write(func(s *specs.Spec) {
			s.Process.Args = b.Args("device", "/dev/made", "c 1:3", fuse, loop)
			for _, set := range []*[]string{&s.Process.Capabilities.Bounding, &s.Process.Capabilities.Permitted, &s.Process.Capabilities.Effective} {
				*set = append(*set, "CAP_MKNOD")
			}
			if err := json.Unmarshal([]byte(rules), &s.Linux.Resources.Devices); err != nil {
				t.Fatal(err)
			}
		})
		return b.Foreground()
	}
	opened := func(out, device string) string {
		_, rest, _ := strings.Cut(out, device+" ok ")
		word, _, _ := strings.Cut(rest, "\n")
		return word
	}
	out := run(`[{"allow": false, "access": "rwm"}]`)
	if opened(out, "c 1:3") != "ok" || opened(out, fuse) != "EPERM" || opened(out, loop) != "EPERM" {
		t.Errorf("with the usual rules: %s", out)
	}
	out = run(`[{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rwm"}]`)
	if opened(out, fuse) == "EPERM" || opened(out, fuse) == "" || opened(out, loop) != "EPERM" {
		t.Errorf("with one that is allowed: %s", out)
	}
	out = run(`[{"allow": true, "access": "rwm"}]`)
	if opened(out, fuse) == "EPERM" || opened(out, loop) == "EPERM" || opened(out, loop) == "" {
		t.Errorf("with all allowed: %s", out)
	}
	if r := b.Runtime("explain", "--bundle", b.Dir); !strings.Contains(r.Out, "device rule: allow a *:* rwm") {
		t.Errorf("explain: %s", r.Out)
	}
}

// update changes each limit while the container runs, and takes back what it
// set if one of them cannot be.
func TestUpdate(t *testing.T) {
	t.Parallel()
	b := controlled(t, "memory", "pids", "cpu", "cpuset")
	limitedTo(t, b, `{"memory": {"limit": 134217728}, "pids": {"limit": 100}}`, "sleep")
	ready(t, b.Detach())
	s := stats(t, b)
	same(t, "memory at first", s.Memory.Usage.Limit, 134217728)
	b.Must("update", "--memory", "256m", "--memory-swap", "512M", b.ID)
	same(t, "memory", stats(t, b).Memory.Usage.Limit, 256<<20)
	b.Must("update", "--memory", "64m", "--pids-limit", "50", "--cpuset-cpus", "0", "--cpu-quota", "20000", "--cpu-period", "50000", "--cpu-share", "512", b.ID)
	s = stats(t, b)
	same(t, "memory", s.Memory.Usage.Limit, 64<<20)
	same(t, "pids", s.Pids.Limit, 50)
	same(t, "cpus", s.CPUSet.CPUs, []uint16{0})
	b.Must("update", "--pids-limit", "-1", b.ID)
	same(t, "pids, unlimited", stats(t, b).Pids.Limit, 0)

	file := b.Beside("resources.json")
	mkfile(t, file, `{"pids": {"limit": 70}, "memory": {"limit": 134217728, "swap": -1}}`)
	b.Must("update", "-r", file, b.ID)
	s = stats(t, b)
	same(t, "pids of the file", s.Pids.Limit, 70)
	same(t, "memory of the file", s.Memory.Usage.Limit, 128<<20)
	c := b.Command("update", "--resources", "-", b.ID)
	c.Stdin = strings.NewReader(`{"pids": {"limit": 71}}`)
	if r := c.Run(); r.Status != 0 {
		t.Errorf("%+v", r)
	}
	same(t, "pids of standard input", stats(t, b).Pids.Limit, 71)

	// Of what fails, nothing is left, and what was set before holds.
	b.Fails([]string{"linux.resources.cpu.cpus: ", "cpuset.cpus"}, "update", "--pids-limit", "5", "--memory", "100m", "--cpuset-cpus", "4095", b.ID)
	s = stats(t, b)
	same(t, "pids after a failure", s.Pids.Limit, 71)
	same(t, "memory after a failure", s.Memory.Usage.Limit, 128<<20)
	mkfile(t, file, `{"memory": {"limit": 4096, "checkBeforeUpdate": true}}`)
	b.Fails([]string{"linux.resources.memory.limit: 4096 is less than the ", "checkBeforeUpdate"}, "update", "-r", file, b.ID)

	for want, args := range map[string][]string{
		"--memory 5x":                         {"--memory", "5x"},
		"--memory 99999999999g":               {"--memory", "99999999999g"},
		"--pids-limit many":                   {"--pids-limit", "many"},
		"--cpu-period -1":                     {"--cpu-period", "-1"},
		"linux.resources.blockIO.weight: 5":   {"--blkio-weight", "5"},
		"linux.resources.cpu.cpus: \"a\"":     {"--cpuset-cpus", "a"},
		"--resources: open /nonexistent":      {"-r", "/nonexistent"},
		"--resources " + b.Dir + ": ":         {"-r", b.Dir},
		"linux.intelRdt: the container was c": {"--mem-bw-schema", "MB:0=20"},
	} {
		b.Fails([]string{want}, slices.Concat([]string{"update"}, args, []string{b.ID})...)
	}
	b.Must("delete", "--force", b.ID)
	b.Fails([]string{"container does not exist"}, "update", "--memory", "5m", b.ID)
	nothingLeft(t, b)
}

// A process that counts stands still while the container is paused.
func TestPause(t *testing.T) {
	t.Parallel()
	for _, around := range [][]string{nil, {"cgroups", "v2"}} {
		b := bundletest.New(t, bundletest.Root(t))
		b.Around = around
		b.Write(func(s *specs.Spec) { s.Process.Args = b.Args("tick", "/count") })
		ready(t, b.Detach())
		count := func() string {
			data, err := os.ReadFile(b.Path("count"))
			if err != nil {
				t.Fatal(err)
			}
			return string(data)
		}
		goesOn := func() {
			t.Helper()
			first := count()
			bundletest.Until(t, "it to count", func() bool { return count() != first })
		}
		goesOn()
		b.Must("pause", b.ID)
		same(t, "status", b.Query().Status, container.StatePaused)
		first := count()
		time.Sleep(100 * time.Millisecond)
		same(t, "what it counted meanwhile", count(), first)
		b.Fails([]string{"container not running or created"}, "pause", b.ID)
		b.Fails([]string{"is paused", "hint: "}, "delete", b.ID)
		b.Fails([]string{"is paused, not created"}, "start", b.ID)
		r := b.Runtime("exec", b.ID, "/init")
		if r.Status != 255 || !strings.Contains(r.Err, "cannot exec in a paused container") {
			t.Errorf("exec: %+v", r)
		}
		waits := b.Command(execArgs(b, []string{"--ignore-paused"}, "echo", "at last")...)
		gone := b.Command(execArgs(b, []string{"--ignore-paused"}, "echo", "for nobody")...)
		for _, c := range []*bundletest.Cmd{waits, gone} {
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(100 * time.Millisecond)
		same(t, "output of what waits", waits.Output(), "")
		if err := gone.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		gone.End()
		b.Must("resume", b.ID)
		if r := waits.End(); r.Status != 0 || r.Out != "at last\n" {
			t.Errorf("exec --ignore-paused: %+v", r)
		}
		time.Sleep(50 * time.Millisecond)
		same(t, "output of what was waited for by nobody", gone.Output(), "")
		goesOn()
		b.Fails([]string{"container not paused"}, "resume", b.ID)
		b.Must("pause", b.ID)
		b.Must("kill", b.ID, "KILL")
		b.Wait(specs.StateStopped)
		b.Fails([]string{"is stopped"}, "pause", b.ID)
		b.Must("delete", b.ID)

		b.Create()
		b.Must("pause", b.ID)
		b.Must("delete", "--force", b.ID)
		nothingLeft(t, b)
	}
}

// A host without cgroups, or with some that cannot be written to: what asks for
// nothing runs, a limit is an error that names its field.
func TestCgroupHosts(t *testing.T) {
	t.Parallel()
	for how, why := range map[string]string{"none": "this host has none mounted", "ro": "is mounted read-only"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			b := bundletest.New(t, bundletest.Root(t))
			b.Around = []string{"cgroups", how}
			b.Write(func(s *specs.Spec) {
				s.Process.Args = b.Args("echo", "it runs")
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"ro"}})
			})
			if r := b.Runtime("run", "--bundle", b.Dir, b.ID); r.Status != 0 || r.Out != "it runs\n" {
				t.Errorf("%+v", r)
			}
			for field, resources := range map[string]string{
				"linux.resources.pids.limit": `{"pids": {"limit": 5}}`, "linux.resources.memory.limit": `{"memory": {"limit": 500000000}}`,
				"linux.resources.unified.memory.high": `{"unified": {"memory.high": "500000000"}}`,
				"linux.resources.devices":             `{"devices": [{"allow": false, "type": "c", "access": "r"}]}`,
			} {
				limitedTo(t, b, resources, "echo", "it runs")
				b.Fails([]string{"runtime run: " + field + ": takes a cgroup, and ", why}, "run", "--bundle", b.Dir, b.ID)
			}
			b.Write(func(s *specs.Spec) { s.Linux.CgroupsPath = "/ocibox-test" })
			b.Fails([]string{"linux.cgroupsPath: takes a cgroup, and ", why}, "run", "--bundle", b.Dir, b.ID)
			nothingLeft(t, b)
		})
	}
	// Nor is there one for a container that is to have none.
	b := bundletest.New(t, bundletest.Root(t))
	b.Globals = withoutCgroups
	limitedTo(t, b, `{"pids": {"limit": 5}}`, "echo")
	b.Fails([]string{"linux.resources.pids.limit: ", "the cgroup manager is disabled"}, "run", "--bundle", b.Dir, b.ID)
	b.Write(func(s *specs.Spec) { s.Process.Args = b.Args("sleep") })
	ready(t, b.Detach())
	b.Fails([]string{"has no cgroup that could be frozen", "hint: "}, "pause", b.ID)
	b.Fails([]string{"has no cgroup that would count for it"}, "events", b.ID)
	b.Fails([]string{"has no cgroup that could limit it"}, "update", "--pids-limit", "5", b.ID)
	b.Must("delete", "--force", b.ID)
}

// linux.cgroupsPath is below the hierarchies' roots if it is absolute, and never
// above; one with processes in it is nobody else's.
func TestCgroupsPath(t *testing.T) {
	t.Parallel()
	b := bundletest.New(t, bundletest.Root(t))
	h, err := cgroup.Probe(true)
	if err != nil {
		t.Fatal(err)
	}
	mounted2 := h.Unified != nil
	top := "/" + b.ID + "-top"
	t.Cleanup(func() {
		// Those above the container's are whoever's that named them.
		for _, path := range []string{top + "/deep", top} {
			dirs, err := filepath.Glob("/sys/fs/cgroup/*" + path)
			if err != nil {
				t.Error(err)
			}
			for _, dir := range append(dirs, "/sys/fs/cgroup"+path) {
				if err := unix.Rmdir(dir); err != nil && err != unix.ENOENT {
					t.Errorf("%s: %v", dir, err)
				}
			}
		}
	})
	for _, path := range []string{top + "/deep/er", "/../.." + top + "/x"} {
		b.Write(func(s *specs.Spec) {
			s.Process.Args = b.Args("sleep")
			s.Linux.CgroupsPath = path
		})
		ready(t, b.Detach())
		data, err := os.ReadFile("/proc/" + strconv.Itoa(b.Query().Pid) + "/cgroup")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if strings.HasPrefix(line, "0::") && !mounted2 {
				continue // version 2 is there, and mounted nowhere
			}
			if at := strings.TrimSpace(line[strings.LastIndexByte(line, ':')+1:]); at != filepath.Clean(path) {
				t.Errorf("%s: it is in %s", path, line)
			}
		}
		other := bundletest.New(t, bundletest.Root(t))
		other.Write(func(s *specs.Spec) { s.Linux.CgroupsPath = path })
		other.Fails([]string{"linux.cgroupsPath: ", "is there already, with process "}, "create", "--bundle", other.Dir, other.ID)
		nothingLeft(t, other)
		if status := b.Query().Status; status != specs.StateRunning {
			t.Errorf("%s: whose it is, is %s now", path, status)
		}
		b.Must("delete", "--force", b.ID)
	}
	b.Write(func(s *specs.Spec) { s.Linux.CgroupsPath = "/" })
	b.Fails([]string{"linux.cgroupsPath: ", "is the root"}, "create", "--bundle", b.Dir, b.ID)
}

// exec brings its process into the container's cgroup, or one below.
func TestExecCgroup(t *testing.T) {
	t.Parallel()
	b := bundletest.New(t, bundletest.Root(t))
	b.Around = []string{"cgroups", "v2"}
	b.Write(func(s *specs.Spec) { s.Process.Args = b.Args("sleep") })
	ready(t, b.Detach())
	var dir string
	editState(t, b, func(s map[string]any) { dir = s["cgroup"].(map[string]any)["unified"].(string) })
	// Where the host has version 2 mounted, if it has, may be elsewhere.
	fs, err := unix.Fsopen("cgroup2", unix.FSOPEN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		t.Fatal(err)
	}
	tree, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(tree)
	if err := unix.Mkdirat(tree, strings.TrimPrefix(dir, "/sys/fs/cgroup/")+"/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ flags, want string }{{"", "/" + b.ID}, {"sub", "/" + b.ID + "/sub"}, {"/sub/../sub", "/" + b.ID + "/sub"}} {
		var flags []string
		if c.flags != "" {
			flags = []string{"--cgroup", c.flags}
		}
		k := bundletest.ReadKernel(t, b.Must(execArgs(b, flags, "kernel", "/proc/self/cgroup")...))
		if got := k.Files["/proc/self/cgroup"]; !strings.HasSuffix(got, "0::"+c.want) {
			t.Errorf("--cgroup %q: %s, want %s", c.flags, got, c.want)
		}
	}
	execFails(t, b.Runtime("exec", "--cgroup", "none", b.ID, "/init"), "--cgroup none: ", "no such file or directory")
	execFails(t, b.Runtime("exec", "--cgroup", "memory:sub", b.ID, "/init"), "no cgroup of version 1 with memory")
	// What is below goes with the container.
	b.Must("delete", "--force", b.ID)
	nothingLeft(t, b)
}

// A plain user has a cgroup for the container where one was delegated, and is
// told of what is missing where it was not.
func TestCgroupUser(t *testing.T) {
	t.Parallel()
	b := bundletest.New(t, bundletest.Plain(t))
	b.Write(func(s *specs.Spec) { s.Process.Args = b.Args("echo", "it runs") })
	if r := b.Runtime("run", "--bundle", b.Dir, b.ID); r.Status != 0 || r.Out != "it runs\n" {
		t.Errorf("%+v", r)
	}
	for field, resources := range map[string]string{"linux.resources.pids.limit": `{"pids": {"limit": 5}}`, "linux.resources.memory.limit": `{"memory": {"limit": 500000000}}`} {
		b.Write(func(s *specs.Spec) {
			s.Linux.Resources = &specs.LinuxResources{}
			if err := json.Unmarshal([]byte(resources), s.Linux.Resources); err != nil {
				t.Fatal(err)
			}
		})
		b.Fails([]string{"runtime run: " + field + ": takes a cgroup, and this user may not make one: write to /"}, "run", "--bundle", b.Dir, b.ID)
	}
	h, err := cgroup.Probe(true)
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 || h.Unified == nil || h.Unified.ReadOnly {
		t.Skip("needs root and version 2, to delegate a cgroup")
	}
	name := fmt.Sprintf("user-%d.slice", os.Getpid())
	top := h.Unified.Mount + "/" + name
	own := top + "/shell"
	// The files of cgroups(7), "Delegation containment".
	for _, dir := range []string{top, own} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			// Since Linux 6.18 a zombie may still be counted for a moment.
			bundletest.Until(t, dir+" to be removed", func() bool { return unix.Rmdir(dir) == nil })
		})
		for _, file := range []string{"", "/cgroup.procs", "/cgroup.subtree_control"} {
			if err := os.Chown(dir+file, int(b.UID), int(b.GID)); err != nil {
				t.Fatal(err)
			}
		}
	}
	at, err := os.Open(own)
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	inside := func(args ...string) bundletest.Result {
		c := b.Command(args...)
		c.SysProcAttr.UseCgroupFD, c.SysProcAttr.CgroupFD = true, int(at.Fd())
		return c.Run()
	}
	b.Write(func(s *specs.Spec) { s.Process.Args = b.Args("sleep") })
	if r := inside("run", "--detach", "--bundle", b.Dir, b.ID); r.Status != 0 {
		t.Fatalf("%+v", r)
	}
	data, err := os.ReadFile("/proc/" + strconv.Itoa(b.Query().Pid) + "/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	if want := "0::/" + name + "/" + b.ID + "\n"; !strings.Contains(string(data), want) {
		t.Errorf("%s, want %s", data, want)
	}
	for _, args := range [][]string{{"pause", b.ID}, {"resume", b.ID}, {"delete", "--force", b.ID}} {
		if r := inside(args...); r.Status != 0 {
			t.Errorf("%+v", r)
		}
	}
	nothingLeft(t, b)
}

// The root of a user namespace has the container's cgroup for its own, if there
// is a mount to write to it by; in one that is read-only it makes nothing.
func TestDelegatedCgroup(t *testing.T) {
	t.Parallel()
	b := bundletest.New(t, bundletest.Root(t))
	b.Around = []string{"cgroups", "v2"}
	b.Give(100000, 200000)
	for option, status := range map[string]int{"rw": 0, "ro": 99} {
		b.Write(func(s *specs.Spec) {
			remap(s)
			s.Process.Args = b.Args("subgroup", "/sys/fs/cgroup/child")
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{option}})
		})
		r := b.Runtime("run", "--bundle", b.Dir, b.ID)
		if r.Status != status || status == 0 && r.Out != "/child\n" || status != 0 && !strings.Contains(r.Err, "read-only file system") {
			t.Errorf("%s: %+v", option, r)
		}
		nothingLeft(t, b)
	}
}

// A container in a container has its cgroup below that one's.
func TestNestedCgroup(t *testing.T) {
	t.Parallel()
	outer := bundletest.New(t, bundletest.Root(t))
	outer.Around = []string{"cgroups", "v2"}
	inner := bundletest.New(t, bundletest.Root(t))
	inner.Write(func(s *specs.Spec) { s.Process.Args = inner.Args("kernel", "/proc/self/cgroup") })
	var all []string
	for n, name := range names.Capabilities {
		if has(t, n) {
			all = append(all, name)
		}
	}
	outer.Write(func(s *specs.Spec) {
		c := inner.Command("run", "--bundle", inner.Dir, inner.ID)
		s.Root.Path = "/"
		s.Process.Args = append([]string{c.Path}, c.Args[1:]...)
		s.Process.Env = c.Env
		s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all}
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup"})
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	})
	k := bundletest.ReadKernel(t, outer.Must("run", "--bundle", outer.Dir, outer.ID))
	if got, want := k.Files["/proc/self/cgroup"], "0::/"+inner.ID; !strings.HasSuffix(strings.TrimSpace(got), want) {
		t.Errorf("%s, want %s", got, want)
	}
	nothingLeft(t, outer)
	nothingLeft(t, inner)
}

// state.json has what delete needs, also if a reboot took the cgroup away.
func TestCgroupGone(t *testing.T) {
	t.Parallel()
	b := bundletest.New(t, bundletest.Root(t))
	b.Write(func(s *specs.Spec) { s.Process.Args = b.Args("exit", "0") })
	b.Detach()
	b.Wait(specs.StateStopped)
	dirs, err := filepath.Glob("/sys/fs/cgroup/*/" + b.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range append(dirs, "/sys/fs/cgroup/"+b.ID) {
		// Since Linux 6.18 a zombie may still be counted for a moment.
		bundletest.Until(t, dir+" to be removed", func() bool {
			err := unix.Rmdir(dir)
			return err == nil || err == unix.ENOENT
		})
	}
	b.Must("delete", b.ID)
	nothingLeft(t, b)
}

// Without a pid namespace, nothing of a container is left either.
func TestForkBomb(t *testing.T) {
	for _, around := range [][]string{nil, {"cgroups", "v2"}} {
		b := bundletest.New(t, bundletest.Root(t))
		b.Around = around
		busybox, err := os.ReadFile("/bin/busybox")
		if err != nil {
			t.Skip("there is no busybox here: Debian's package busybox-static has it")
		}
		b.File("/busybox", string(busybox), 0o755)
		// It does not end by itself, and there are 2,000 when it is ended.
		const bomb = `i=0; while [ $i -lt 2000 ]; do /busybox sleep 1000 & i=$((i+1)); done; echo ready; f() { f | f & }; f; f; while :; do /busybox sleep 0 & done`
		b.Write(func(s *specs.Spec) {
			dropNS(s, specs.PIDNamespace)
			s.Process.Args = []string{"/busybox", "sh", "-c", bomb}
			s.Linux.CgroupsPath = ""
			if around == nil && hasController("pids") {
				s.Linux.Resources.Pids = &specs.LinuxPids{Limit: new(int64(2500))}
			} else {
				s.Process.Args[3] = strings.Replace(bomb, "f() { f | f & }; f; f; ", "", 1)
			}
		})
		c := b.Detach()
		bundletest.Until(t, "the bomb to go off", func() bool { return strings.Contains(c.Output(), "ready") })
		b.Must("delete", "--force", b.ID)
		nothingLeft(t, b)
	}
}

func hasController(name string) bool {
	h, err := cgroup.Probe(true)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(append(slices.Clone(h.Legacy), unified(h)), func(t cgroup.Tree) bool { return slices.Contains(t.Controllers, name) })
}

// 500 containers with limits leave no cgroup behind.
func TestCgroupLeaks(t *testing.T) {
	t.Parallel()
	b := controlled(t, "pids", "memory")
	before := cgroups(t)
	limitedTo(t, b, `{"pids": {"limit": 100}, "memory": {"limit": 134217728}}`, "exit", "0")
	for range leakCycles {
		b.Create()
		b.Must("delete", b.ID)
	}
	if after := cgroups(t); after > before+50 { // others' come and go
		t.Errorf("%d cgroups before, %d after", before, after)
	}
	nothingLeft(t, b)
}

const leakCycles = 500

func cgroups(t *testing.T) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir("/sys/fs/cgroup", func(_ string, e os.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			n++
		}
		return nil // they come and go
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
