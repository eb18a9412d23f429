package enter_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// allNew are the flags of every kind of namespace that clone(2) makes.
const allNew = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWCGROUP

// target starts a process in namespaces of its own, where id of the user is
// inside; -1 for no user namespace.
func (h *tools) target(flags uintptr, id int) (pid string) {
	h.t.Helper()
	cmd := h.command("wait")
	cmd.Env = append(h.env, "THERE=1", "HERE=there")
	cmd.Dir = "/tmp"
	cmd.SysProcAttr.Cloneflags = flags
	if id >= 0 {
		uid, gid := os.Geteuid(), os.Getegid()
		if h.cred != nil {
			uid, gid = int(h.cred.Uid), int(h.cred.Gid)
		}
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		if h.cred != nil {
			// Of that user's own making: else it belongs to root.
			return h.targetOf(flags, id)
		}
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: id, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: id, HostID: gid, Size: 1}}
	}
	return strconv.Itoa(h.start(cmd).Process.Pid)
}

// targetOf has our unshare make it.
func (h *tools) targetOf(flags uintptr, id int) (pid string) {
	h.t.Helper()
	args := []string{"unshare", fmt.Sprintf("--map-user=%d", id), fmt.Sprintf("--map-group=%d", id), "--fork", "--kill-child"}
	for _, f := range []struct {
		flag uintptr
		name string
	}{{unix.CLONE_NEWNS, "-m"}, {unix.CLONE_NEWUTS, "-u"}, {unix.CLONE_NEWIPC, "-i"}, {unix.CLONE_NEWNET, "-n"}, {unix.CLONE_NEWPID, "-p"}, {unix.CLONE_NEWCGROUP, "-C"}} {
		if flags&f.flag != 0 {
			args = append(args, f.name)
		}
	}
	cmd := h.command(append(args, h.at("wait"))...)
	cmd.Env = append(h.env, "THERE=1", "HERE=there")
	cmd.Dir = "/tmp"
	return h.child(h.start(cmd).Process.Pid)
}

// child is the one child of a process.
func (h *tools) child(pid int) string {
	h.t.Helper()
	for _, dir := range tasks(h.t, pid) {
		data, err := os.ReadFile(dir + "/children")
		check(h.t, err)
		if f := strings.Fields(string(data)); len(f) > 0 {
			return f[0]
		}
	}
	h.t.Fatalf("process %d has no child", pid)
	return ""
}

func tasks(t *testing.T, pid int) (dirs []string) {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	check(t, err)
	for _, e := range list {
		dirs = append(dirs, fmt.Sprintf("/proc/%d/task/%s", pid, e.Name()))
	}
	return dirs
}

