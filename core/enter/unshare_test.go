package enter_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// over lays a text over a file of the host's, in the test's own mount namespace.
func over(t *testing.T, path, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), filepath.Base(path))
	check(t, os.WriteFile(file, []byte(text), 0o644))
	check(t, unix.Mount(file, path, "", unix.MS_BIND, ""))
	t.Cleanup(func() { check(t, unix.Unmount(path, unix.MNT_DETACH)) })
}

// subordinates gives ids to the two users of the tests, where this is root.
func subordinates(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	passwd, err := os.ReadFile("/etc/passwd")
	check(t, err)
	over(t, "/etc/passwd", string(passwd)+"enterer:x:12345:12345::/:/bin/sh\n")
	for _, f := range []string{"/etc/subuid", "/etc/subgid"} {
		if _, err := os.Stat(f); err != nil {
			t.Skip(err)
		}
		over(t, f, "root:700000:65536\nenterer:800000:1000\n")
	}
}

// Option by option, unshare is util-linux's.
func TestUnshareAsUtilLinux(t *testing.T) {
	each(t, func(h *tools) {
		subordinates(h.t)
		h.env = append(h.env, "PATH=/usr/sbin:/usr/bin:/sbin:/bin:"+h.dir)
		ran := 0
		lines := []string{
			"", "-U", "-r", "--map-root-user", "-c", "--map-current-user", "-Ur", "-rc", "-cr", "-rm", "-rn", "-ru", "-ri", "-rC", "-rT", "-rp", "-rpf",
			"-m", "-n", "-u", "-i", "-C", "-T", "-p", "-pf", "-munipCTf", "-munipCTUrf", "--mount --uts --ipc --net --cgroup -r",
			"-rpf --mount-proc", "-rm --mount-proc", "-pf --mount-proc", "-rpfm --mount-proc=/proc",
			"-f", "--fork", "-rf --kill-child", "-r --kill-child=TERM", "-r --kill-child=SIGUSR1", "-r --kill-child=rtmin+3", "-r --kill-child=SIGRTMAX-1", "-r --kill-child=0", "-r --kill-child=nonesuch",
			"-rTf --boottime 1000", "-rT --monotonic 77", "-Tf --monotonic=77 --boottime=-1", "-rTf --monotonic=-99999999999", "-r --boottime 5", "-rT --monotonic x",
			"--map-user=5", "--map-user 5 --map-group 7", "--map-group=7", "--map-user=daemon", "--map-user=nonesuch", "--map-group=daemon",
			"-U --setgroups deny", "-U --setgroups allow", "-r --setgroups=allow", "-U --setgroups x",
			"-rm --propagation private", "-rm --propagation slave", "-rm --propagation shared", "-rm --propagation unchanged", "-m --propagation shared", "-rm --propagation x",
			"-w /tmp", "-w /nonesuch", "--wd=.", "-r -R / -w /tmp", "-r -R /", "-R /", "-r -R /nonesuch", "-R /usr -w /",
			"-r -S 0", "-S 0", "-r -S 0 -G 0", "-S 5 -G 6", "-S 5", "-G 6", "-c -S 5", "-S x", "-G -1", "-r -S 1",
			"-r --keep-caps", "-c --keep-caps", "-U --keep-caps", "--keep-caps", "-c --keep-caps -m", "--map-user=5 --keep-caps", "-f -c --keep-caps -p",
			"--map-users=auto", "--map-auto",
			"--map-r", "--map-cur", "--m", "--nonesuch", "-Z", "-R", "--mount-pro -rpf", "-rmw /", "-rmw/", "-rmw=/", "--fork=x",
		}
		me, outer := "12345", "800000"
		if h.root() {
			me, outer = "0", "700000"
		}
		if os.Geteuid() != 0 {
			me = ""
		}
		if me != "" {
			lines = append(lines,
				// OUTER,INNER,COUNT, as 2.38 has it.
				"--map-users="+outer+",0,1000 --map-groups="+outer+",0,1000",
				"--map-user=0 --map-users="+outer+",0,1000",
				"--map-user=500 --map-users="+outer+",0,1000 --map-group=3 --map-groups="+outer+",0,1000",
				"--map-user=999 --map-users="+outer+",0,1000", "--map-user=5000 --map-users="+outer+",0,1000",
				"--map-users="+outer+",0,0", "--map-users=1,2", "--map-users=x", "--map-users=-1,0,5", "-r --map-users="+outer+",7,10 -S 7",
			)
		}
		for _, line := range lines {
			if h.agree("unshare", nil, strings.Fields(line)...) {
				ran++
			}
		}
		if ran < len(lines)/3 {
			h.t.Errorf("%d of %d lines ran a program: they show little", ran, len(lines))
		}
	})
}

