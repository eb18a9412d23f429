package rootfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// inside prepares a program to be run as root of a new user namespace with dir
// for its root directory.
func inside(dir string, argv ...string) *exec.Cmd {
	return &exec.Cmd{
		Path: argv[0],
		Args: argv,
		Dir:  "/",
		Env:  []string{"PATH=/sbin:/usr/sbin:/bin:/usr/bin"},
		SysProcAttr: &syscall.SysProcAttr{
			Chroot:      dir,
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		},
	}
}

// needUserns skips where the caller can make no user namespace and chroot in it.
func needUserns(t *testing.T) {
	t.Helper()
	if out, err := inside("/", "/proc/self/exe", "-test.run=^$").CombinedOutput(); err != nil {
		t.Skipf("no user namespace here: %v %s", err, out)
	}
}

func run(t *testing.T, dir string, argv ...string) string {
	t.Helper()
	out, err := inside(dir, argv...).CombinedOutput()
	if err != nil {
		t.Errorf("%q: %v", argv, err)
	}
	return string(out)
}

func TestRunDefaults(t *testing.T) {
	needUserns(t)
	dir := t.TempDir()
	r, err := Build(Options{Dir: dir, NoBusybox: true, Path: os.Getenv("PATH")})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	out := run(t, dir, "/bin/sh", "-c", `ls / && id -u && cat /etc/passwd && ls -ld /root && for p in ls cat; do "/bin/$p" --help >&- 2>&-; done; echo ok`)
	for _, want := range []string{"\nproc\n", "\n0\nroot:x:0:0", "root root", "\nok\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
}

// Each program of the default set finds all its libraries from inside, as ld.so sees it.
func TestLinkedInside(t *testing.T) {
	needUserns(t)
	c := newCollector(host{}, os.Getenv("PATH"))
	c.skeleton()
	if err := c.defaults(); err != nil {
		t.Fatal(err)
	}
	c.files()
	dir := t.TempDir()
	if _, err := c.write(dir); err != nil {
		t.Fatal(err)
	}
	traced := 0
	for _, p := range c.tree.paths() {
		// Only glibc's linker takes the variable; another would run the program.
		o := c.linker.objects["/"+p]
		if c.tree.entries[p].role != program || o == nil || !strings.HasPrefix(filepath.Base(o.interp), "ld-linux") {
			continue
		}
		traced++
		cmd := inside(dir, "/"+p)
		cmd.Env = append(cmd.Env, "LD_TRACE_LOADED_OBJECTS=1")
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), "not found") {
			t.Errorf("/%s: %v: %s", p, err, out)
		}
	}
	if traced == 0 {
		t.Skip("no program here is linked with glibc")
	}
}

func TestRunBusybox(t *testing.T) {
	needUserns(t)
	dir := t.TempDir()
	r, err := Build(Options{Dir: dir, Path: os.Getenv("PATH")})
	if err != nil {
		t.Fatal(err)
	}
	if r.Applets == 0 {
		t.Skip("no busybox on this host")
	}
	out := run(t, dir, "/bin/sh", "-c", "ls / && id -u && /bin/busybox echo one && /usr/bin/env echo two")
	if !strings.Contains(out, "0\none\ntwo\n") || !strings.Contains(out, "proc\n") {
		t.Error(out)
	}
}

func TestRunScript(t *testing.T) {
	needUserns(t)
	at := filepath.Join(t.TempDir(), "hello")
	if err := os.WriteFile(at, []byte("#!/usr/bin/env -S sh -e\necho hello from $0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := Build(Options{Dir: dir, Programs: []string{at}}); err != nil {
		t.Fatal(err)
	}
	if out := run(t, dir, at); out != "hello from "+at+"\n" {
		t.Error(out)
	}
}

// A library in a directory that only the host's ld.so.cache leads to, and one
// by $ORIGIN, are found inside too. The host is one that was made before.
func TestRunFarLibraries(t *testing.T) {
	needUserns(t)
	needGCC(t)
	from := t.TempDir()
	if _, err := Build(Options{Dir: from, Programs: []string{"sh"}}); err != nil {
		t.Fatal(err)
	}
	cache, err := parseCache([]byte(read(t, from+ldCache)))
	if err != nil || len(cache) == 0 {
		t.Skipf("the host finds its libraries without a cache: %v", err)
	}
	put(t, from, map[string]any{"/opt/far/": nil, "/opt/app/bin/": nil, "/opt/app/lib/": nil})
	compile(t, from, "int far(void) { return 2; }", "-shared", "-fPIC", "-Wl,-soname,libfar.so.1", "-o", "opt/far/libfar.so.1")
	compile(t, from, "int near(void) { return 40; }", "-shared", "-fPIC", "-Wl,-soname,libnear.so.1", "-o", "opt/app/lib/libnear.so.1")
	compile(t, from, `#include <stdio.h>
		int far(void), near(void);
		int main(void) { printf("%d\n", far() + near()); }`,
		"-o", "opt/app/bin/p", "-Wl,-rpath,$ORIGIN/../lib", "--", "opt/far/libfar.so.1", "opt/app/lib/libnear.so.1")
	options := Options{Dir: filepath.Join(t.TempDir(), "dir"), Programs: []string{"/opt/app/bin/p"}}
	_, err = build(host{from}, options)
	wantError(t, err, "/opt/app/bin/p needs the library libfar.so.1")

	far := cacheEntry{name: "libfar.so.1", path: "/opt/far/libfar.so.1", flags: cache[0].flags}
	put(t, from, map[string]any{"/etc/new": formatCache(append(cache, far))})
	if err := os.Rename(from+"/etc/new", from+ldCache); err != nil {
		t.Fatal(err)
	}
	r, err := build(host{from}, options)
	if err != nil {
		t.Fatal(err)
	}
	if r.Programs != 1 || r.Libraries != 4 {
		t.Errorf("%+v", r)
	}
	cmd := inside(options.Dir, "/opt/app/bin/p")
	// ld.so takes $ORIGIN from /proc/self/exe, which this root has not.
	cmd.Env = append(cmd.Env, "LD_ORIGIN_PATH=/opt/app/bin")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "42\n" {
		t.Errorf("%v: %s", err, out)
	}
}
