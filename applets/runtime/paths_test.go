package runtime_test

import (
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

func TestDefaultDevices(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		zeros := strings.Repeat("0", 32)
		devices := map[string]struct {
			rdev    [2]uint32
			content string // or "random"
		}{
			"/dev/null": {[2]uint32{1, 3}, ""}, "/dev/zero": {[2]uint32{1, 5}, zeros}, "/dev/full": {[2]uint32{1, 7}, zeros},
			"/dev/random": {[2]uint32{1, 8}, "random"}, "/dev/urandom": {[2]uint32{1, 9}, "random"}, "/dev/tty": {[2]uint32{5, 0}, ""},
		}
		links := map[string]string{
			"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2", "/dev/ptmx": "pts/ptmx",
		}
		paths := []string{"/dev", "/dev/console", "/dev/pts/ptmx"}
		for path := range devices {
			paths = append(paths, path)
		}
		for path := range links {
			paths = append(paths, path)
		}
		looks := b.Look(nil, paths...)
		for path, want := range devices {
			l := looks[path]
			if l.Err != "" || l.Mode != unix.S_IFCHR|0o666 || l.Rdev != want.rdev {
				t.Errorf("%s: mode %o, device %v, %s; want 20666, %v", path, l.Mode, l.Rdev, l.Err, want.rdev)
			}
			switch path {
			case "/dev/tty": // of a process that has none
				if !strings.Contains(l.ReadErr, "no such device or address") {
					t.Errorf("%s opens: %q", path, l.ReadErr)
				}
				continue
			case "/dev/full":
				if !strings.Contains(l.WriteErr, "no space left on device") {
					t.Errorf("%s takes a write: %q", path, l.WriteErr)
				}
			default:
				if l.WriteErr != "" {
					t.Errorf("write %s: %s", path, l.WriteErr)
				}
			}
			if l.ReadErr != "" || want.content != "random" && l.Content != want.content || want.content == "random" && (len(l.Content) != 32 || l.Content == zeros) {
				t.Errorf("read %s: %q, %s", path, l.Content, l.ReadErr)
			}
		}
		for path, want := range links {
			same(t, path, looks[path].Link, want)
		}
		if l := looks["/dev/ptmx"]; l.Real != "/dev/pts/ptmx" || l.WriteErr != "" {
			t.Errorf("/dev/ptmx: %+v", l)
		}
		if l := looks["/dev/console"]; l.Err == "" {
			t.Errorf("/dev/console without a terminal: %+v", l)
		}
		want := "console fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero "
		same(t, "/dev", looks["/dev"].Content, strings.TrimPrefix(want, "console "))
	})
}

// Without a file system of its own on /dev, the image's is completed.
func TestDevicesInTheImage(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Mkdir("/dev", 0o755)
		b.Symlink("/proc/self/fd", "/dev/fd")
		b.Symlink("/somewhere", "/dev/ptmx") // not to be trusted
		for range 2 {                        // what the first run made is no trouble to the second
			looks := b.Look(func(s *specs.Spec) {
				s.Mounts = without(without(without(without(s.Mounts, "/dev"), "/dev/shm"), "/dev/mqueue"), "/dev/pts")
			}, "/dev/null", "/dev/urandom", "/dev/fd", "/dev/ptmx")
			if l := looks["/dev/null"]; l.Rdev != [2]uint32{1, 3} || l.Mode != unix.S_IFCHR|0o666 || l.WriteErr != "" {
				t.Errorf("/dev/null: %+v", l)
			}
			if l := looks["/dev/urandom"]; len(l.Content) != 32 {
				t.Errorf("/dev/urandom: %+v", l)
			}
			same(t, "/dev/fd", looks["/dev/fd"].Link, "/proc/self/fd")
			same(t, "/dev/ptmx", looks["/dev/ptmx"].Link, "pts/ptmx")
		}
	})
}

// A host's /dev that was bound is as the host has it.
func TestBoundDev(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		looks := b.Look(func(s *specs.Spec) {
			s.Mounts = []specs.Mount{s.Mounts[0], {Destination: "/dev", Source: "/dev", Type: "bind", Options: []string{"rbind", "ro"}}}
		}, "/dev/null", "/dev")
		if l := looks["/dev/null"]; l.Rdev != [2]uint32{1, 3} || l.WriteErr != "" {
			t.Errorf("/dev/null: %+v", l)
		}
		if l := looks["/dev"]; l.WriteErr == "" {
			t.Errorf("/dev is writable")
		}
	})
}