// report is what a program finds in there, by our unshare.
func (h *tools) made(args ...string) map[string]string {
	h.t.Helper()
	return h.inside(append([]string{"unshare"}, args...)...)
}

// What util-linux of Debian does not have yet, by what it does.
func TestUnshareBeyond(t *testing.T) {
	each(t, func(h *tools) {
		subordinates(h.t)
		uid, first := uint64(os.Geteuid()), "700000 65536"
		if h.cred != nil {
			uid, first = plainID, "800000 1000"
		}
		own := fmt.Sprint(uid)
		// As the kernel shows a map, and in one form.
		all, err := os.ReadFile("/proc/self/uid_map")
		check(t, err)
		whole := strings.Join(strings.Fields(string(all)), " ")
		for _, c := range []struct {
			line, uids string
			root       bool // only root may
		}{
			{"--map-users=all", whole, true},
			{"--map-users=all --map-groups=all -c", "0 0 1, 1 1 4294967294", true},
			{"--map-user=5 --map-users=all", "", true},
			{"--map-users=3:700000:4 --map-users=100:700010:5", "100 700010 5, 3 700000 4", true},
			{"--map-users=700000,3,4", "3 700000 4", true},
			{"-r --map-users=0:700000:10", "0 0 1, 1 700000 9", true},
			{"--map-users=0:700000:10 --map-user=3", "0 700000 3, 3 0 1, 4 700003 6", true},
			{"--map-user=70000 --map-users=0:700000:10", "0 700000 10, 70000 0 1", true},
			{"--map-subids", "ID ID N", false}, {"--map-subids -r", "0 OWN 1, ID ID N", false},
			{"--map-auto -r", "0 OWN 1, 1 ID N", false}, {"--map-auto", "0 ID N", false}, {"-c --map-auto", "", false},
			{"--map-users=subids --map-groups=auto", "ID ID N", false},
		} {
			if c.root && (!h.root() || whole != "0 0 4294967295") {
				continue
			}
			if os.Geteuid() != 0 && strings.Contains(c.uids+c.line, "auto") || os.Geteuid() != 0 && strings.Contains(c.line, "subids") {
				continue // whether the user has any is not ours to say
			}
			got := h.made(strings.Fields(c.line)...)
			id, n, _ := strings.Cut(first, " ")
			want := strings.NewReplacer("ID", id, "N", n, "OWN", own).Replace(strings.ReplaceAll(c.uids, "OWN", own))
			if c.uids != "" && got["uid_map"] != want || got["uid_map"] == "" {
				h.t.Errorf("%s: %q, want %q", c.line, got["uid_map"], want)
			}
		}
		// One subordinate id is enough.
		if os.Geteuid() == 0 {
			over(h.t, "/etc/subuid", "root:700000:1\nenterer:800000:1\n")
			id, _, _ := strings.Cut(first, " ")
			if got, want := h.made("-r", "--map-auto")["uid_map"], "0 "+own+" 1, 1 "+id+" 1"; got != want {
				h.t.Errorf("one subordinate id: %q, want %q", got, want)
			}
		}
		// Setgroups, also where a helper writes the maps.
		if got := h.made("-r", "--setgroups=deny"); got["setgroups"] != "deny" {
			h.t.Errorf("%v", got)
		}
		if h.root() {
			if got := h.made("--map-users=all", "--map-groups=all", "--setgroups=deny"); got["setgroups"] != "deny" || got["gid_map"] == "" {
				h.t.Errorf("%v", got)
			}
		}
		// The environment.
		if env := h.made("--clear-env")["env"]; env != "[]" {
			h.t.Errorf("--clear-env: %s", env)
		}
		if env := h.made("--whitelist-env", "HERE,NONESUCH", "--whitelist-env=LC_ALL")["env"]; env != `["HERE=1" "LC_ALL=C"]` {
			h.t.Errorf("--whitelist-env: %s", env)
		}
		// Whose the user namespace is: it is his who may enter it.
		if h.root() && whole == "0 0 4294967295" {
			cmd := h.command("unshare", "--owner", "1234:1235", "--map-root-user", "--fork", "--kill-child", h.at("wait"))
			pid := h.child(h.start(cmd).Process.Pid)
			f, err := os.Open("/proc/" + pid + "/ns/user")
			check(h.t, err)
			defer f.Close()
			var owner uint32
			if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.NS_GET_OWNER_UID, uintptr(unsafe.Pointer(&owner))); e != 0 || owner != 1234 {
				h.t.Errorf("--owner: %d, %v", owner, e)
			}
			for _, args := range [][]string{{"--owner=1234:1235", "-p", "-f", "-r"}, {"--owner=1234:1235", "-munipCT", "-f", "-r"}, {"--owner=1234:1235", "-T", "-n"}} {
				got := h.made(args...)
				if got["Uid:"] == "" || got["first"] != "false, parent outside false" && args[1] == "-p" && got["first"] != "true, parent outside true" {
					h.t.Errorf("%q: %v", args, got)
				}
			}
		}
		// A binfmt_misc of its own, with an interpreter: cat is that of "cat it".
		if data, _ := os.ReadFile("/proc/filesystems"); !strings.Contains(string(data), "binfmt_misc") {
			h.t.Log("this kernel has no binfmt_misc")
			return
		}
		script := h.at("here/script.enter")
		check(h.t, os.WriteFile(script, []byte("said by cat\n"), 0o755))
		const line = ":enter:E::enter::/bin/cat:"
		for _, args := range [][]string{{"-r", "-p", "-f", "-l", line}, {"-r", "-p", "-f", "--mount-binfmt", "--load-interp=" + line}, {"-r", "-p", "-f", "-R", "/", "-l", line + "F"}} {
			r := h.run(append(append([]string{"unshare"}, args...), script)...)
			switch {
			case strings.Contains(r.err, "binfmt_misc") && strings.Contains(r.err, "operation not permitted"):
				h.t.Log("this kernel has no binfmt_misc for user namespaces")
			case strings.Contains(r.err, "--mount-proc") && !h.root():
				h.t.Log("proc cannot be mounted here: ", r.err)
			case r.status != 0 || r.out != "said by cat\n":
				h.t.Errorf("%q: %+v", args, r)
			}
		}
	})
}

