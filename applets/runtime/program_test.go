package runtime_test

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundletest"
)

// makeELF makes a program of this architecture out of the test binary's own
// header: one that needs interp to run, or, with alien, one of another machine.
func makeELF(t *testing.T, interp string, alien bool) string {
	t.Helper()
	head := make([]byte, 64)
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(head, 0); err != nil {
		t.Fatal(err)
	}
	if elf.Class(head[elf.EI_CLASS]) != elf.ELFCLASS64 {
		t.Skip("the test makes 64-bit programs only")
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	if alien {
		order.PutUint16(head[18:], uint16(elf.EM_SPARCV9))
	}
	const phentsize, hole = 56, 4096
	order.PutUint64(head[32:], 64) // e_phoff
	order.PutUint64(head[40:], 0)  // e_shoff
	order.PutUint16(head[56:], 2)  // e_phnum
	order.PutUint16(head[60:], 0)  // e_shnum
	order.PutUint16(head[62:], 0)  // e_shstrndx
	segment := func(kind elf.ProgType, off, size uint64) []byte {
		p := make([]byte, phentsize)
		order.PutUint32(p, uint32(kind))
		order.PutUint32(p[4:], uint32(elf.PF_R|elf.PF_X))
		order.PutUint64(p[8:], off)
		order.PutUint64(p[16:], 0x400000+off)
		order.PutUint64(p[32:], size)
		order.PutUint64(p[40:], size)
		order.PutUint64(p[48:], hole)
		return p
	}
	path := interp + "\x00"
	at := uint64(64 + 2*phentsize)
	file := append(head, segment(elf.PT_INTERP, at, uint64(len(path)))...)
	file = append(file, segment(elf.PT_LOAD, 0, at+uint64(len(path)))...)
	return string(append(file, path...))
}

// start says why the program could not be executed; the container is stopped
// then. run says it too, and leaves nothing. Where there is no program, create
// says it: engines make exit status 127 of that.
func TestProgramThatCannotRun(t *testing.T) {
	for _, row := range []struct {
		name string
		prep func(t *testing.T, b *bundletest.Bundle)
		args []string
		want []string
	}{
		{"missing", nil, []string{"/bin/none"}, []string{"process.args[0]: faccessat(/bin/none): no such file or directory\n"}},
		{"missing in PATH", nil, []string{"none"}, []string{"process.args[0]: faccessat(none): no such file or directory", "hint: it was looked for as /usr/local/sbin/none, "}},
		{"mode", func(_ *testing.T, b *bundletest.Bundle) { b.File("/file", "#!/init\n", 0o644) }, []string{"/file"},
			[]string{"execve(/file): permission denied", "hint: /file has mode 0644: nobody may execute it"}},
		{"mode in PATH", func(_ *testing.T, b *bundletest.Bundle) { b.File("/usr/bin/file", "x", 0o644) }, []string{"file"},
			[]string{"permission denied", "hint: /usr/bin/file has mode 0644"}},
		{"a directory", func(_ *testing.T, b *bundletest.Bundle) { b.Mkdir("/dir", 0o755) }, []string{"/dir"}, []string{"execve(/dir): permission denied"}},
		{"neither ELF nor script", func(_ *testing.T, b *bundletest.Bundle) { b.File("/file", "echo hello\n", 0o755) }, []string{"/file"},
			[]string{"execve(/file): exec format error", "hint: /file is neither an ELF program nor a script"}},
		{"empty file", func(_ *testing.T, b *bundletest.Bundle) { b.File("/file", "", 0o755) }, []string{"/file"}, []string{"exec format error", "hint: /file is neither"}},
		{"interpreter missing", func(t *testing.T, b *bundletest.Bundle) { b.File("/prog", makeELF(t, "/lib/ld-none.so", false), 0o755) }, []string{"/prog"},
			[]string{"execve(/prog): no such file or directory", "hint: /prog is there, but /lib/ld-none.so, which it needs to run, is not"}},
		{"script's interpreter missing", func(_ *testing.T, b *bundletest.Bundle) { b.File("/script", "#!/bin/nosh -e\n", 0o755) }, []string{"/script"},
			[]string{"execve(/script): no such file or directory", "hint: /script is there, but /bin/nosh, which it needs to run, is not"}},
		{"another machine's", func(t *testing.T, b *bundletest.Bundle) { b.File("/prog", makeELF(t, "/init", true), 0o755) }, []string{"/prog"},
			[]string{"execve(/prog): exec format error", "hint: /prog is for EM_SPARCV9, this machine is "}},
		{"an argument too long", nil, []string{"/init", strings.Repeat("x", 200<<10)}, []string{"execve(/init): argument list too long"}},
		{"a loop of symlinks", func(_ *testing.T, b *bundletest.Bundle) { b.Symlink("loop", "/loop") }, []string{"/loop"}, []string{"execve(/loop): too many levels of symbolic links"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				b := bundletest.New(t, u)
				b.Write(func(s *specs.Spec) { s.Process.Args = row.args })
				if row.prep != nil {
					row.prep(t, b)
				}
				if strings.Contains(row.want[0], "faccessat") {
					b.Fails(row.want, "create", "--bundle", b.Dir, b.ID)
				} else {
					b.Create()
					b.Fails(row.want, "start", b.ID)
					if got := b.Query().Status; got != specs.StateStopped {
						t.Errorf("status %s after a start that failed, want stopped", got)
					}
					b.Must("delete", b.ID)
				}
				nothingLeft(t, b)
				b.Fails(row.want, "run", "--bundle", b.Dir, b.ID)
				nothingLeft(t, b)
				b.Fails(row.want, "run", "--detach", "--pid-file", b.Beside("pid"), "--bundle", b.Dir, b.ID)
				nothingLeft(t, b)
				if _, err := os.Stat(b.Beside("pid")); !os.IsNotExist(err) {
					t.Errorf("pid file: %v", err)
				}
			})
		})
	}
}

func TestProgramIsFound(t *testing.T) {
	for _, row := range []struct{ name, program, path, cwd, at string }{
		{"default path", "tool", "", "/", "/usr/local/bin/tool"},
		{"second folder", "tool", "PATH=/nonexistent:/opt/bin:/usr/bin", "/", "/opt/bin/tool"},
		{"last PATH wins", "tool", "PATH=/opt/bin", "/", "/opt/bin/tool"},
		{"not what may not be executed", "tool", "PATH=/denied:/opt/bin", "/", "/opt/bin/tool"},
		{"not a file for a folder", "tool", "PATH=/denied/tool:/opt/bin", "/", "/opt/bin/tool"},
		{"relative to cwd", "./tool", "PATH=/nonexistent", "/opt/bin", "/opt/bin/tool"},
	} {
		t.Run(row.name, func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				b := bundletest.New(t, u)
				b.Program(row.at)
				b.File("/denied/tool", "#!/nonexistent\n", 0o644)
				b.Write(func(s *specs.Spec) {
					s.Process.Args = b.Args("echo", "found")
					s.Process.Args[0] = row.program
					s.Process.Cwd = row.cwd
					s.Process.Env = nil
					if row.path != "" {
						s.Process.Env = []string{"PATH=/usr/bin", row.path}
					}
				})
				if got := b.Foreground(); got != "found\n" {
					t.Errorf("output %q", got)
				}
			})
		})
	}
}
