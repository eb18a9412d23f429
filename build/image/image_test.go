package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ocibox/applets"
)

// made runs the command and gives the file's content.
func made(t *testing.T, args ...string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "initramfs")
	for i, a := range args {
		if a == "OUT" {
			args[i] = out
		}
	}
	if err := run(args); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// listed reads the archive back: what is at each path, as TYPE+MODE, TARGET or
// the content.
func listed(t *testing.T, image []byte) map[string]string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for {
		header := data[:110]
		number := func(i int) int {
			n, err := strconv.ParseUint(string(header[6+8*i:14+8*i]), 16, 32)
			if err != nil || string(header[:6]) != "070701" {
				t.Fatalf("header %q: %v", header, err)
			}
			return int(n)
		}
		mode, size, length := number(1), number(6), number(11)
		name := string(data[110 : 110+length-1])
		at := (110 + length + 3) &^ 3
		if name == "TRAILER!!!" {
			return list
		}
		if number(2) != 0 || number(3) != 0 || number(5) != 0 {
			t.Errorf("%s: owner %d:%d, time %d", name, number(2), number(3), number(5))
		}
		list[name] = fmt.Sprintf("%o %s", mode, data[at:at+size])
		data = data[(at+size+3)&^3:]
	}
}

// The same image comes out of the same contents, whatever the umask and the time
// of the files; and what is in it is what was asked for.
func TestImage(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	program := write("program", "a program", 0o700)
	busybox := write("busybox", "#!/bin/sh\nprintf 'busybox\\nls\\nip\\nsh\\n'\n", 0o755)
	words := []string{"--ocibox", program, "--busybox", busybox, "OUT", program + ":/etc/file", "->there:/etc/link", "empty/"}
	first := made(t, append([]string(nil), words...)...)
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	if second := made(t, words...); !bytes.Equal(first, second) {
		t.Error("it is another one for another umask")
	}
	list := listed(t, first)
	want := map[string]string{
		"bin/ocibox": "100755 a program", "etc/file": "100755 a program", "etc/link": "120777 there", "empty": "40755 ", "etc": "40755 ", "proc": "40755 ",
		"init": "120777 bin/ocibox", "bin/ls": "120777 busybox", "bin/sh": "120777 busybox", "bin/ip": "120777 ocibox",
	}
	for _, name := range applets.Names() {
		want["bin/"+name] = "120777 ocibox"
	}
	for path, what := range want {
		if list[path] != what {
			t.Errorf("%s: %q, want %q", path, list[path], what)
		}
	}
	for _, bad := range [][]string{{"x:"}, {"/nonesuch:/x"}, {dir + ":/x"}, {"word"}, {program + ":/a", program + ":/a/b"}} {
		if err := run(append([]string{"--ocibox", program, filepath.Join(dir, "out")}, bad...)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// The binary that is built for it is the machine's.
func TestImageForArchitecture(t *testing.T) {
	first := made(t, "--arch", "arm64", "OUT")
	content, ok := strings.CutPrefix(listed(t, first)["bin/ocibox"], "100755 ")
	const emAArch64 = 183
	if !ok || !strings.HasPrefix(content, "\x7fELF") || binary.LittleEndian.Uint16([]byte(content[18:20])) != emAArch64 {
		t.Errorf("it begins with %.20q", content)
	}
	if second := made(t, "--arch", "arm64", "OUT"); !bytes.Equal(first, second) {
		t.Error("it is another one the next time")
	}
}
