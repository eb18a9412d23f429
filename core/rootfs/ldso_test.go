package rootfs

import (
	"debug/elf"
	"slices"
	"strings"
	"testing"

	"ocibox/core/fault"
)

func resolve(h host, p string) ([]string, error) {
	deps, err := (&linker{h: h, objects: map[string]*object{}}).libraries(p)
	var paths []string
	for _, d := range deps {
		paths = append(paths, d.path)
	}
	return paths, err
}

// glibcHost is a Debian-like host with more files in it.
func glibcHost(t *testing.T, files map[string]any) host {
	h := fakeHost(t, map[string]any{
		"/usr/bin/":                           nil,
		"/lib":                                "-> usr/lib",
		"/lib64":                              "-> usr/lib64",
		"/usr/lib64/ld-linux-x86-64.so.2":     "-> /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
		"/usr/lib/x86_64-linux-gnu/libc.so.6": image{soname: "libc.so.6", needed: []string{"ld-linux-x86-64.so.2"}, moreInStrings: "GLIBC_2.34"},
		"/usr/lib/x86_64-linux-gnu/libnss_files.so.2": image{},
		"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": image{
			soname: "ld-linux-x86-64.so.2",
		},
	})
	put(t, h.root, files)
	return h
}

func TestLibraryOrder(t *testing.T) {
	const libc = "/lib/x86_64-linux-gnu/libc.so.6"
	lib := image{}
	for name, c := range map[string]struct {
		files map[string]any
		want  []string // after the linker
	}{
		"multiarch directory": {
			map[string]any{"/p": image{interp: x86Linker, needed: []string{"libc.so.6"}}},
			[]string{libc},
		},
		"runpath is for its own object only": {
			map[string]any{
				"/p":           image{interp: x86Linker, needed: []string{"liba.so"}, runpath: "/opt"},
				"/opt/liba.so": image{needed: []string{"libb.so"}},
				"/opt/libb.so": lib, "/usr/lib/libb.so": lib,
			},
			[]string{"/opt/liba.so", "/lib/libb.so"},
		},
		"rpath is inherited": {
			map[string]any{
				"/p":           image{interp: x86Linker, needed: []string{"liba.so"}, rpath: "/opt"},
				"/opt/liba.so": image{needed: []string{"libb.so"}},
				"/opt/libb.so": lib, "/usr/lib/libb.so": lib,
			},
			[]string{"/opt/liba.so", "/opt/libb.so"},
		},
		"rpath is not looked at for an object with a runpath": {
			map[string]any{
				"/p":           image{interp: x86Linker, needed: []string{"liba.so"}, rpath: "/opt"},
				"/opt/liba.so": image{needed: []string{"libb.so"}, runpath: "/none"},
				"/opt/libb.so": lib, "/usr/lib/libb.so": lib,
			},
			[]string{"/opt/liba.so", "/lib/libb.so"},
		},
		"rpath does not count beside a runpath": {
			map[string]any{
				"/p":           image{interp: x86Linker, needed: []string{"liba.so"}, rpath: "/opt", runpath: "/opt2"},
				"/opt/liba.so": lib, "/opt2/liba.so": lib,
			},
			[]string{"/opt2/liba.so"},
		},
		"nearer rpath first": {
			map[string]any{
				"/p":           image{interp: x86Linker, needed: []string{"liba.so"}, rpath: "/opt"},
				"/opt/liba.so": image{needed: []string{"libb.so"}, rpath: "/near"},
				"/opt/libb.so": lib, "/near/libb.so": lib,
			},
			[]string{"/opt/liba.so", "/near/libb.so"},
		},
		"origin of the program behind a symlink, and of a library": {
			map[string]any{
				"/p":                        image{},
				"/bin/q":                    "-> ../opt/app/bin/q",
				"/opt/app/bin/q":            image{interp: x86Linker, needed: []string{"liba.so"}, runpath: "$ORIGIN/../lib"},
				"/opt/app/lib/liba.so":      image{needed: []string{"libb.so"}, runpath: "/none:${ORIGIN}/more"},
				"/opt/app/lib/more/libb.so": lib,
			},
			[]string{"/opt/app/bin/../lib/liba.so", "/opt/app/bin/../lib/more/libb.so"},
		},
		"lib token": {
			map[string]any{
				"/p":                                image{interp: x86Linker, needed: []string{"liba.so"}, runpath: "/opt/$LIB"},
				"/opt/lib/x86_64-linux-gnu/liba.so": lib, "/opt/lib/liba.so": lib,
			},
			[]string{"/opt/lib/x86_64-linux-gnu/liba.so"},
		},
		"other machine and word size are passed over": {
			map[string]any{
				"/p":               image{interp: x86Linker, needed: []string{"liba.so"}, rpath: "/opt:/opt2"},
				"/opt/liba.so":     image{machine: elf.EM_AARCH64},
				"/opt2/liba.so":    elf32(),
				"/usr/lib/liba.so": lib,
			},
			[]string{"/lib/liba.so"},
		},
		"soname of what is loaded answers": {
			map[string]any{
				"/p":               image{interp: x86Linker, needed: []string{"/opt/liba-1.so", "libb.so"}},
				"/opt/liba-1.so":   image{soname: "liba.so.1"},
				"/usr/lib/libb.so": image{needed: []string{"liba.so.1"}},
			},
			[]string{"/opt/liba-1.so", "/lib/libb.so"},
		},
		"cache before default directories": {
			map[string]any{
				"/p":               image{interp: x86Linker, needed: []string{"liba.so"}},
				"/etc/ld.so.cache": formatCache([]cacheEntry{{name: "liba.so", path: "/opt/liba.so", flags: 0x303}}),
				"/opt/liba.so":     lib, "/usr/lib/liba.so": lib,
			},
			[]string{"/opt/liba.so"},
		},
		"no default directories": {
			map[string]any{
				"/p": image{interp: x86Linker, needed: []string{"liba.so"}, nodefault: true},
				"/etc/ld.so.cache": formatCache([]cacheEntry{
					{name: "liba.so", path: "/usr/lib/liba.so", flags: 0x303}, {name: "liba.so", path: "/opt/liba.so", flags: 0x303}}),
				"/opt/liba.so": lib, "/usr/lib/liba.so": lib,
			},
			[]string{"/opt/liba.so"},
		},
		"libraries that an old libc opens by name": {
			map[string]any{
				"/p":             image{interp: x86Linker, needed: []string{"libc.so.6"}, rpath: "/old"},
				"/old/libc.so.6": image{soname: "libc.so.6", moreInStrings: "GLIBC_2.31"},
			},
			[]string{"/old/libc.so.6", "/lib/x86_64-linux-gnu/libnss_files.so.2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := glibcHost(t, c.files)
			p := "/p"
			if c.files["/bin/q"] != nil {
				p = "/bin/q"
			}
			got, err := resolve(h, p)
			if err != nil {
				t.Fatal(err)
			}
			if want := append([]string{x86Linker}, c.want...); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestMusl(t *testing.T) {
	files := map[string]any{
		"/bin/p":             image{interp: muslLinker, needed: []string{"libc.musl-x86_64.so.1", "libm.so.6", "liba.so", "libz.so.1"}, runpath: "/opt"},
		muslLinker:           image{soname: "libc.musl-x86_64.so.1"},
		"/opt/liba.so":       image{needed: []string{"libb.so"}},
		"/opt/libb.so":       image{},
		"/usr/lib/libz.so.1": image{},
		"/lib/libb.so":       image{},
	}
	want := []string{muslLinker, "/opt/liba.so", "/usr/lib/libz.so.1", "/opt/libb.so"}
	h := fakeHost(t, files)
	got, err := resolve(h, "/bin/p")
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, got %q, want %q", err, got, want)
	}

	put(t, h.root, map[string]any{"/etc/ld-musl-x86_64.path": "/elsewhere\n/more:/usr/lib\n", "/elsewhere/libz.so.1": image{}})
	want[2] = "/elsewhere/libz.so.1"
	got, err = resolve(h, "/bin/p")
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("with a path file: %v, got %q, want %q", err, got, want)
	}
	c := newCollector(h, "")
	if err := c.named([]string{"p"}); err != nil {
		t.Fatal(err)
	}
	if c.tree.entries["etc/ld-musl-x86_64.path"] == nil {
		t.Error("the path file does not come along")
	}
}

func TestMissingLibrary(t *testing.T) {
	h := glibcHost(t, map[string]any{
		"/usr/bin/p":       image{interp: x86Linker, needed: []string{"liba.so"}},
		"/usr/bin/q":       image{interp: "/lib/ld-none.so.1"},
		"/usr/bin/r":       image{interp: x86Linker, needed: []string{"libfar.so"}},
		"/usr/bin/s":       image{interp: x86Linker, needed: []string{"libx.so"}},
		"/etc/ld.so.cache": "something else",
		"/usr/lib/liba.so": image{needed: []string{"libx.so"}},
		"/lib64/libfar.so": image{machine: elf.EM_RISCV},
	})
	_, err := resolve(h, "/usr/bin/p")
	wantError(t, err, "/usr/bin/p: /lib/liba.so needs the library libx.so, which is not in /lib/x86_64-linux-gnu:")
	_, err = resolve(h, "/usr/bin/q")
	wantError(t, err, "/usr/bin/q needs the dynamic linker /lib/ld-none.so.1: no such file")
	_, err = resolve(h, "/usr/bin/r")
	wantError(t, err, "/usr/bin/r needs the library libfar.so")
	if hint := fault.Hint(err); !strings.Contains(hint, "/lib64/libfar.so is no ELFCLASS64 library for EM_X86_64") {
		t.Errorf("hint %q", hint)
	}
	_, err = resolve(h, "/usr/bin/s")
	if hint := fault.Hint(err); !strings.Contains(hint, "/etc/ld.so.cache cannot be used: it is of an unknown format") {
		t.Errorf("hint %q", hint)
	}
}

func TestDamagedELF(t *testing.T) {
	good := image{interp: x86Linker, soname: "s", needed: []string{"a"}, runpath: "/r"}.bytes()
	for n := range good {
		readObject(strings.NewReader(string(good[:n]))) // no panic
		bad := slices.Clone(good)
		bad[n] ^= 0xff
		readObject(strings.NewReader(string(bad)))
	}
}
