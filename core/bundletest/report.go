package bundletest

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/nofile"
)

// A Report is what a process inside says about itself: the program "report".
type Report struct {
	Pid, Session, Group int
	UIDs, GIDs          [3]int // real, effective, saved
	Groups              []int
	Umask               int
	Cwd                 string
	Args, Env           []string
	Hostname, Domain    string
	Status              map[string]string // /proc/self/status: CapBnd, NoNewPrivs, …
	Rlimits             map[int]syscall.Rlimit
	FDs                 map[int]string // those that came through the execve, with what they are
	Namespaces          map[string]string
	Mounts              []Mount
	OOMScoreAdj         string
	TTY                 bool   // it has a controlling terminal
	Link                string // flags of lo, as /sys/class/net/lo/flags has them
}

// A Mount is a line of mountinfo, proc_pid_mountinfo(5).
type Mount struct {
	Root, Point, Type, Source string
	Options, Super            []string // of the mount, of the file system
	Propagation               []string // "shared:1", "master:2", "unbindable"
}

// Has says whether the mount has each of the options.
func (m Mount) Has(options ...string) bool {
	for _, o := range options {
		if !slices.Contains(m.Options, o) {
			return false
		}
	}
	return true
}

// Mount is the topmost mount at a mount point.
func (r *Report) Mount(t *testing.T, point string) Mount {
	t.Helper()
	for _, m := range slices.Backward(r.Mounts) {
		if m.Point == point {
			return m
		}
	}
	t.Fatalf("nothing is mounted at %s: %+v", point, r.Mounts)
	return Mount{}
}

// Inside runs a container in the foreground whose process reports on itself.
func Inside(t *testing.T, u User, edit func(*specs.Spec)) *Report {
	t.Helper()
	b := New(t, u)
	b.Write(edit)
	return b.Report()
}

// Report runs the container in the foreground and reads its report.
func (b *Bundle) Report() *Report {
	b.t.Helper()
	return ReadReport(b.t, b.Foreground())
}

// ReadReport reads what the program "report" has written.
func ReadReport(t *testing.T, text string) *Report {
	t.Helper()
	var r Report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("report %q: %v", text, err)
	}
	return &r
}

// report gathers a Report. What is not to be had stays empty.
func report() Report {
	r := Report{Pid: os.Getpid(), Args: os.Args, Env: os.Environ(), Status: map[string]string{}, Rlimits: map[int]syscall.Rlimit{}}
	r.FDs = inherited()
	r.Session, _ = unix.Getsid(0)
	r.Group = unix.Getpgrp()
	r.UIDs[0], r.UIDs[1], r.UIDs[2] = unix.Getresuid()
	r.GIDs[0], r.GIDs[1], r.GIDs[2] = unix.Getresgid()
	r.Groups, _ = unix.Getgroups()
	r.Umask = unix.Umask(0)
	unix.Umask(r.Umask)
	r.Cwd, _ = unix.Getwd()
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		r.Hostname, r.Domain = unix.ByteSliceToString(u.Nodename[:]), unix.ByteSliceToString(u.Domainname[:])
	}
	for line := range strings.Lines(read("/proc/self/status")) {
		key, value, _ := strings.Cut(line, ":")
		r.Status[key] = strings.TrimSpace(value)
	}
	for n := range 16 {
		var lim syscall.Rlimit
		if syscall.Getrlimit(n, &lim) == nil {
			r.Rlimits[n] = lim
		}
	}
	// Package syscall has changed that one.
	if soft, hard, ok := nofile.AtStart(); ok {
		r.Rlimits[unix.RLIMIT_NOFILE] = syscall.Rlimit{Cur: soft, Max: hard}
	}
	r.Namespaces = namespaces("self")
	for line := range strings.Lines(read("/proc/self/mountinfo")) {
		r.Mounts = append(r.Mounts, parseMount(line))
	}
	r.OOMScoreAdj = strings.TrimSpace(read("/proc/self/oom_score_adj"))
	if fd, err := unix.Open("/dev/tty", unix.O_RDWR, 0); err == nil {
		unix.Close(fd)
		r.TTY = true
	}
	r.Link = strings.TrimSpace(read("/sys/class/net/lo/flags"))
	return r
}

func read(path string) string {
	data, _ := os.ReadFile(path)
	return string(data)
}

// inherited are the descriptors that are not close-on-exec: those that this
// program opened for itself are.
func inherited() map[int]string {
	fds := map[int]string{}
	for fd := range 1024 {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			fds[fd], _ = os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		}
	}
	return fds
}

// Namespaces are the links in /proc/PID/ns of a process of the host.
func Namespaces(pid int) map[string]string { return namespaces(strconv.Itoa(pid)) }

func namespaces(pid string) map[string]string {
	ns := map[string]string{}
	for _, kind := range []string{"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"} {
		ns[kind], _ = os.Readlink("/proc/" + pid + "/ns/" + kind)
	}
	return ns
}

func parseMount(line string) Mount {
	own, fs, _ := strings.Cut(strings.TrimSpace(line), " - ")
	f, g := strings.Fields(own), strings.Fields(fs)
	if len(f) < 6 || len(g) < 3 {
		return Mount{}
	}
	return Mount{f[3], f[4], g[0], g[1], strings.Split(f[5], ","), strings.Split(g[2], ","), f[6:]}
}

// Look runs a container in the foreground whose process looks at the paths.
func (b *Bundle) Look(edit func(*specs.Spec), paths ...string) map[string]Look {
	b.t.Helper()
	b.Write(func(s *specs.Spec) {
		if edit != nil {
			edit(s)
		}
		s.Process.Args = b.Args("look", paths...)
	})
	return ReadLooks(b.t, b.Foreground())
}

// ReadLooks reads what the program "look" has written.
func ReadLooks(t *testing.T, text string) map[string]Look {
	t.Helper()
	var looks map[string]Look
	if err := json.Unmarshal([]byte(text), &looks); err != nil {
		t.Fatalf("looks %q: %v", text, err)
	}
	return looks
}
