package files

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	old, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := Replace(path, []byte("new"), 0o640); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "new" {
		t.Errorf("%q, %v", data, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	// Who had the old file open has that still, whole.
	if info, err := old.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("the old file was written to: %v, %v", info.Size(), err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Replace(filepath.Join(dir, "folder"), nil, 0o644); err == nil {
		t.Error("a folder was replaced")
	}
	if err := Replace(filepath.Join(dir, "none", "file"), nil, 0o644); err == nil {
		t.Error("a file in no folder was written")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// Create writes all of a file, and none through a link.
func TestCreate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, text := range []string{"a longer one", "new"} {
		if err := Create(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "new" {
		t.Errorf("%q, %v", data, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "other"), link); err != nil {
		t.Fatal(err)
	}
	for _, there := range []string{link, dir, filepath.Join(dir, "none", "file")} {
		if err := Create(there, []byte("newer")); err == nil {
			t.Errorf("%s was made", there)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("made besides: %v, %v", entries, err)
	}
}

// What is read is all of a file, whatever it says of its size, or the part that
// was asked for.
func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, size := range []int{0, 1, 1023, 1024, 1025, 100000} {
		want := strings.Repeat("x", size)
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(path); err != nil || string(got) != want {
			t.Errorf("%d bytes: %d, %v", size, len(got), err)
		}
		for _, limit := range []int{1, 1000, 1024, 5000} {
			fd, err := Open(path, os.O_RDONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := ReadFD(fd, path, limit); err != nil || len(got) != min(size, limit) {
				t.Errorf("at most %d of %d bytes: %d, %v", limit, size, len(got), err)
			}
			unix.Close(fd)
		}
	}
	for _, path := range []string{"/proc/self/maps", "/proc/self/status"} {
		if got, err := Read(path); err != nil || len(got) < 500 {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
	}
	for _, path := range []string{path + "/none", filepath.Dir(path), "none"} {
		_, err := Read(path)
		_, want := os.ReadFile(path)
		if err == nil || err.Error() != want.Error() {
			t.Errorf("%v, want %v", err, want)
		}
	}
}
