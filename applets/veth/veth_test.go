package veth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/bundletest"
	"ocibox/core/netns"
)

// helperEnv makes the test binary the applet.
const helperEnv = "OCIBOX_VETH_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) != "" {
		runtime.LockOSThread() // strace counts the calls of a thread
		std := cli.Std{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
		os.Exit(cli.Report(std, "veth", Run(std, os.Args[1:])))
	}
	os.Exit(m.Run())
}

// veth runs the applet.
func veth(line string) (out, errs string, status int) {
	var o, e bytes.Buffer
	std := cli.Std{In: os.Stdin, Out: &o, Err: &e}
	status = cli.Report(std, "veth", Run(std, strings.Fields(line)))
	return o.String(), e.String(), status
}

func must(t *testing.T, line string) string {
	t.Helper()
	out, errs, status := veth(line)
	if status != 0 {
		t.Fatalf("veth %s: %s", line, errs)
	}
	return out
}

// own says whether the test has its networks, and a namespace "blue" beside its
// own.
func own(t *testing.T) bool {
	t.Helper()
	if !bundletest.OwnNetwork(t) {
		return false
	}
	bundletest.Tmpfs(t, "/run")
	if err := netns.Add("blue"); err != nil {
		t.Fatal(err)
	}
	if _, errs, status := veth("add probe0 --peer probe1"); status != 0 && strings.Contains(errs, unix.EOPNOTSUPP.Error()) {
		t.Skip("this kernel has no veth devices")
	}
	must(t, "del probe0")
	return true
}

// all are the devices of both namespaces, but for lo.
func all(t *testing.T) (names []string) {
	t.Helper()
	for name := range here(t) {
		names = append(names, name)
	}
	for name := range blue(t) {
		names = append(names, "blue:"+name)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return strings.HasSuffix(n, "lo") })
	slices.Sort(names)
	return names
}