// Option by option, nsenter is util-linux's.
func TestNsenterAsUtilLinux(t *testing.T) {
	each(t, func(h *tools) {
		plain, users, as5 := h.target(0, -1), h.target(allNew, 0), h.target(unix.CLONE_NEWUTS|unix.CLONE_NEWNET, 5)
		targets := map[string]string{"P": plain, "U": users, "V": as5}
		known := map[string]map[string]string{"users": namespaces(users), "as 5": namespaces(as5)}
		lines := []string{
			"-t U -U --preserve-credentials", "-t U -U", "-t V -U --preserve-credentials", "-t V -U -S 5 -G 5", "-t V -U -S 5 --preserve-credentials", "-t V -U -n -u --preserve-credentials",
			"-t U -U -m -u -i -n -p -C --preserve-credentials", "-t U -UmuinpC --preserve-credentials", "-t U -Up --preserve-credentials -F", "-t U -Um -r -w --preserve-credentials",
			"-t U -m", "-t U -n", "-tU -Un --preserve-credentials", "--target=U --user --net --preserve-credentials", "--targ U --user --preserve", "-t U -U -n -w/ --preserve-credentials",
			"-t U -Um --wd=/usr --preserve-credentials", "-t U -Um -W/usr --preserve-credentials", "-t U -Um --wdns=/usr --preserve-credentials", "-t U -U -w --preserve-credentials", "-t U -U -w -W / --preserve-credentials",
			"-U/proc/U/ns/user --preserve-credentials", "--user=/proc/U/ns/user -n/proc/U/ns/net --preserve-credentials", "-t V -n/proc/U/ns/net -U/proc/U/ns/user --preserve-credentials",
			"-t P -U", "-t P -n", "-t P -r", "-t P -w", "-t U -a", "-n", "-a", "-t 0 -n", "-t x -n", "-t 999999999 -n", "-t 4194305 -n", "-n/nonesuch", "-n/etc/passwd", "-n/proc/U/ns/ipc",
			"--nonesuch", "-t", "-t U -U -S x", "-t U -U -G -1", "-t U -U -S 77 --preserve-credentials", "-t U -U -r/nonesuch --preserve-credentials", "-t U --n", "-t U -U=/proc/V/ns/nonesuch",
		}
		if h.root() {
			whole := h.target(allNew, -1)
			targets["A"], known["whole"] = whole, namespaces(whole)
			lines = append(lines,
				"-t A -a", "-t P -a", "-t A -m", "-t A -u -i -n -C", "-t A -p", "-t A -p -F", "-t A -mp", "-t A -m -r -w", "-t A -mr -w/usr", "-t A -r/usr -w/usr/bin", "-t A -S 5", "-t A -n -S 5 -G 6", "-t A -n -G 6",
				"-t A -T", "-t U -T", "-t A -n -U/proc/U/ns/user", "-t U -n/proc/A/ns/net -U", "-t A -mn -S 0 --preserve-credentials", "-t A -m -w", "-t A -m -W.", "-t U -a -S 0", "-t V -a -S 5 -G 5",
			)
		}
		ran := 0
		for _, line := range lines {
			args := strings.Fields(line)
			for i, a := range args {
				for name, pid := range targets {
					if a == name || a == "-t"+name || a == "--target="+name {
						a = strings.TrimSuffix(a, name) + pid
					}
					a = strings.Replace(a, "/proc/"+name+"/", "/proc/"+pid+"/", 1)
				}
				args[i] = a
			}
			if h.agree("nsenter", known, args...) {
				ran++
			}
		}
		if ran < len(lines)/4 {
			h.t.Errorf("%d of %d lines ran a program: they show little", ran, len(lines))
		}
	})
}

// own are the namespaces of a process by our nsenter, which of them it is in.
func (h *tools) inside(args ...string) map[string]string {
	h.t.Helper()
	m := map[string]string{}
	for line := range strings.Lines(h.must(append(args, h.at("report"))...)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if key == "ns" {
			key, value, _ = strings.Cut(value, " ")
		}
		m[key] = value
	}
	return m
}

