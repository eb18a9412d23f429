package rootfs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestShebang(t *testing.T) {
	long := "#!/bin/" + strings.Repeat("x", 300)
	for _, c := range []struct{ head, interp, arg, env string }{
		{"", "", "", ""},
		{"# !/bin/sh", "", "", ""},
		{"#!/bin/sh\necho", "/bin/sh", "", ""},
		{"#! \t/bin/sh \t-e  -u \nx", "/bin/sh", "-e  -u", ""},
		{"#!/bin/sh", "/bin/sh", "", ""},
		{"#!/bin/sh\r\n", "/bin/sh\r", "", ""},
		{"#!\n", "", "", ""},
		{long, long[2:shebangMax], "", ""},
		{"#!/usr/bin/env python3\n", "/usr/bin/env", "python3", "python3"},
		{"#!/usr/bin/env python3 -u\n", "/usr/bin/env", "python3 -u", "python3 -u"},
		{"#!/usr/bin/env -S python3 -u\n", "/usr/bin/env", "-S python3 -u", "python3"},
		{"#!/usr/bin/env -Spython3 -u\n", "/usr/bin/env", "-Spython3 -u", "python3"},
		{"#!/usr/bin/env -S -i -u HOME A=b awk -f\n", "/usr/bin/env", "-S -i -u HOME A=b awk -f", "awk"},
		{"#!/usr/bin/env --split-string=awk -f\n", "/usr/bin/env", "--split-string=awk -f", "awk"},
		{"#!/usr/bin/env -S\n", "/usr/bin/env", "-S", ""},
	} {
		interp, arg := shebang([]byte(c.head))
		if env := envProgram(interp, arg); interp != c.interp || arg != c.arg || env != c.env {
			t.Errorf("%q: got %q %q %q", c.head, interp, arg, env)
		}
	}
}