func TestMaskedPaths(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Mkdir("/secret", 0o755)
		b.File("/secret/key", "secret", 0o644)
		b.File("/key", "secret", 0o644)
		b.Mkdir("/third", 0o755)
		b.File("/third/key", "secret", 0o644)
		b.Mkdir("/real", 0o755)
		b.File("/real/key", "secret", 0o644)
		b.Symlink("/real", "/linked")
		b.Symlink("../../../../../../../../tmp", "/out") // /tmp of the container, which it does not have
		looks := b.Look(func(s *specs.Spec) {
			s.Linux.MaskedPaths = []string{"/secret", "/key", "/linked/key", "/none", "/none/below", "/key/below", "/out", "/proc/self/status", "/proc/fs", "/third"}
		}, "/third", "/secret", "/secret/key", "/key", "/real/key", "/linked", "/proc/fs", "/tmp")
		for _, path := range []string{"/secret", "/proc/fs", "/third"} {
			if l := looks[path]; l.Content != "" || l.ReadErr != "" || !strings.Contains(l.WriteErr, "read-only file system") {
				t.Errorf("%s: %+v", path, l)
			}
		}
		if l := looks["/proc/fs"]; l.Content != "" || l.Mode&unix.S_IFMT != unix.S_IFDIR {
			t.Errorf("/proc/fs: %+v", l)
		}
		if l := looks["/secret/key"]; !strings.Contains(l.Err, "no such file") {
			t.Errorf("/secret/key: %+v", l)
		}
		for _, path := range []string{"/key", "/real/key"} {
			if l := looks[path]; l.Content != "" || l.ReadErr != "" || l.Rdev != [2]uint32{1, 3} {
				t.Errorf("%s: %+v", path, l)
			}
		}
		if l := looks["/tmp"]; l.Err == "" {
			t.Errorf("/tmp was made: %+v", l)
		}
	})
}

func TestReadonlyPaths(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Mkdir("/data", 0o755)
		b.File("/data/file", "text", 0o644)
		b.File("/file", "text", 0o644)
		b.File("/free", "text", 0o644)
		b.Symlink("/file", "/link")
		looks := b.Look(func(s *specs.Spec) {
			s.Linux.ReadonlyPaths = []string{"/data", "/link", "/none", "/proc/sys", "/dev/shm"}
		}, "/data", "/data/file", "/file", "/free", "/proc/sys/kernel/hostname", "/dev/shm", "/dev/null")
		for _, path := range []string{"/data", "/data/file", "/file", "/proc/sys/kernel/hostname", "/dev/shm"} {
			if !u.IsRoot() && strings.HasPrefix(path, "/proc/sys/") {
				continue // not the user's to write in any case
			}
			if l := looks[path]; l.Err != "" || l.ReadErr != "" || !strings.Contains(l.WriteErr, "read-only file system") {
				t.Errorf("%s: %+v", path, l)
			}
		}
		same(t, "content", looks["/data/file"].Content, "text")
		for _, path := range []string{"/free", "/dev/null"} {
			if l := looks[path]; l.WriteErr != "" {
				t.Errorf("%s: %+v", path, l)
			}
		}
	})
}

func TestReadonlyRoot(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.File("/file", "text", 0o666)
		b.Mkdir("/cwd", 0o777)
		looks := b.Look(func(s *specs.Spec) {
			s.Root.Readonly = true
			s.Process.Cwd = "/cwd"
		}, "/", "/file", ".", "/dev/shm", "/dev/null")
		for _, path := range []string{"/", "/file", "."} {
			if l := looks[path]; l.ReadErr != "" || !strings.Contains(l.WriteErr, "read-only file system") {
				t.Errorf("%s: %+v", path, l)
			}
		}
		for _, path := range []string{"/dev/shm", "/dev/null"} {
			if l := looks[path]; l.WriteErr != "" {
				t.Errorf("%s: %+v", path, l)
			}
		}
		// The bundle's folder on the host is as writable as it was.
		b.File("/file", "again", 0o666)
	})
}