// What util-linux of Debian does not have yet, by what it does.
func TestNsenterBeyond(t *testing.T) {
	each(t, func(h *tools) {
		target := h.target(allNew, 0)
		its, own := namespaces(target), namespaces("self")
		creds := "--preserve-credentials"

		// The environment of the target, and nothing else.
		if env := h.inside("nsenter", "-t", target, "-U", creds, "-e")["env"]; !strings.Contains(env, "THERE=1") || !strings.Contains(env, "HERE=there") || strings.Contains(env, `"HERE=1"`) {
			h.t.Errorf("-e: %s", env)
		}
		// Who the target is, in there.
		got := h.inside("nsenter", "-t", h.target(0, 7), "-U", creds, "-S", "follow")
		if got["Uid:"] != "7 7 7 7" {
			h.t.Errorf("-S follow: %v", got)
		}
		if h.root() {
			got = h.inside("nsenter", "-t", h.target(0, 7), "-U", "-S", "follow", "-G", "follow")
			if got["Uid:"] != "7 7 7 7" || got["Gid:"] != "7 7 7 7" || got["Groups:"] != "" {
				h.t.Errorf("-S follow -G follow: %v", got)
			}
		}
		// Capabilities stay with an id that is not 0.
		got = h.inside("nsenter", "-t", h.target(0, 7), "-U", creds, "-S", "7", "--keep-caps")
		if got["CapAmb:"] == "0000000000000000" || got["CapAmb:"] != got["CapEff:"] || got["CapAmb:"] != got["CapPrm:"] {
			h.t.Errorf("--keep-caps: %v", got)
		}
		if got = h.inside("nsenter", "-t", h.target(0, 7), "-U", creds, "-S", "7"); got["CapEff:"] != "0000000000000000" {
			h.t.Errorf("without --keep-caps: %v", got)
		}
		// Of all namespaces, the caller's own need not be entered.
		if got = h.inside("nsenter", "-t", h.target(unix.CLONE_NEWUTS, 0), "-a", creds); got["net"] != own["net"] || got["uts"] == own["uts"] {
			h.t.Errorf("-a: %v", got)
		}
		// A file counts more than the target, wherever it stands.
		other := h.target(unix.CLONE_NEWNET, 0)
		for _, args := range [][]string{{"-n", "-n/proc/" + target + "/ns/net"}, {"-n/proc/" + target + "/ns/net", "-n"}} {
			if got = h.inside(append([]string{"nsenter", "-t", other, "-U/proc/" + target + "/ns/user", creds}, args...)...); got["net"] != its["net"] {
				h.t.Errorf("%q: %v", args, got)
			}
		}
		// A process by its inode too.
		if inode := pidfdInode(h.t, target); inode != 0 {
			if got = h.inside("nsenter", "-t", fmt.Sprintf("%s:%d", target, inode), "-U", "-n", creds); got["net"] != its["net"] {
				h.t.Errorf("-t PID:INODE: %v", got)
			}
			r := h.run("nsenter", "-t", fmt.Sprintf("%s:%d", target, inode+1), "-U", "true")
			if want := fmt.Sprintf("nsenter: --target %s:%d: process %s is another, with inode %d\n", target, inode+1, target, inode); r.err != want || r.status.ExitStatus() != 1 {
				h.t.Errorf("another inode: %+v", r)
			}
		}
		// A namespace by its number.
		if id := nsNumber(h.t, target, "net"); id != 0 {
			if got = h.inside("nsenter", "-t", target, "-U", creds, fmt.Sprintf("--net=:%d", id)); got["net"] != its["net"] {
				h.t.Errorf("--net=:ID: %v", got)
			}
			if got = h.inside("nsenter", "-t", target, "-U", creds, fmt.Sprintf("-n:%d", id)); got["net"] != its["net"] {
				h.t.Errorf("-n:ID: %v", got)
			}
			if r := h.run("nsenter", "-t", target, "-U", fmt.Sprintf("-u:%d", id), "true"); r.status.ExitStatus() != 1 || !strings.Contains(r.err, "nsenter: --uts: ") {
				h.t.Errorf("-u:ID of a network namespace: %+v", r)
			}
		}
		// The network namespace of a socket: of another than the process is in now.
		socket := h.command("unshare", "-r", "-n", h.at("socket"))
		pid := h.child(h.start(socket).Process.Pid)
		data, err := os.ReadFile("/proc/" + pid + "/environ")
		check(h.t, err)
		if len(data) == 0 {
			h.t.Error("the target has no environment")
		}
		if got = h.inside("nsenter", "-t", pid, "-U", creds, "-N", "3"); got["net"] == own["net"] || got["net"] != namespaces(pid)["net"] {
			h.t.Errorf("-N 3: %v", got)
		}
		for fd, want := range map[string]string{"0": "socket operation on non-socket", "1000": "bad file descriptor"} {
			if r := h.run("nsenter", "-t", pid, "-U", creds, "-N", fd, "true"); r.status.ExitStatus() != 1 || !strings.Contains(r.err, want) || !strings.HasPrefix(r.err, "nsenter: --net-socket: ") {
				h.t.Errorf("-N %s: %+v", fd, r)
			}
		}
		// The user namespace that a user namespace is in.
		nested := h.command("unshare", "-r", h.at("unshare"), "-r", h.at("wait"))
		outer := h.child(h.start(nested).Process.Pid)
		n, err := strconv.Atoi(outer)
		check(h.t, err)
		if got = h.inside("nsenter", "-t", h.child(n), "--user-parent", creds); got["user"] != namespaces(outer)["user"] || got["user"] == own["user"] {
			h.t.Errorf("--user-parent: %v, want %v", got, namespaces(outer))
		}
		if got = h.inside("nsenter", "-U/proc/"+h.child(n)+"/ns/user", "--user-parent", creds); got["user"] != namespaces(outer)["user"] {
			h.t.Errorf("-UFILE --user-parent: %v, want %v", got, namespaces(outer))
		}
	})
}

