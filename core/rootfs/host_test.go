package rootfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var lddLine = regexp.MustCompile(`^\s*(?:\S+ => )?(/\S+) \(0x`)

// ldd lists the libraries that ld.so itself finds for a program, or skips.
func ldd(t *testing.T, p string) []string {
	t.Helper()
	cmd := exec.Command("ldd", p)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Skipf("ldd %s: %v: %s", p, err, out)
	}
	if strings.Contains(string(out), "glibc-hwcaps") {
		t.Skip("this host has libraries for its processor alone")
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		if m := lddLine.FindStringSubmatch(line); m != nil {
			list = append(list, m[1])
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func TestAgainstLdd(t *testing.T) {
	c := newCollector(host{}, os.Getenv("PATH"))
	for _, name := range []string{"sh", "bash", "ls", "ps", "ip", "mount", "find", "grep", "python3", "perl", "git", "gdb", "systemctl", "gcc"} {
		t.Run(name, func(t *testing.T) {
			p, err := c.lookup(name, c.system)
			if err != nil {
				t.Skip(err)
			}
			real, _, err := c.h.walk(p)
			if err != nil || !c.isELF(real) {
				t.Skip("not an ELF file")
			}
			libs, err := resolve(c.h, p)
			if err != nil {
				t.Fatal(err)
			}
			if len(libs) == 0 {
				t.Skip("static")
			}
			compare(t, p, libs)
		})
	}
}

// compare sets libs, found for the program p, against what ld.so finds.
func compare(t *testing.T, p string, libs []string) {
	t.Helper()
	got := slices.Clone(libs)
	slices.Sort(got)
	if want := ldd(t, p); !slices.Equal(slices.Compact(got), want) {
		t.Errorf("got  %q\nldd: %q", got, want)
	}
}

// compile runs gcc in dir on source. Libraries, which have to follow the
// source, are in args behind "--".
func compile(t *testing.T, dir, source string, args ...string) {
	t.Helper()
	libs := []string{}
	if i := slices.Index(args, "--"); i >= 0 {
		args, libs = args[:i], append([]string{"-x", "none"}, args[i+1:]...)
	}
	cmd := exec.Command("gcc", slices.Concat(args, []string{"-x", "c", "-"}, libs)...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(source)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gcc %q: %v: %s", args, err, out)
	}
}

// needGCC skips where there is no compiler that makes a program.
func needGCC(t *testing.T) {
	t.Helper()
	cmd := exec.Command("gcc", "-o", filepath.Join(t.TempDir(), "p"), "-x", "c", "-")
	cmd.Stdin = strings.NewReader("#include <stdio.h>\nint main(void) { return puts(\"\"); }")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("gcc: %v %s", err, out)
	}
}

func TestOriginAgainstLdd(t *testing.T) {
	needGCC(t)
	for _, tags := range []string{"--enable-new-dtags", "--disable-new-dtags"} {
		t.Run(tags, func(t *testing.T) {
			dir, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range []string{"bin", "lib", "lib/more"} {
				if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			compile(t, dir, "int b(void) { return 42; }", "-shared", "-fPIC", "-Wl,-soname,libb.so", "-o", "lib/more/libb.so")
			compile(t, dir, "int b(void); int a(void) { return b(); }",
				"-shared", "-fPIC", "-o", "lib/liba.so", "-Wl,-soname,liba.so,"+tags+",-rpath,$ORIGIN/more", "--", "lib/more/libb.so")
			compile(t, dir, "int a(void); int main(void) { return a() - 42; }",
				"-o", "bin/p", "-Wl,"+tags+",-rpath,${ORIGIN}/../lib,-rpath-link,lib/more", "--", "lib/liba.so")
			if err := os.Symlink("bin/p", dir+"/q"); err != nil {
				t.Fatal(err)
			}
			libs, err := resolve(host{}, dir+"/bin/p")
			if err != nil {
				t.Fatal(err)
			}
			compare(t, dir+"/bin/p", libs)
			// The kernel tells ld.so the file behind the link, which ldd does not.
			linked, err := resolve(host{}, dir+"/q")
			if err != nil || !slices.Equal(linked, libs) {
				t.Errorf("by a symlink: %v, %v", err, linked)
			}
			if out, err := exec.Command(dir + "/q").CombinedOutput(); err != nil {
				t.Errorf("by a symlink: %v: %s", err, out)
			}
		})
	}
}

// patch replaces a string in a binary by a shorter one, filled up with zeros.
func patch(t *testing.T, p, from, to string) {
	t.Helper()
	s := read(t, p)
	if !strings.Contains(s, from) {
		t.Fatalf("%s has no %q", p, from)
	}
	s = strings.ReplaceAll(s, from, to+strings.Repeat("\x00", len(from)-len(to)))
	if err := os.WriteFile(p, []byte(s), 0o755); err != nil {
		t.Fatal(err)
	}
}

// A library of the host that is renamed in a copy of a program is not found.
func TestPatchedAway(t *testing.T) {
	c := newCollector(host{}, os.Getenv("PATH"))
	p, err := c.lookup("ls", c.system)
	if err != nil {
		t.Skip(err)
	}
	deps, err := c.linker.libraries(p)
	if err != nil || len(deps) < 2 {
		t.Skipf("%s has no libraries: %v", p, err)
	}
	name := filepath.Base(deps[1].path)
	at := filepath.Join(t.TempDir(), "ls")
	if err := os.WriteFile(at, []byte(read(t, p)), 0o755); err != nil {
		t.Fatal(err)
	}
	gone := "libNO" + name[5:]
	patch(t, at, name+"\x00", gone+"\x00")
	dir := filepath.Join(t.TempDir(), "dir")
	_, err = Build(Options{Dir: dir, Programs: []string{at}})
	wantError(t, err, at+" needs the library "+gone)
	if _, err := os.Lstat(dir); err == nil {
		t.Error("something was made")
	}
}