// Namespaces stay when nobody is in them, as long as a file keeps them.
func TestPersistent(t *testing.T) {
	if os.Geteuid() == 0 && !bundletest.OwnNetwork(t) {
		return
	}
	if os.Geteuid() != 0 {
		// Binding takes a mount namespace of one's own.
		bundletest.Plain(t)
		if !bundletest.OwnNetwork(t) {
			return
		}
	}
	h := newTools(t, true)
	// Of a shared mount no file can keep a mount namespace.
	keep := h.at("keep")
	check(t, os.Mkdir(keep, 0o755))
	check(t, unix.Mount("keep", keep, "tmpfs", 0, ""))
	t.Cleanup(func() { check(t, unix.Unmount(keep, unix.MNT_DETACH)) })
	files := map[string]string{}
	var args []string
	for _, k := range []struct{ option, kind string }{{"mount", "mnt"}, {"uts", "uts"}, {"ipc", "ipc"}, {"net", "net"}, {"cgroup", "cgroup"}, {"time", "time"}, {"user", "user"}} {
		file := filepath.Join(keep, k.kind)
		check(t, os.WriteFile(file, nil, 0o644))
		files[k.kind] = file
		args = append(args, "--"+k.option+"="+file)
	}
	onSomeCPU(t, func() bool {
		r := h.run(append(append([]string{"unshare"}, args...), "-r", "true")...)
		if strings.Contains(r.err, "taskset can have it made on another CPU") {
			return false
		}
		if r.status != 0 || r.err != "" {
			t.Fatalf("%+v", r)
		}
		return true
	})
	made := map[string]string{}
	for kind, file := range files {
		st := link(t, file)
		made[kind] = fmt.Sprintf("%s:[%d]", kind, st.Ino)
	}
	for kind, file := range files {
		if got := h.inside("nsenter", "-U"+files["user"], "--preserve-credentials", "--"+map[string]string{"mnt": "mount"}[kind]+strings.TrimPrefix(kind, "mnt")+"="+file)[kind]; got != made[kind] || got == "" {
			t.Errorf("%s: %s, was %s", kind, got, made[kind])
		}
	}
	for _, file := range files {
		check(t, unix.Unmount(file, 0))
		if r := h.run("nsenter", "-n"+file, "true"); !strings.Contains(r.err, "is not a namespace") {
			t.Errorf("%s: %+v", file, r)
		}
	}
	// A pid namespace lives as long as its init; the file shows it meanwhile.
	pid := filepath.Join(keep, "pid")
	check(t, os.WriteFile(pid, nil, 0o644))
	first := h.child(h.start(h.command("unshare", "-r", "--pid="+pid, "-f", "--kill-child", h.at("wait"))).Process.Pid)
	if got := h.inside("nsenter", "-U/proc/"+first+"/ns/user", "--preserve-credentials", "-p"+pid); got["pid"] != namespaces(first)["pid"] || got["first"] != "false, parent outside true" {
		t.Errorf("--pid=FILE: %v", got)
	}
	check(t, unix.Unmount(pid, unix.MNT_DETACH))
	for _, c := range []struct{ line, want string }{
		{"-r --net=" + keep + "/nonesuch", "unshare: --net: bind /proc/PID/ns/net to " + keep + "/nonesuch: no such file or directory\nhint: there has to be a file: touch " + keep + "/nonesuch\n"},
		{"-r --pid=" + pid, "unshare: --pid: bind /proc/PID/ns/pid_for_children to " + pid + ": no such file or directory\nhint: nobody is in the pid namespace yet: --fork has the program be its init\n"},
	} {
		r := h.run(append(append([]string{"unshare"}, strings.Fields(c.line)...), "true")...)
		if got := number.ReplaceAllString(r.err, "/proc/PID/"); r.status.ExitStatus() != 1 || got != c.want {
			t.Errorf("%s: %#x %s", c.line, r.status, r.err)
		}
	}
	// What was bound is taken back where nothing can be run.
	if r := h.run("unshare", "-r", "--net="+files["net"], "/nonesuch"); r.status.ExitStatus() != 127 {
		t.Errorf("%+v", r)
	}
	if r := h.run("nsenter", "-n"+files["net"], "true"); !strings.Contains(r.err, "is not a namespace") {
		t.Errorf("left behind: %+v", r)
	}
	check(t, unix.Mount("", keep, "", unix.MS_SHARED, ""))
	var r result
	onSomeCPU(t, func() bool {
		r = h.run("unshare", "--mount="+files["mnt"], "true")
		return !strings.Contains(r.err, "taskset can have it made on another CPU")
	})
	if want := "hint: " + keep + " is a shared mount"; r.status.ExitStatus() != 1 || !strings.Contains(r.err, want) || !strings.Contains(r.err, "unshare: --mount: bind /proc/") {
		t.Errorf("%+v", r)
	}
}

