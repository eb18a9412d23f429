package runtime_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// set is an edit that needs no bundle.
func set(edit func(s *specs.Spec)) func(*bundletest.Bundle, *specs.Spec) {
	return func(_ *bundletest.Bundle, s *specs.Spec) { edit(s) }
}

// longPath does not fit PATH_MAX.
var longPath = strings.Repeat("/0123456789abcde", unix.PathMax/16+2)

func TestBadProcess(t *testing.T) {
	umask := uint32(0o1000)
	adj := 1001
	testBad(t, []bad{
		{name: "version missing", edit: set(func(s *specs.Spec) { s.Version = "" }), want: []string{"ociVersion: is missing"}},
		{name: "version 2", edit: set(func(s *specs.Spec) { s.Version = "2.0.0" }), want: []string{"ociVersion: 2.0.0 is not supported, 1.x is"}},
		{name: "version 0", edit: set(func(s *specs.Spec) { s.Version = "0.9.0" }), want: []string{"ociVersion: 0.9.0 is not supported"}},
		{name: "version none", edit: set(func(s *specs.Spec) { s.Version = "new" }), want: []string{`ociVersion: "new" is not a version`}},
		{name: "process missing", edit: set(func(s *specs.Spec) { s.Process = nil }), want: []string{"process: is missing"}},
		{name: "no args", edit: set(func(s *specs.Spec) { s.Process.Args = nil }), want: []string{"process.args: is empty"}},
		{name: "empty program", edit: set(func(s *specs.Spec) { s.Process.Args = []string{"", "x"} }), want: []string{"process.args: is empty"}},
		{name: "NUL in args", edit: set(func(s *specs.Spec) { s.Process.Args = append(s.Process.Args, "a\x00b") }), want: []string{"process.args[3]", "NUL"}},
		{name: "NUL in env", edit: set(func(s *specs.Spec) { s.Process.Env = []string{"A=1", "B=\x00"} }), want: []string{"process.env[1]", "NUL"}},
		{name: "env without a value", edit: set(func(s *specs.Spec) { s.Process.Env = []string{"A"} }), want: []string{"process.env[0]", `"A" is not of the form NAME=VALUE`}},
		{name: "env without a name", edit: set(func(s *specs.Spec) { s.Process.Env = []string{"=A"} }), want: []string{"process.env[0]"}},
		{name: "cwd missing", edit: set(func(s *specs.Spec) { s.Process.Cwd = "" }), want: []string{"process.cwd: is missing"}},
		{name: "cwd relative", edit: set(func(s *specs.Spec) { s.Process.Cwd = "home" }), want: []string{`process.cwd: "home" is not an absolute path`}},
		{name: "cwd too long", edit: set(func(s *specs.Spec) { s.Process.Cwd = longPath }), want: []string{"process.cwd", "longer than PATH_MAX"}},
		{name: "cwd with NUL", edit: set(func(s *specs.Spec) { s.Process.Cwd = "/\x00" }), want: []string{"process.cwd", "NUL"}},
		{name: "cwd a file", edit: set(func(s *specs.Spec) { s.Process.Cwd = "/init" }), want: []string{"process.cwd", "not a directory"}},
		{name: "cwd a loop of symlinks", edit: set(func(s *specs.Spec) { s.Process.Cwd = "/loop/x" }), prep: func(_ *testing.T, b *bundletest.Bundle) { b.Symlink("loop", "/loop") },
			want: []string{"process.cwd /loop/x", "too many levels of symbolic links"}},
		{name: "umask", edit: set(func(s *specs.Spec) { s.Process.User.Umask = &umask }), want: []string{"process.user.umask: 01000"}},
		{name: "no uid", edit: set(func(s *specs.Spec) { s.Process.User.UID = ^uint32(0) }), want: []string{"process.user.uid: 4294967295"}},
		{name: "uid not mapped", edit: set(func(s *specs.Spec) { s.Process.User.UID = 7 }), want: []string{"process.user.uid: 7 is not in linux.uidMappings"}, who: onlyPlain},
		{name: "gid not mapped", edit: set(func(s *specs.Spec) { s.Process.User.GID = 7 }), want: []string{"process.user.gid: 7 is not in linux.gidMappings"}, who: onlyPlain},
		{name: "groups of a plain user", edit: set(func(s *specs.Spec) { s.Process.User.AdditionalGids = []uint32{0} }), want: []string{"process.user.additionalGids", "setgroups(2) is denied", "hint: "}, who: onlyPlain},
		{name: "group not mapped", edit: set(func(s *specs.Spec) { s.Process.User.AdditionalGids = []uint32{7} }), want: []string{"process.user.additionalGids[0]: 7 is not in linux.gidMappings"}, who: onlyPlain},
		{name: "unknown rlimit", edit: set(func(s *specs.Spec) { s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_FUN"}} }), want: []string{`process.rlimits[0].type: "RLIMIT_FUN"`}},
		{name: "rlimit without RLIMIT", edit: set(func(s *specs.Spec) { s.Process.Rlimits = []specs.POSIXRlimit{{Type: "NOFILE"}} }), want: []string{`process.rlimits[0].type: "NOFILE"`}},
		{name: "rlimit twice", edit: set(func(s *specs.Spec) {
			s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CORE"}, {Type: "RLIMIT_CORE"}}
		}), want: []string{"process.rlimits[1].type: RLIMIT_CORE is there already"}},
		{name: "rlimit soft above hard", edit: set(func(s *specs.Spec) {
			s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 2, Hard: 1}}
		}), want: []string{"process.rlimits[0]: RLIMIT_NOFILE: soft 2 is more than hard 1"}},
		{name: "rlimit above the caller's", edit: set(func(s *specs.Spec) {
			s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_RTPRIO", Soft: 1, Hard: 99}}
		}), want: []string{"process.rlimits[0] RLIMIT_RTPRIO", "operation not permitted", "hint: the hard limit is"}, who: onlyPlain},
		{name: "oom score", edit: set(func(s *specs.Spec) { s.Process.OOMScoreAdj = &adj }), want: []string{"process.oomScoreAdj: 1001"}},
		{name: "oom score below the caller's", edit: set(func(s *specs.Spec) { less := -999; s.Process.OOMScoreAdj = &less }),
			want: []string{"process.oomScoreAdj", "permission denied"}, who: onlyPlain},
		{name: "console size", edit: set(func(s *specs.Spec) { s.Process.ConsoleSize = &specs.Box{Height: 65536, Width: 80} }), want: []string{"process.consoleSize: 65536×80"}},
		{name: "descriptors not there", args: []string{"--preserve-fds", "2"}, want: []string{"--preserve-fds 2: descriptor 3 is not open"}},
		{name: "negative descriptors", args: []string{"--preserve-fds=-1"}, want: []string{"--preserve-fds -1 is negative"}},
		{name: "descriptors no number", args: []string{"--preserve-fds=x"}, want: []string{"preserve-fds"}},
	})
}

func TestBadConsole(t *testing.T) {
	terminal := set(func(s *specs.Spec) { s.Process.Terminal = true })
	testBad(t, []bad{
		{name: "terminal without a socket", edit: terminal, want: []string{"process.terminal: is true", "--console-socket", "hint: "}},
		{name: "socket without a terminal", args: []string{"--console-socket", "/tmp/x"}, want: []string{"process.terminal: is false", "--console-socket"}},
		{name: "socket not there", edit: terminal, args: []string{"--console-socket", "/nonexistent/socket"}, want: []string{"process.terminal", "/nonexistent/socket", "no such file or directory"}},
		{name: "socket a file", edit: terminal, args: []string{"--console-socket", "bundle/config.json"}, want: []string{"process.terminal", "bundle/config.json", "is not a socket"}},
		{name: "socket a directory", edit: terminal, args: []string{"--console-socket", "bundle"}, want: []string{"process.terminal", "is not a socket"}},
		{name: "socket without a listener", edit: terminal, args: []string{"--console-socket", "socket"}, prep: func(t *testing.T, b *bundletest.Bundle) { deadSocket(t, b.Beside("socket")) },
			want: []string{"process.terminal", "nobody listens on it", "hint: "}},
		{name: "socket's path too long", edit: terminal, args: []string{"--console-socket", longPath}, want: []string{"process.terminal", "file name too long"}},
		{name: "no devpts", edit: set(func(s *specs.Spec) {
			s.Process.Terminal = true
			s.Mounts = without(s.Mounts, "/dev/pts")
		}), prep: func(t *testing.T, b *bundletest.Bundle) { listen(t, b) }, args: []string{"--console-socket", "listening"},
			want: []string{"process.terminal", "no such file or directory", "hint: the terminal is made in the container's devpts"}},
	})
}

// deadSocket is bound, and nobody is there any more.
func deadSocket(t *testing.T, path string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
		unix.Close(fd)
	}
	if err == nil {
		err = os.Chmod(path, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func without(mounts []specs.Mount, dest string) (rest []specs.Mount) {
	for _, m := range mounts {
		if m.Destination != dest {
			rest = append(rest, m)
		}
	}
	return rest
}

func TestBadRoot(t *testing.T) {
	remove := func(t *testing.T, b *bundletest.Bundle) {
		if err := os.RemoveAll(b.Path()); err != nil {
			t.Fatal(err)
		}
	}
	testBad(t, []bad{
		{name: "no root", edit: set(func(s *specs.Spec) { s.Root = nil }), want: []string{"root: is missing"}},
		{name: "no path", edit: set(func(s *specs.Spec) { s.Root.Path = "" }), want: []string{"root.path: is missing"}},
		{name: "missing", prep: remove, want: []string{"root.path", "rootfs: no such file or directory"}},
		{name: "a file", prep: func(t *testing.T, b *bundletest.Bundle) { remove(t, b); mkfile(t, b.Path(), "") }, want: []string{"root.path", "rootfs is not a directory"}},
		{name: "a symlink", edit: set(func(s *specs.Spec) { s.Root.Path = "link" }), prep: func(t *testing.T, b *bundletest.Bundle) {
			if err := os.Symlink("rootfs", filepath.Join(b.Dir, "link")); err != nil {
				t.Fatal(err)
			}
		}, want: []string{"root.path", "link is a symlink"}},
		{name: "below a file", edit: set(func(s *specs.Spec) { s.Root.Path = "config.json/rootfs" }), want: []string{"root.path", "config.json/rootfs: not a directory"}},
		{name: "too long", edit: set(func(s *specs.Spec) { s.Root.Path = longPath }), want: []string{"root.path", "longer than PATH_MAX"}},
		{name: "too long with the bundle", edit: set(func(s *specs.Spec) { s.Root.Path = longPath[1 : unix.PathMax-10] }), want: []string{"root.path", "file name too long"}},
		{name: "NUL", edit: set(func(s *specs.Spec) { s.Root.Path = "root\x00fs" }), want: []string{"root.path", "NUL"}},
		{name: "not to be entered", prep: func(t *testing.T, b *bundletest.Bundle) {
			b.Mkdir("closed/rootfs", 0o755)
			if err := os.Chmod(b.Path("closed"), 0); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.Chmod(b.Path("closed"), 0o755) })
		}, edit: set(func(s *specs.Spec) { s.Root.Path = "rootfs/closed/rootfs" }), want: []string{"root.path", "permission denied"}, who: onlyPlain},
	})
}