func TestTree(t *testing.T) {
	sh := image{}
	for name, c := range map[string]struct {
		files    map[string]any
		programs []string
		want     []string
	}{
		"merged usr": {
			map[string]any{
				"/bin": "-> usr/bin", "/sbin": "-> usr/sbin", "/lib": "-> usr/lib", "/usr/sbin": "-> bin", "/usr/lib/": nil,
				"/usr/bin/sh": "-> dash", "/usr/bin/dash": sh,
			},
			[]string{"sh"},
			[]string{"bin -> usr/bin", "lib -> usr/lib", "sbin -> usr/sbin", "usr/", "usr/bin/", "usr/bin/dash", "usr/bin/sh -> dash", "usr/lib/", "usr/sbin -> bin"},
		},
		"directories of their own": {
			map[string]any{"/bin/sh": "-> /bin/dash", "/bin/dash": sh, "/sbin/": nil, "/lib/": nil, "/usr/bin/": nil},
			[]string{"sh"},
			[]string{"bin/", "bin/dash", "bin/sh -> /bin/dash", "lib/", "sbin/", "usr/", "usr/bin/"},
		},
		"alternatives": {
			map[string]any{"/bin/awk": "-> /etc/alternatives/awk", "/etc/alternatives/awk": "-> ../../bin/mawk", "/bin/mawk": sh},
			[]string{"awk"},
			[]string{"bin/", "bin/awk -> /etc/alternatives/awk", "bin/mawk", "etc/alternatives/", "etc/alternatives/awk -> ../../bin/mawk"},
		},
		"script, its interpreter, and env's program": {
			map[string]any{"/bin/s": "#!/bin/i\n", "/bin/i": "#!/bin/env -S prog -x\n", "/bin/env": sh, "/bin/prog": sh},
			[]string{"s"},
			[]string{"bin/", "bin/env", "bin/i", "bin/prog", "bin/s"},
		},
		"script that is its own interpreter": {
			map[string]any{"/bin/s": "#!/bin/s\n"},
			[]string{"s"},
			[]string{"bin/", "bin/s"},
		},
		"by path": {
			map[string]any{"/bin/": nil, "/opt/x/": nil, "/opt/y": "-> x", "/opt/x/p": sh},
			[]string{"/opt/y/../x/p"},
			[]string{"bin/", "opt/", "opt/x/", "opt/x/p", "opt/y -> x"},
		},
		"home behind a symlink": {
			map[string]any{"/home": "-> var/home", "/var/home/me/p": "text"},
			[]string{"/home/me/p"},
			[]string{"home -> var/home", "var/home/", "var/home/me/", "var/home/me/p"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new", "dir")
			_, err := build(fakeHost(t, c.files), Options{Dir: dir + "/", Programs: c.programs})
			if err != nil {
				t.Fatal(err)
			}
			if got := listing(t, dir); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestPathOrder(t *testing.T) {
	c := newCollector(host{}, "/mine:.::/usr/bin/:relative")
	if want := []string{"/mine", "/usr/bin", "/sbin", "/usr/sbin", "/bin", "/usr/local/bin"}; !slices.Equal(c.path, want) {
		t.Errorf("path %q", c.path)
	}
	if want := []string{"/sbin", "/usr/sbin", "/bin", "/usr/bin", "/usr/local/bin", "/mine"}; !slices.Equal(c.system, want) {
		t.Errorf("system %q", c.system)
	}
}

func TestRefused(t *testing.T) {
	h := fakeHost(t, map[string]any{
		"/bin/good":    image{},
		"/bin/badlib":  image{needed: []string{"libnone.so"}},
		"/bin/script":  "#!/bin/none\n",
		"/bin/rel":     "#!sh\n",
		"/bin/envless": "#!/bin/env none\n",
		"/bin/env":     image{},
		"/bin/short":   "\x7fELF",
		"/bin/loop":    "-> loop",
		"/proc/p":      image{},
		"/bin/hidden":  "-> ../proc/p",
		"/etc/data":    "text",
	})
	if err := os.Chmod(h.root+"/etc/data", 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		program string
		words   []string
	}{
		{"none", []string{`program "none" is not in /p:/sbin:/usr/sbin:/bin:/usr/bin:/usr/local/bin`}},
		{"", []string{`program ""`}},
		{"/bin/none", []string{"/bin/none: no such file"}},
		{"/bin", []string{"/bin is not a regular file"}},
		{"/bin/loop", []string{"too many levels of symbolic links"}},
		{"/etc/data", []string{"/etc/data is not executable"}},
		{"badlib", []string{"/bin/badlib needs the library libnone.so, which is not in /"}},
		{"script", []string{"/bin/script", `interpreter "/bin/none"`}},
		{"rel", []string{"/bin/rel", `interpreter "sh" is no absolute path`}},
		{"envless", []string{"/bin/envless", `program "none" is not in`}},
		{"short", []string{"/bin/short", "ELF"}},
		{"hidden", []string{"/bin/hidden lies below /proc"}},
	} {
		dir := filepath.Join(t.TempDir(), "dir")
		_, err := build(h, Options{Dir: dir, Programs: []string{"good", c.program}, Path: "/p"})
		wantError(t, err, c.words...)
		if _, err := os.Lstat(dir); err == nil {
			t.Errorf("%s: something was made", c.program)
		}
	}
	_, err := build(h, Options{Dir: h.root + "/etc/data", Programs: []string{"good"}})
	wantError(t, err, "/etc/data is not a directory")
	_, err = build(h, Options{Programs: []string{"good"}})
	wantError(t, err, "name is empty")
}

func TestDefaults(t *testing.T) {
	files := map[string]any{"/bin/ls": image{}, "/lib/terminfo/x/xterm": "xterm", "/usr/share/terminfo/x/xterm": "another"}
	h := fakeHost(t, files)
	dir := filepath.Join(t.TempDir(), "dir")
	_, err := build(h, Options{Dir: dir})
	wantError(t, err, `program "sh" is not in`)

	put(t, h.root, map[string]any{"/bin/sh": image{}, "/bin/busybox": "#!/bin/sh\n"})
	r, err := build(h, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"bin/", "bin/ls", "bin/sh", "lib/", "lib/terminfo/", "lib/terminfo/x/", "lib/terminfo/x/xterm"}
	if got := listing(t, dir); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if r.Programs != 2 || r.Libraries != 0 || len(r.Missing) != len(strings.Fields(defaultPrograms))-1 || slices.Contains(r.Missing, "ls") {
		t.Errorf("%+v", r)
	}
}

// A busybox has to be run to tell its applets, so this one cannot be made up.
func TestBusybox(t *testing.T) {
	box := newCollector(host{}, os.Getenv("PATH")).findBusybox()
	if box == "" {
		t.Skip("no busybox on this host")
	}
	dir := t.TempDir()
	r, err := Build(Options{Dir: dir, Busybox: box, Programs: []string{"sleep"}})
	if err != nil {
		t.Fatal(err)
	}
	links := 0
	for _, p := range listing(t, dir) {
		if strings.HasSuffix(p, "busybox") && strings.Contains(p, " -> ") {
			links++
		}
	}
	if links != r.Applets || links == 0 {
		t.Errorf("%d links, %d counted", links, r.Applets)
	}
	if st, err := os.Lstat(dir + "/bin/sleep"); err != nil || !st.Mode().IsRegular() {
		t.Errorf("the sleep that was asked for is not the host's: %v", err)
	}
	_, err = Build(Options{Dir: dir, Busybox: "nosuchbox"})
	wantError(t, err, `program "nosuchbox"`)
	_, err = Build(Options{Dir: dir, Busybox: "/bin/true"})
	wantError(t, err, "/bin/true --list: it has no applets")
	_, err = Build(Options{Dir: dir, Busybox: "/bin/false"})
	wantError(t, err, "/bin/false --list: exit status 1")
}