// onSomeCPU tries it on each CPU, until it is true.
func onSomeCPU(t *testing.T, try func() bool) {
	t.Helper()
	runtime.LockOSThread()
	var all unix.CPUSet
	check(t, unix.SchedGetaffinity(0, &all))
	defer func() {
		check(t, unix.SchedSetaffinity(0, &all))
		runtime.UnlockOSThread()
	}()
	for cpu := range 8 * len(all) * int(unsafe.Sizeof(all[0])) {
		if !all.IsSet(cpu) {
			continue
		}
		var one unix.CPUSet
		one.Set(cpu)
		check(t, unix.SchedSetaffinity(0, &one))
		if try() {
			return
		}
	}
	t.Fatal("on no CPU")
}

func link(t *testing.T, file string) (st unix.Stat_t) {
	t.Helper()
	check(t, unix.Stat(file, &st))
	return st
}

var number = regexp.MustCompile(`/proc/\d+/`)

// What is wrong is said, with the option, and nothing is run.
func TestUnshareBad(t *testing.T) {
	each(t, func(h *tools) {
		subordinates(h.t)
		many := func(n, size int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, " --map-users=%d:%d:%d", i*size, 700000+i*size, size)
			}
			return b.String()
		}
		root := h.root()
		for _, c := range []struct{ line, want string }{
			{"--map-user=-1", "--map-user -1 is neither an id nor a known name"}, {"--map-group=nonesuch", "--map-group nonesuch is neither"}, {"--map-user=4294967295", "--map-user 4294967295 is neither"}, {"--map-user=", "--map-user: the value is empty"}, {"--map-user", "needs an argument: --map-user"},
			{"--map-users=1:2", "--map-users 1:2: is not INNER:OUTER:COUNT, OUTER,INNER,COUNT, auto, subids or all"}, {"--map-users=x", "--map-users x: is not"}, {"--map-users=-1:0:1", `--map-users -1:0:1: "-1": invalid syntax`}, {"--map-groups=0:0:99999999999", `"99999999999": value out of range`}, {"--map-users=0:0:0", "--map-users: size is 0"}, {"--map-users=0:4294967290:10", "--map-users: outer id 4294967290 with size 10 goes past 4294967294"},
			{"--map-users=0:0:10 --map-users=5:100:10", "--map-users: inner ids 5-14 overlap 0-9 of"}, {"--map-groups=0:0:10 --map-groups=50:5:10", "--map-groups: outer ids 5-14 overlap 0-9"},
			{many(341, 1), "--map-users: 341 ranges, the kernel takes at most 340"},
			{"--owner=1", "--owner 1 is not UID:GID"}, {"--owner=x:1", "--owner x:1 is not"}, {"--owner=1:-1", "is not UID:GID"}, {"--owner=1:4294967295", "is not UID:GID"},
			{"--setgroups=x -U", "--setgroups x is not allow or deny"}, {"--setgroups=deny", "--setgroups: it takes a user namespace of its own, --user"}, {"-r --setgroups=allow", "--setgroups allow and --map-root-user exclude each other"},
			{"--propagation=x -m", "--propagation x: is not private, shared, slave or unchanged"}, {"--kill-child=x", "--kill-child x: there is no such signal"}, {"--kill-child=-1", "there is no such signal"}, {"--kill-child=65", "there is no such signal"}, {"--kill-child=", "the value is empty"},
			{"-S x", "--setuid x: is no id"}, {"-S -1", "--setuid -1: is no id"}, {"-G 4294967295", "--setgid 4294967295: is no id"}, {"-S 99999999999", "is no id"}, {"-G", "needs an argument"},
			{"--monotonic=1", "--monotonic and --boottime: they take a time namespace of its own, --time"}, {"-T --monotonic=x", "--monotonic x: invalid syntax"}, {"-T --boottime=99999999999999999999", "--boottime 99999999999999999999: value out of range"}, {"-rT --boottime=-99999999", "--boottime: write(boottime -99999999 0): numerical result out of range\nhint: the clock would show less than nothing"}, {"-rT --monotonic=9223372036854775807", "--monotonic: write("},
			{"-r -R /nonesuch", "--root /nonesuch: chroot(/nonesuch): no such file or directory"}, {"-w /nonesuch", "--wd /nonesuch: chdir(/nonesuch): no such file"}, {"-w /etc/passwd", "not a directory"}, {"-R", "needs an argument"}, {"--wd=", "--wd: the value is empty"},
			{"-rpf --mount-proc=/nonesuch", "--mount-proc /nonesuch: move_mount(/nonesuch): no such file"}, {"-r --mount-binfmt=/nonesuch", "--mount-binfmt /nonesuch: "}, {"-r -pf -l x", ""},
			{"-q", "unknown shorthand flag: 'q' in -q"}, {"--map", "--map may be --map-user, --map-group, "}, {"--fork=x", "--fork x: invalid syntax"}, {"--forc", "unknown flag: --forc\nhint: is it --fork? "},
		} {
			args := append([]string{"unshare"}, strings.Fields(c.line)...)
			if !strings.Contains(c.want, "needs an argument") {
				args = append(args, "true")
			}
			r := h.run(args...)
			if r.status.ExitStatus() != 1 || r.out != "" || !strings.HasPrefix(r.err, "unshare: ") || !strings.Contains(r.err, c.want) {
				h.t.Errorf("%.80s: status %#x, %q, want %q", c.line, r.status, r.err, c.want)
			}
		}
		if root {
			// As many as the kernel takes, and no more text than it takes.
			got := h.made(strings.Fields("--map-users=0:0:1" + strings.Replace(many(160, 1), "--map-users=0:700000:1", "", 1))...)
			if n := strings.Count(got["uid_map"], ",") + 1; n != 160 {
				h.t.Errorf("%d lines of 160", n)
			}
			if r := h.run(append(append([]string{"unshare"}, strings.Fields(many(340, 7))...), "true")...); !strings.Contains(r.err, "unshare: --map-users: 340 ranges make a map of ") {
				h.t.Errorf("%+v", r)
			}
			small := make([]string, 340)
			for i := range small {
				small[i] = fmt.Sprintf("--map-users=%d:%d:1", 2*i, 2*i)
			}
			if got := h.made(small...); strings.Count(got["uid_map"], ",")+1 != 340 {
				h.t.Errorf("%s", got["uid_map"])
			}
			return
		}
		for _, c := range []struct{ line, want string }{
			{"-n", "unshare: clone3(CLONE_NEWNET, SIGCHLD): operation not permitted\nhint: a plain user needs a user namespace of their own: --user, or --map-root-user\n"},
			{"--owner=1:1 -r", "unshare: --owner: setgroups(): operation not permitted\n"},
			{"-R /", "unshare: --root /: chroot(/): operation not permitted\nhint: it takes CAP_SYS_CHROOT, which --map-root-user or --user gives in a user namespace\n"},
			{"-r --mount-proc", "unshare: --mount-proc /proc: "},
		} {
			if os.Geteuid() == 0 || !strings.HasPrefix(c.line, "--owner") {
				if r := h.run(append(append([]string{"unshare"}, strings.Fields(c.line)...), "true")...); r.status.ExitStatus() != 1 || !strings.HasPrefix(r.err, c.want) {
					h.t.Errorf("%s: %+v, want %q", c.line, r, c.want)
				}
			}
		}
	})
}

