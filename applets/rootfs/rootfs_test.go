package rootfs

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ocibox/applets/cli"
	"ocibox/core/rootfs"
)

// call runs the applet as the table of applets does.
func call(args ...string) (status int, out, errs string) {
	var o, e bytes.Buffer
	std := cli.Std{Out: &o, Err: &e}
	status = cli.Report(std, "rootfs", Run(std, args))
	return status, o.String(), e.String()
}

func TestReport(t *testing.T) {
	for want, r := range map[string]rootfs.Result{
		"d: 24 programs, 7 libraries, 5.2 MB":                     {Programs: 24, Libraries: 7, Bytes: 5_230_000},
		"d: 1 program, 268 busybox applets, 0 libraries, 2.0 MB":  {Programs: 1, Applets: 268, Bytes: 1_982_374},
		"d: 1 program, 1 library, 118 bytes":                      {Programs: 1, Libraries: 1, Bytes: 118},
		"d: 2 programs, 1 busybox applet, 2 libraries, 999.9 kB":  {Programs: 2, Applets: 1, Libraries: 2, Bytes: 999_900},
		"d: 2 programs, 1 busybox applet, 2 libraries, 1000.0 MB": {Programs: 2, Applets: 1, Libraries: 2, Bytes: 1_000_000_000},
	} {
		if got := report("d", r); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestCommandLine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	for _, c := range []struct {
		args   []string
		status int
		errs   string
	}{
		{nil, 1, "rootfs: 0 operands given, 1 needed\nhint: usage: rootfs [OPTION…] DIR [PROGRAM…]\n"},
		{[]string{""}, 1, "rootfs: the directory's name is empty\n"},
		{[]string{"--none", dir}, 1, "rootfs: command line: unknown flag: --none\nhint: rootfs --help lists the options\n"},
		{[]string{"--busybox", "", dir}, 1, "rootfs: --busybox: the path is empty\n"},
		{[]string{"--busybox", "x", "--no-busybox", dir}, 1, "rootfs: --busybox and --no-busybox exclude each other\n"},
		{[]string{"--no-busybox", dir, "sh"}, 1, "rootfs: --no-busybox has no effect where programs are named\n"},
		{[]string{"--busybox", "/nowhere/busybox", dir}, 1, "rootfs: /nowhere/busybox: no such file or directory\n"},
		{[]string{"/etc/passwd", "sh"}, 1, "rootfs: /etc/passwd is not a directory\n"},
	} {
		status, out, errs := call(c.args...)
		if status != c.status || out != "" || errs != c.errs {
			t.Errorf("%q: status %d, out %q, err %q", c.args, status, out, errs)
		}
	}
	t.Setenv("PATH", "/one:/two")
	_, _, errs := call(dir, "nosuchprogram")
	if errs != "rootfs: program \"nosuchprogram\" is not in /one:/two:/sbin:/usr/sbin:/bin:/usr/bin:/usr/local/bin\n" {
		t.Errorf("err %q", errs)
	}
	if _, err := os.Lstat(dir); err == nil {
		t.Error("something was made")
	}
	status, out, _ := call("--help")
	for _, want := range []string{"usage: rootfs [OPTION…] DIR [PROGRAM…]\n", "--busybox PATH", "--no-busybox", "-q, --quiet"} {
		if status != 0 || !strings.Contains(out, want) {
			t.Errorf("help has no %q: %s", want, out)
		}
	}
}

// The counts that are printed are those of the files that are there.
func TestCounts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	status, out, errs := call(dir, "sh", "ls")
	if status != 0 || errs != "" {
		t.Fatalf("status %d, %s", status, errs)
	}
	var r rootfs.Result
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		r.Bytes += st.Size()
		switch base := filepath.Base(p); {
		case strings.Contains(base, ".so.cache"), filepath.Dir(p) == filepath.Join(dir, "etc"):
		case strings.Contains(base, ".so"):
			r.Libraries++
		default:
			r.Programs++
		}
		return nil
	})
	if want := report(dir, r) + "\n"; err != nil || out != want {
		t.Errorf("%v, printed %q, there is %q", err, out, want)
	}
	if status, out, errs := call("-q", dir, "sh"); status != 0 || out != "" || errs != "" {
		t.Errorf("quiet: status %d, %q, %q", status, out, errs)
	}
}

// What the applet makes runs as the root of a container.
func TestRuns(t *testing.T) {
	inside := func(dir string, argv ...string) *exec.Cmd {
		return &exec.Cmd{
			Path: argv[0], Args: argv, Dir: "/", Env: []string{"PATH=/bin:/usr/bin"},
			SysProcAttr: &syscall.SysProcAttr{
				Chroot:      dir,
				Cloneflags:  syscall.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
			},
		}
	}
	if out, err := inside("/", "/proc/self/exe", "-test.run=^$").CombinedOutput(); err != nil {
		t.Skipf("no user namespace here: %v %s", err, out)
	}
	for name, args := range map[string][]string{
		"default":          nil,
		"host's programs":  {"--no-busybox"},
		"named programs":   {"-q", "sh", "ls", "id"},
		"flags after them": {"sh", "ls", "id", "--quiet"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			status, out, errs := call(append([]string{dir}, args...)...)
			if status != 0 || strings.Count(out, "\n") > 1 || strings.Count(errs, "\n") > 1 {
				t.Fatalf("status %d, %s%s", status, out, errs)
			}
			got, err := inside(dir, "/bin/sh", "-c", "ls / && id").CombinedOutput()
			if err != nil || !strings.Contains(string(got), "\nproc\n") || !strings.Contains(string(got), "\nuid=0(root)") {
				t.Errorf("%v: %s", err, got)
			}
		})
	}
}
