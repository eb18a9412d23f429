package seal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// image is one of a file with that content.
type image struct {
	path    string
	content []byte
}

func (i image) Path() string { return i.path }

func (i image) SameAs(fd int) bool {
	got, err := os.ReadFile(path(fd))
	return err == nil && bytes.Equal(got, i.content)
}

// By its name the file is found as it would be by procfs, or not at all, and cannot be written
// to by what was found.
func TestNamed(t *testing.T) {
	dir := t.TempDir()
	content := []byte("the program")
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	link := func(to, name string) string {
		path := filepath.Join(dir, name)
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	program := file("bin/program", content)
	t.Chdir(dir)
	for _, row := range []struct {
		name, path string
		found      bool
	}{
		{"absolute", program, true},
		{"relative", "bin/program", true},
		{"by a link beside it", link("program", "bin/runc"), true},
		{"by a link to its directory", filepath.Join(link("bin", "sbin"), "program"), true},
		{"by both", filepath.Join(dir, "sbin/runc"), true},
		{"by a link from elsewhere", link("bin/program", "program"), false},
		{"by an absolute link", link(program, "bin/absolute"), false},
		{"by two links", link("runc", "bin/two"), false},
		{"by a link to nothing", link("none", "bin/dangling"), false},
		{"another one by now", file("bin/other", []byte("the program, anew")), false},
		{"none any more", filepath.Join(dir, "bin/gone"), false},
		{"a directory", filepath.Join(dir, "bin"), false},
		{"no name", dir + "/", false},
		{"nothing", "", false},
		{"a descriptor", "/proc/self/fd/0", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			fd, err := named(image{row.path, content})
			if errors.Is(err, unix.EPERM) && os.Geteuid() != 0 {
				t.Skip("a plain user may not mount")
			}
			if (err == nil) != row.found {
				t.Fatalf("found: %v, want %v (%v)", err == nil, row.found, err)
			}
			if err != nil {
				return
			}
			defer unix.Close(fd)
			w, err := os.OpenFile(path(fd), os.O_RDWR, 0)
			if err == nil {
				w.Close()
			}
			if !errors.Is(err, unix.EROFS) {
				t.Errorf("write: %v, want %v", err, unix.EROFS)
			}
			if err := unix.Fchmod(fd, 0o777); err != unix.EROFS {
				t.Errorf("chmod: %v, want %v", err, unix.EROFS)
			}
			if _, err := unix.Openat(fd, "..", unix.O_PATH, 0); err != unix.ENOTDIR {
				t.Errorf("its directory: %v, want %v", err, unix.ENOTDIR)
			}
		})
	}
	// What others have mounted over it is what was executed, and has no place in the mount.
	over := file("over", []byte("what was executed"))
	failed := make(chan string)
	go func() {
		runtime.LockOSThread() // whose mount namespace ends with this
		if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			failed <- ""
			return
		}
		err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		if err == nil {
			err = unix.Mount(over, program, "", unix.MS_BIND, "")
		}
		if err != nil {
			failed <- err.Error()
			return
		}
		if _, err := named(image{program, []byte("what was executed")}); err == nil {
			failed <- "a file that another is mounted over is taken for that"
		}
		failed <- ""
	}()
	if why := <-failed; why != "" {
		t.Error(why)
	}
}