// A limit of the kernel's is named with its value.
func TestUnshareLimit(t *testing.T) {
	bundletest.Plain(t)
	h := newTools(t, false)
	// It is that of a user namespace of the test's own.
	r := h.run("unshare", "-r", "sh", "-c", "echo 0 > /proc/sys/user/max_user_namespaces && exec "+h.at("unshare")+" -U true")
	if want := "unshare: clone3(CLONE_NEWUSER, SIGCHLD): no space left on device\nhint: a limit on namespaces is reached: /proc/sys/user/max_user_namespaces is 0\n"; r.status.ExitStatus() != 1 || r.err != want {
		t.Errorf("%+v, want %q", r, want)
	}
}

// Explain prints the steps, in their order, and runs nothing.
func TestExplain(t *testing.T) {
	bundletest.Plain(t)
	h := newTools(t, false)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"unshare", "-rmp", "-f", "--mount-proc", "--keep-caps", "--net=/x", "--explain", "false"}, []string{"clone3(CLONE_NEWNS|CLONE_NEWUSER|CLONE_NEWPID|CLONE_NEWNET", `write "deny" to /proc/CHILD/setgroups`, "--map-root-user", "bind /proc/CHILD/ns/net to /x", "MS_PRIVATE", `fsopen("proc"`, "PR_CAP_AMBIENT_RAISE", "execve("}},
		{[]string{"unshare", "-rT", "--boottime=5", "-f", "--explain", "false"}, []string{"clone3(CLONE_NEWUSER, ", "unshare(CLONE_NEWTIME)", "uid_map", `write($timens_offsets, "boottime 5 0"`, "go on in the child", "execve("}},
		{[]string{"nsenter", "-t", h.target(0, -1), "-n", "-m", "-r", "-S", "follow", "--explain", "false"}, []string{"/ns/net", "/ns/mnt", "/root\") = $root", "setns($ns.net, CLONE_NEWNET)", "setns($ns.mnt, CLONE_NEWNS)", `chroot(".")`, "statx($target).uid", "setresuid($uid, $uid, $uid)", "PR_SET_PDEATHSIG, SIGKILL", "execve("}},
	} {
		out := h.must(c.args...)
		rest := out
		for _, w := range c.want {
			_, after, found := strings.Cut(rest, w)
			if !found {
				t.Errorf("%q: no %s there in %s", c.args, w, out)
				break
			}
			rest = after
		}
	}
}