func pidfdInode(t *testing.T, pid string) uint64 {
	t.Helper()
	n, err := strconv.Atoi(pid)
	check(t, err)
	fd, err := unix.PidfdOpen(n, 0)
	check(t, err)
	defer unix.Close(fd)
	var st unix.Stat_t
	var fs unix.Statfs_t
	check(t, unix.Fstat(fd, &st))
	check(t, unix.Fstatfs(fd, &fs))
	if fs.Type != 0x50494446 {
		t.Log("this kernel has no inodes of processes")
		return 0
	}
	return st.Ino
}

// nsNumber is what NS_GET_ID says, 0 on a kernel before 6.18.
func nsNumber(t *testing.T, pid, kind string) (id uint64) {
	t.Helper()
	f, err := os.Open("/proc/" + pid + "/ns/" + kind)
	check(t, err)
	defer f.Close()
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), 0x8008b70d, uintptr(unsafe.Pointer(&id))); e != 0 {
		t.Log("this kernel tells no numbers of namespaces")
	}
	return id
}

// serve has a socket as descriptor 3, and waits.
func serve() {
	l, err := net.Listen("unix", "")
	if err != nil {
		panic(err)
	}
	f, err := l.(*net.UnixListener).File()
	if err != nil {
		panic(err)
	}
	if err := unix.Dup2(int(f.Fd()), 3); err != nil {
		panic(err)
	}
	fmt.Println("ready")
	os.Stdin.Read(make([]byte, 1))
}

// A process joins the cgroups of the target: in each hierarchy.
func TestJoinCgroup(t *testing.T) {
	each(t, func(h *tools) {
		if !h.root() {
			target := h.target(0, -1)
			r := h.run("nsenter", "-t", target, "-c", h.at("report"))
			if r.status.ExitStatus() != 1 || !strings.HasPrefix(r.err, "nsenter: --join-cgroup: ") {
				t.Errorf("%+v", r)
			}
			return
		}
		var dirs []string
		data, err := os.ReadFile("/proc/self/mountinfo")
		check(t, err)
		own, err := os.ReadFile("/proc/self/cgroup")
		check(t, err)
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			_, kind, _ := strings.Cut(line, " - ")
			unified := strings.HasPrefix(kind, "cgroup2 ")
			if !unified && !(strings.HasPrefix(kind, "cgroup ") && strings.Contains(kind, "pids")) {
				continue
			}
			at := ""
			for l := range strings.Lines(string(own)) {
				p := strings.SplitN(strings.TrimSpace(l), ":", 3)
				if unified && p[1] == "" || !unified && p[1] == "pids" {
					at = strings.TrimPrefix(p[2], strings.TrimSuffix(f[3], "/"))
				}
			}
			dir := f[4] + at + "/ocibox-enter-test"
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Logf("%s: %v", dir, err)
				continue
			}
			dirs = append(dirs, dir)
		}
		if len(dirs) == 0 {
			t.Skip("no cgroup can be made here")
		}
		t.Cleanup(func() {
			for _, d := range dirs {
				check(t, os.Remove(d))
			}
		})
		cmd := h.command("wait")
		in, err := cmd.StdinPipe()
		check(t, err)
		check(t, cmd.Start())
		defer cmd.Wait()
		defer in.Close()
		pid := strconv.Itoa(cmd.Process.Pid)
		for _, d := range dirs {
			check(t, os.WriteFile(d+"/cgroup.procs", []byte(pid), 0))
		}
		want, err := os.ReadFile("/proc/" + pid + "/cgroup")
		check(t, err)
		got := h.must("nsenter", "-t", pid, "-c", "cat", "/proc/self/cgroup")
		if got != strings.TrimSpace(string(want)) || strings.Count(got, "ocibox-enter-test") < len(dirs) {
			t.Errorf("%s\nwant %s", got, want)
		}
	})
}

