package runtime_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// A start whose container dies before it executed anything has not succeeded.
func TestStartOfDeadInit(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Create()
		pid := b.Query().Pid
		if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		c := b.Command("start", b.ID)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		// It has sent its word when it sleeps in the read of the answer.
		bundletest.Until(t, "start waits", func() bool { return sleepsOnSocket(c.Process.Pid) })
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		c.End().Fails(t, "ended before it executed anything")
		b.Must("delete", b.ID)
		nothingLeft(t, b)
	})
}

// sleepsOnSocket says whether a thread of pid is in recvfrom(2) on a socket,
// proc_pid_syscall(5).
func sleepsOnSocket(pid int) bool {
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, thread := range threads {
		call, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/syscall", pid, thread.Name()))
		f := strings.Fields(string(call))
		if len(f) < 2 || f[0] != fmt.Sprint(unix.SYS_RECVFROM) {
			continue
		}
		var fd int
		fmt.Sscanf(f[1], "0x%x", &fd)
		if to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd)); strings.HasPrefix(to, "socket:") {
			return true
		}
	}
	return false
}

// Whoever wins between many that create, run and delete one id, there is never
// a container without its state.
func TestCreateAgainstDelete(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) { s.Process.Args = b.Args("sleep") })
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				for range 15 {
					if r := b.Runtime("run", "-d", "-b", b.Dir, b.ID); r.Status != 0 && !strings.Contains(r.Err, "exists already") {
						t.Errorf("run: %s", r.Err)
					}
				}
			})
			all.Go(func() {
				for range 25 {
					if r := b.Runtime("delete", "--force", b.ID); r.Status != 0 {
						t.Errorf("delete: %s", r.Err)
					}
				}
			})
		}
		all.Wait()
		b.Must("delete", "--force", b.ID)
		nothingLeft(t, b)
	})
}

// The inode that masks a file is the host's: nothing of it can be changed.
func TestMaskIsNotToBeChanged(t *testing.T) {
	b := bundletest.New(t, bundletest.Root(t))
	b.Write(func(s *specs.Spec) { s.Process.Args = b.Args("chmod", "/proc/keys", "0") })
	r := b.Runtime("run", "-b", b.Dir, b.ID)
	var st unix.Stat_t
	if err := unix.Stat("/dev/null", &st); err != nil {
		t.Fatal(err)
	}
	if st.Mode&0o777 != 0o666 {
		unix.Chmod("/dev/null", 0o666)
		t.Fatalf("the host's /dev/null had mode %o", st.Mode)
	}
	if !strings.Contains(r.Err, "read-only file system") {
		t.Errorf("chmod of a masked file: %q", r.Err)
	}
}

// No device but a devpts's multiplexer is opened for the terminal, whatever an
// image has in its place.
func TestTerminalOpensNoOtherDevice(t *testing.T) {
	b := bundletest.New(t, bundletest.Root(t))
	b.Mkdir("/dev/pts", 0o755)
	// A device that says who opened it would be better; this one cannot be
	// opened at all, which an attempt would show by ENXIO.
	if err := unix.Mknod(b.Path("dev/pts/ptmx"), unix.S_IFCHR|0o666, int(unix.Mkdev(240, 7))); err != nil {
		t.Fatal(err)
	}
	b.Write(func(s *specs.Spec) {
		s.Process.Terminal = true
		s.Mounts = s.Mounts[:1]
	})
	b.Runtime("run", "-b", b.Dir, b.ID).Fails(t, "process.terminal: statx(): inappropriate ioctl for device")
	nothingLeft(t, b)
}

// A read-only tmpfs still takes the mounts and devices that belong in it.
func TestReadOnlyDev(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		looks := b.Look(func(s *specs.Spec) { s.Mounts[1].Options = append(s.Mounts[1].Options, "ro") }, "/dev", "/dev/null", "/dev/pts/ptmx")
		if l := looks["/dev"]; !strings.Contains(l.WriteErr, "read-only file system") {
			t.Errorf("/dev takes a file: %q", l.WriteErr)
		}
		for _, path := range []string{"/dev/null", "/dev/pts/ptmx"} {
			if looks[path].Err != "" {
				t.Errorf("%s: %s", path, looks[path].Err)
			}
		}
	})
}

// Options with commas between stand in one string, as mount(8) has them.
func TestOptionsInOneString(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		r := bundletest.Inside(t, u, func(s *specs.Spec) { s.Mounts[3].Options = []string{"nosuid,noexec", "nodev,size=64k,mode=1777"} })
		m := r.Mount(t, "/dev/shm")
		if !m.Has("nosuid", "noexec", "nodev") || !strings.Contains(strings.Join(m.Super, ","), "size=64k") {
			t.Errorf("%+v", m)
		}
	})
}

// A limit of open files that leaves no room for the runtime's own is the
// process's all the same.
func TestFewOpenFiles(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 3, Hard: 3}}
			s.Process.Args = b.Args("exit", "5")
		})
		b.Create()
		b.Must("start", b.ID)
		b.Wait(specs.StateStopped)
		b.Must("delete", b.ID)
		if r := b.Runtime("run", "-b", b.Dir, b.ID); r.Status != 5 {
			t.Errorf("exit status %d, %s", r.Status, r.Err)
		}
	})
}

// A user namespace without a cgroup namespace gets no cgroup to write to, also
// not one that was given to the caller (CVE-2023-25809).
func TestCgroupsAreReadOnly(t *testing.T) {
	r := bundletest.Inside(t, bundletest.Plain(t), nil)
	seen := false
	for _, m := range r.Mounts {
		if m.Point == "/sys" || strings.HasPrefix(m.Point, "/sys/") {
			seen = true
			if !m.Has("ro") {
				t.Errorf("%s is %v", m.Point, m.Options)
			}
		}
	}
	if !seen {
		t.Error("there is no /sys")
	}
}