func here(t *testing.T) map[string]bundletest.Link {
	t.Helper()
	l, err := bundletest.Links()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func blue(t *testing.T) (l map[string]bundletest.Link) {
	t.Helper()
	fd, err := netns.Open("blue")
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := bundletest.Within(fd, func() (err error) {
		l, err = bundletest.Links()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return l
}

// One command does what the tutorial does in seven.
func TestAdd(t *testing.T) {
	if !own(t) {
		return
	}
	must(t, "add veth0 --peer alp0 --netns blue --addr 10.0.0.10/24 --addr 2001:db8::10/64 --peer-addr 10.0.0.20/24 --peer-addr 2001:db8::20/64 --up --mtu 1400")
	near, distant := here(t)["veth0"], blue(t)["alp0"]
	if !near.Up || !distant.Up || near.MTU != 1400 || distant.MTU != 1400 {
		t.Errorf("%+v, %+v", near, distant)
	}
	if !slices.Equal(near.Addresses, []string{"10.0.0.10/24", "2001:db8::10/64"}) || !slices.Equal(distant.Addresses, []string{"10.0.0.20/24", "2001:db8::20/64"}) {
		t.Errorf("%q, %q", near.Addresses, distant.Addresses)
	}
	must(t, "add one -p two")
	var pairs []end
	if err := json.Unmarshal([]byte(must(t, "show -j")), &pairs); err != nil || len(pairs) != 2 {
		t.Fatal(err, pairs)
	}
	if a := pairs[0]; a.Name != "veth0" || a.State != "up" || a.Peer.Name != "alp0" || a.Peer.Netns != "blue" || a.Peer.Addresses[0].String() != "10.0.0.20/24" {
		t.Errorf("%+v, %+v", a, a.Peer)
	}
	if b := pairs[1]; b.Name != "one" || b.State != "down" || b.Peer.Name != "two" || b.Peer.Netns != "" {
		t.Errorf("%+v, %+v", b, b.Peer)
	}
	if out := must(t, "show two"); strings.Count(out, "\n") != 3 || !strings.Contains(out, "\ntwo ") || !strings.Contains(out, "\n  one ") {
		t.Error(out)
	}
	// From the other side, the same by the name of the other end.
	must(t, "del alp0 --netns blue")
	must(t, "del two")
	if left := all(t); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if out := must(t, "show"); out != "" {
		t.Error(out)
	}
}

// A namespace is known by the process that is in it where it has no name; one
// that nobody is in, by its number.
func TestShowProcess(t *testing.T) {
	if !own(t) {
		return
	}
	sleep := exec.Command("sleep", "1000")
	sleep.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	pid := strconv.Itoa(sleep.Process.Pid)
	fd, err := unix.Open("/proc/"+pid+"/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	must(t, "add a0 --peer b0 --netns "+pid)
	if out := must(t, "show"); !strings.Contains(out, "  b0 ") || !strings.Contains(out, "of process "+pid) {
		t.Error(out)
	}
	sleep.Process.Kill()
	sleep.Wait()
	// This process holds it by a descriptor alone.
	if out := must(t, "show"); !strings.Contains(out, "\n  device ") || !strings.Contains(out, "number ") {
		t.Error(out)
	}
	unix.Close(fd)
}

func TestBridge(t *testing.T) {
	if !own(t) {
		return
	}
	ip, err := exec.LookPath("ip")
	if err != nil {
		t.Skip("there is no ip to make the bridge: ", err)
	}
	if out, err := exec.Command(ip, "link", "add", "br0", "type", "bridge").CombinedOutput(); err != nil {
		t.Skip("no bridge: ", string(out))
	}
	must(t, "add p0 --peer p1 --bridge br0 --netns blue")
	if master, err := os.Readlink("/sys/class/net/p0/master"); err == nil && filepath.Base(master) != "br0" {
		t.Error(master)
	}
	if out, _ := exec.Command(ip, "link", "show", "master", "br0").Output(); !strings.Contains(string(out), "p0@") {
		t.Errorf("%s", out)
	}
	if _, errs, status := veth("add q0 --peer q1 --bridge p0"); status != 1 || !strings.HasPrefix(errs, "veth add: make q0 a port of p0, which is no bridge: ") {
		t.Error(status, errs)
	}
	if left := all(t); !slices.Equal(left, []string{"blue:p1", "br0", "p0"}) {
		t.Error(left)
	}
}

// What is wrong is one line, and nothing is left of it.
func TestBad(t *testing.T) {
	if !own(t) {
		return
	}
	must(t, "add veth0 --peer alp0 --netns blue --addr 10.0.0.10/24")
	before := all(t)
	for line, want := range map[string]string{
		"":                                 "no command given",
		"frob":                             "frob: no such command",
		"add":                              "0 operands given",
		"add x":                            "say, behind --peer",
		"add x y --peer z":                 "unexpected operand \"y\"",
		"add name-of-16-bytes --peer y":    "\"name-of-16-bytes\" is no name of a network device: 16 bytes are more than 15",
		"add x --peer name-of-16-bytes":    "\"name-of-16-bytes\" is no name",
		"add a/b --peer y":                 "\"a/b\" is no name",
		"add x --peer x":                   "there is a network device x already",
		"add veth0 --peer y":               "there is a network device veth0 already: file exists",
		"add veth0 --peer y --netns blue":  "there is a network device veth0 already: file exists",
		"add x --peer alp0 --netns blue":   "there is a network device alp0 already, where the peer is to be",
		"add x --peer y --netns gone":      "there is no network namespace gone",
		"add x --peer y --netns /run/gone": "open net namespace /run/gone: no such file",
		"add x --peer y --netns /dev/null": "/dev/null is not a namespace",
		"add x --peer y --netns /proc/self/ns/mnt":                                         "/proc/self/ns/mnt is a mnt namespace",
		"add x --peer y --container gone":                                                  "gone: container does not exist",
		"add x --peer y --container gone --netns blue":                                     "--netns and --container exclude each other",
		"add x --peer y --addr 10.0.0.1":                                                   "--addr 10.0.0.1 has no length behind it\nhint: as in 10.0.0.1/24",
		"add x --peer y --peer-addr 2001:db8::1":                                           "--peer-addr 2001:db8::1 has no length behind it\nhint: as in 2001:db8::1/64",
		"add x --peer y --addr 10.0.0.1/33":                                                "--addr 10.0.0.1/33 is no address",
		"add x --peer y --addr frob":                                                       "--addr frob is no address",
		"add x --peer y --bridge gone":                                                     "find network device gone",
		"add x --peer y --mtu 0":                                                           "--mtu 0 is no number",
		"add x --peer y --mtu -1":                                                          "--mtu -1 is no number",
		"add x --peer y --mtu 5":                                                           "make x and its peer y with an MTU of 5: invalid argument",
		"add x --peer y --addr 10.1.0.1/24 --addr 10.1.0.1/24":                             "give x the address 10.1.0.1/24: file exists",
		"add x --peer y --netns blue --up --peer-addr 10.1.0.1/24 --peer-addr 10.1.0.1/24": "give y the address 10.1.0.1/24: file exists",
		"del":             "0 operands given",
		"del gone":        "find network device gone",
		"del lo":          "lo is no veth device",
		"del a/b":         "\"a/b\" is no name",
		"show gone":       "there is no veth device gone",
		"show --frob":     "",
		"del --netns x y": "there is no network namespace x",
	} {
		out, errs, status := veth(line)
		lines := strings.Split(strings.TrimSuffix(errs, "\n"), "\n")
		if status != 1 || out != "" || len(lines) > 2 || len(lines) == 2 && !strings.HasPrefix(lines[1], "hint: ") || !strings.Contains(errs, ": "+want) {
			t.Errorf("veth %s: %d, %q, %q; want %q", line, status, out, errs, want)
		}
	}
	if after := all(t); !slices.Equal(after, before) {
		t.Errorf("devices: %q, were %q", after, before)
	}
}

// Who lacks the capability is told so.
func TestRefused(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "add", "x0", "--peer", "y0")
	cmd.Env = append(os.Environ(), helperEnv+"=1")
	if os.Geteuid() == 0 {
		dir, err := os.MkdirTemp("", "ocibox-test-") // that others can reach
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		data, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		cmd.Path = filepath.Join(dir, "veth")
		if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(cmd.Path, data, 0o755)); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.HasPrefix(string(out), "veth add: make x0 and its peer y0: operation not permitted\nhint: it takes CAP_NET_ADMIN") {
		t.Errorf("%v, %s", err, out)
	}
}

// Whichever step of it fails, nothing is left of a pair: strace lets each
// message to the kernel fail, one after the other.
func TestEachStepFails(t *testing.T) {
	if !own(t) {
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("there is no strace: ", err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	injected := func(what string, n int) (*exec.Cmd, []byte, error) {
		cmd := exec.Command(strace, "-f", "-qq", "-e", "trace=sendto", "-e", fmt.Sprintf("inject=sendto:%s:when=%d", what, n), "-o", "/dev/null",
			exe, "add", "x0", "--peer", "y0", "--netns", "blue", "--addr", "10.1.0.1/24", "--peer-addr", "10.1.0.2/24", "--up")
		cmd.Env = append(os.Environ(), helperEnv+"=1")
		out, err := cmd.CombinedOutput()
		return cmd, out, err
	}
	failed := 0
	for n := 1; ; n++ {
		cmd, out, err := injected("error=ENOBUFS", n)
		if err == nil {
			break
		}
		if cmd.ProcessState.ExitCode() != 1 || !strings.HasPrefix(string(out), "veth add: ") || strings.Count(string(out), "\n") != 1 {
			t.Skipf("strace does not work here: %v, %s", err, out)
		}
		failed++
		if left := all(t); len(left) > 0 {
			t.Fatalf("left when message %d failed: %q, %s", n, left, out)
		}
		if n > 50 {
			t.Fatal("it never succeeds")
		}
	}
	if left := all(t); !slices.Equal(left, []string{"blue:y0", "x0"}) {
		t.Errorf("it succeeded, and there are %q", left)
	}
	// One that makes both, and of each end its index, its address and its state.
	t.Logf("%d messages failed", failed)
	// A signal at any of them is too late.
	for n := range failed {
		must(t, "del x0")
		if _, out, err := injected("signal=INT", n+1); err != nil || !slices.Equal(all(t), []string{"blue:y0", "x0"}) {
			t.Errorf("interrupted at message %d: %v, %s; there are %q", n+1, err, out, all(t))
		}
	}
	if failed != 7 {
		t.Errorf("%d messages failed, not 7", failed)
	}
}

// Nothing is left of a thousand.
func TestLeaks(t *testing.T) {
	if !own(t) {
		return
	}
	count := func(dir string) int {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	// Several at once: the kernel waits long before it lets a device go.
	cycles := func(number int) {
		t.Helper()
		var all sync.WaitGroup
		for worker := range 8 {
			all.Go(func() {
				for i := worker; i < number; i += 8 {
					for _, line := range []string{
						fmt.Sprintf("add v%d --peer p%d --netns blue --addr 10.0.%d.10/24 --peer-addr 10.0.%d.20/24 --up", i, i, worker, worker),
						fmt.Sprintf("del v%d", i),
					} {
						if _, errs, status := veth(line); status != 0 {
							t.Errorf("veth %s: %s", line, errs)
						}
					}
				}
			})
		}
		all.Wait()
	}
	cycles(40)
	descriptors, threads := count("/proc/self/fd"), count("/proc/self/task")
	cycles(1000)
	if now := count("/proc/self/fd"); now > descriptors {
		t.Errorf("%d descriptors, were %d", now, descriptors)
	}
	if now := count("/proc/self/task"); now > threads+10 {
		t.Errorf("%d threads, were %d", now, threads)
	}
	if left := all(t); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}