// What is wrong is said, with the option, and nothing is run.
func TestNsenterBad(t *testing.T) {
	each(t, func(h *tools) {
		gone := exec.Command("true")
		check(h.t, gone.Run())
		dead := strconv.Itoa(gone.Process.Pid)
		target := h.target(allNew, 0)
		for _, c := range []struct{ line, want string }{
			{"", "no namespace is named\nhint: --all with"},
			{"-S 5 -n", "--net without a FILE: no target process is given\nhint: --target PID names one"},
			{"-a", "--all: no target process"}, {"-e -n/proc/self/ns/net", "--env: no target"}, {"-r", "--root without a DIR: no target"}, {"-w", "--wd without a DIR: no target"}, {"-W", "--wdns without a DIR: no target"},
			{"-c -n/x", "--join-cgroup: no target"}, {"-Z -n/x", "--follow-context: no target"}, {"-N 3", "--net-socket: no target"}, {"-S follow -w/", "--setuid follow: no target"}, {"-G follow -w/", "--setgid follow: no target"}, {"--user-parent", "--user-parent: no target"},
			{"-t " + dead + " -n", "--target " + dead + ": no such process"}, {"-t -1 -n", "--target -1 is no process id"}, {"-t 0 -n", "--target 0 is no process id"}, {"-t 99999999999999999999 -n", "--target 99999999999999999999 is no process id"}, {"-t 1x -n", "--target 1x is no process id"},
			{"-t 1:x -n", `--target 1:x: "x" is no inode`}, {"-t 1: -n", `"" is no inode`}, {"-t 1 -t 2 -n", "--target 2: is the second one"}, {"-t", "command line: flag needs an argument: 't' in -t"},
			{"-n/etc/passwd", "--net: /etc/passwd is not a namespace\nhint: a namespace file is"}, {"-n/proc/self/ns/uts", "--net: /proc/self/ns/uts is a uts namespace, not a net namespace"}, {"-n/nonesuch", "--net: open net namespace /nonesuch: no such file or directory"}, {"--net=", "command line: --net=: the value is empty"},
			{"-n:x", `--net: "x" is no number of a namespace`}, {"-n:", `--net: "" is no number`}, {"-n:-1", "is no number"}, {"-n:0", "is no number"}, {"-n:99999999999999999999999", "is no number"}, {"-n:18446744073709551615", "--net: open net namespace :18446744073709551615: "},
			{"-S x -w/", "--setuid x: is no id from 0 to 4294967294"}, {"-S -1 -w/", "--setuid -1: is no id"}, {"-S 4294967295 -w/", "--setuid 4294967295: is no id"}, {"-G 99999999999 -w/", "--setgid 99999999999: is no id"}, {"-S", "needs an argument"},
			{"-N x -t 1", "--net-socket x is no descriptor"}, {"-N -1 -t 1", "--net-socket -1 is no descriptor"}, {"-N 99999999999 -t 1", "--net-socket 99999999999 is no descriptor"},
			{"-w/ -W/", "--wd and --wdns exclude each other"}, {"-w/nonesuch", "--wd: open /nonesuch: no such file"}, {"-w/etc/passwd", "--wd: open /etc/passwd: not a directory"}, {"-r/nonesuch", "--root: open /nonesuch: no such file"}, {"-W/nonesuch", "--wdns: chdir(/nonesuch): no such file"},
			{"--container x", "--container: "}, {"--container ../x", "--container: "}, {"--container x -t 1", "--target and --container exclude each other"},
			{"--all=x", "--all x: invalid syntax"}, {"--us", "--us may be --user, --user-parent or"}, {"-q", "unknown shorthand flag: 'q' in -q"},
			{"-t " + target + " -U --preserve-credentials -S 4711", "--setuid: setresuid(): invalid argument\nhint: the user namespace has no such id in its map"},
		} {
			args := append([]string{"nsenter"}, strings.Fields(c.line)...)
			r := h.run(append(args, "true")...)
			if strings.HasSuffix(c.line, "-t") || strings.HasSuffix(c.line, "-S") {
				r = h.run(args...)
			}
			if c.line == "--us" {
				c.want = "--us may be --user or --user-parent"
			}
			if r.status.ExitStatus() != 1 || r.out != "" || !strings.HasPrefix(r.err, "nsenter: ") || !strings.Contains(r.err, c.want) {
				h.t.Errorf("%s: status %#x, %q, want %q", c.line, r.status, r.err, c.want)
			}
		}
		if r := h.run("nsenter", "-t", h.target(0, -1), "-U", "true"); r.err != "nsenter: reassociate to namespace 'ns/user': invalid argument\nhint: it is the user namespace that the caller is in already\n" {
			h.t.Errorf("%+v", r)
		}
		if !h.root() {
			r := h.run("nsenter", "-t", target, "-n", "true")
			if !strings.HasPrefix(r.err, "nsenter: reassociate to namespace 'ns/net': operation not permitted\nhint: the net namespace is owned by user:[") || !strings.HasSuffix(r.err, "], where the caller has no CAP_SYS_ADMIN: --user enters that first\n") {
				h.t.Errorf("%+v", r)
			}
			r = h.run("nsenter", "-n/proc/self/ns/net", "true")
			if r.err != "nsenter: reassociate to namespace 'ns/net': operation not permitted\nhint: the net namespace is owned by the caller's own user namespace, where the caller has no CAP_SYS_ADMIN\n" && os.Geteuid() != 0 {
				h.t.Errorf("%+v", r)
			}
		}
	})
}

