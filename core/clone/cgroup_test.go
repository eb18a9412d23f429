package clone

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// unifiedGroup makes a cgroup of version 2 and gives its directory and its path
// in /proc/PID/cgroup.
func unifiedGroup(t *testing.T) (dir, path string) {
	t.Helper()
	for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var fs unix.Statfs_t
		if unix.Statfs(mount, &fs) != nil || fs.Type != unix.CGROUP2_SUPER_MAGIC {
			continue
		}
		dir := filepath.Join(mount, fmt.Sprintf("ocibox-clone-test-%d", os.Getpid()))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() {
			// Since Linux 6.18 a zombie may still be counted for a moment.
			for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
				err := os.Remove(dir)
				if errors.Is(err, syscall.EBUSY) && time.Now().Before(end) {
					continue
				}
				if err != nil {
					t.Error(err)
				}
				return
			}
		})
		return dir, "/" + filepath.Base(dir)
	}
	t.Skip("no cgroup2 is mounted at /sys/fs/cgroup or below")
	return "", ""
}

// unifiedLine is a process's line for version 2, as the caller sees it.
func unifiedLine(t *testing.T, pid int) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSpace(path)
		}
	}
	t.Fatalf("no version 2 in %s", data)
	return ""
}

// The child is in the cgroup before it does anything, and so is one that it
// forks; it does not hold the descriptor.
func TestBornIn(t *testing.T) {
	for name, forks := range map[string]bool{"clone3": false, "fork": true} {
		t.Run(name, func(t *testing.T) {
			dir, path := unifiedGroup(t)
			fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			p := New()
			r := p.BornIn("cgroup")
			if forks {
				p.Fork(unix.CLONE_PARENT)
			}
			pr, err := reach(t, p, FD{r, fd})
			if err != nil {
				t.Fatal(err)
			}
			if got := unifiedLine(t, pr.Pid); got != path {
				t.Errorf("it is in %s, want %s", got, path)
			}
			links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pr.Pid))
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range links {
				if at, _ := os.Readlink(l); at == dir {
					t.Errorf("%s is %s", l, at)
				}
			}
			if err := pr.Kill(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A failure says what was tried.
func TestBornInFails(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	p := New()
	r := p.BornIn("cgroup")
	l := link(t, p)
	defer l.Close()
	_, err = l.Start(FD{r, int(null.Fd())})
	var f *Failure
	if !errors.As(err, &f) || f.Errno != unix.EBADF || f.Call != "clone3(CLONE_INTO_CGROUP $cgroup, SIGCHLD)" {
		t.Errorf("%v", err)
	}
}

// The cgroup that the child is born in is the root of a cgroup namespace that is
// made with it.
func TestCgroupNamespaceOfBornIn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a cgroup namespace takes CAP_SYS_ADMIN")
	}
	dir, _ := unifiedGroup(t)
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	p := New()
	p.Flags = unix.CLONE_NEWCGROUP
	r := p.BornIn("cgroup")
	self, text := p.Reg("self"), p.Data(make([]byte, 4096))
	p.Call(unix.SYS_OPENAT, Cwd, p.Str("/proc/self/cgroup"), Num(unix.O_RDONLY), Num(0)).Save(self)
	p.Call(unix.SYS_READ, In(self), text, Num(4095))
	l := link(t, p)
	defer l.Close()
	pr, err := l.Start(FD{r, fd})
	if err != nil {
		t.Fatal(err)
	}
	defer pr.Release()
	if _, err := pr.Wait(); err != nil {
		t.Fatal(err)
	}
	seen := string(l.mem[l.data+text.v:][:4096])
	if !strings.Contains(seen, "0::/\n") {
		t.Errorf("inside it sees %q", strings.TrimRight(seen, "\x00"))
	}
}