// Where there is no /proc a process says itself what its namespaces are, and what
// cannot be had is said.
func TestWithoutProc(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to change the root directory")
	}
	if !bundletest.OwnNetwork(t) {
		return
	}
	h := newTools(t, true)
	target := h.target(unix.CLONE_NEWUTS, -1)
	for _, c := range []struct {
		args []string
		want string // the error, "" for none
	}{
		{[]string{"/nsenter", "-t", target, "-u", "/report"}, ""},
		{[]string{"/nsenter", "-t", target, "-a", "/report"}, "nsenter: --all: look at /proc/"},
		{[]string{"/nsenter", "-t", target, "-r", "/report"}, "nsenter: --root: open /proc/"},
		{[]string{"/nsenter", "-t", target, "-e", "-u", "/report"}, "nsenter: --env: open /proc/"},
		{[]string{"/unshare", "-u", "/report"}, ""},
		{[]string{"/unshare", "--uts=/program", "/report"}, "unshare: --uts: bind /proc/"},
	} {
		r := h.run(append([]string{"unshare", "-R", h.dir}, c.args...)...)
		switch {
		case c.want == "" && (r.status != 0 || r.err != "" || !strings.Contains(r.out, "args []")):
			t.Errorf("%q: %+v", c.args, r)
		case c.want != "" && (r.status.ExitStatus() != 1 || !strings.HasPrefix(r.err, c.want) || !strings.HasSuffix(r.err, "\nhint: proc is not mounted at /proc\n")):
			t.Errorf("%q: %+v", c.args, r)
		}
	}
}
