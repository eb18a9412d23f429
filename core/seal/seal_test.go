package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/nofile"
)

// helperEnv tells the test binary to be the program that is sealed.
const helperEnv = "SEAL_HELPER"

func TestMain(m *testing.M) {
	switch os.Getenv(helperEnv) {
	case "":
		os.Exit(m.Run())
	case "seal":
		runtime.LockOSThread()
		p := Program{Args: os.Args, Before: func() error { fmt.Println("again"); return nil }}
		if _, _, err := p.Seal(nil, func() *clone.Image { return nil }); err != nil {
			fmt.Println(err, "hint:", fault.Hint(err))
			os.Exit(1)
		}
		json.NewEncoder(os.Stdout).Encode(look())
	case "noexec":
		// The sysctl is the PID namespace's: not the host's, then.
		if os.Getpid() != 1 {
			fmt.Println("not in a PID namespace of its own")
			os.Exit(1)
		}
		err := os.WriteFile(noexecSysctl, []byte("2"), 0)
		if err == nil {
			err = syscall.Exec(selfExe, os.Args, []string{helperEnv + "=seal"})
		}
		fmt.Println(err)
		os.Exit(2)
	}
}

// A process is what the program finds of itself.
type process struct {
	Pid              int
	DeathSignal      int32
	Args, Env        []string
	Exe, Name, Extra string
	Ignored          string
	Soft             uint64
}

func look() process {
	p := process{Pid: os.Getpid(), Args: os.Args, Env: os.Environ()}
	name, _ := os.ReadFile("/proc/self/comm")
	p.Name = strings.TrimSpace(string(name))
	_ = unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&p.DeathSignal)), 0, 0, 0)
	p.Soft, _, _ = nofile.AtStart()
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if key, value, _ := strings.Cut(line, ":"); key == "SigIgn" {
			p.Ignored = strings.TrimSpace(value)
		}
	}
	if extra, err := io.ReadAll(os.NewFile(3, "extra")); err == nil {
		p.Extra = string(extra)
	}
	p.Exe, _ = os.Readlink(selfExe)
	return p
}

// own makes a copy of the test binary that belongs to uid.
func own(t *testing.T, uid int) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ocibox-seal-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "program")
	// A process that is forked meanwhile would hold it open for writing, and it
	// could not be executed (go.dev/issue/22315).
	if out, err := exec.Command("cp", selfPath(t), path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, err := range []error{os.Chmod(dir, 0o755), os.Chmod(path, 0o755), os.Chown(path, uid, uid)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func selfPath(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// helper is the program as the user with this uid, with two lines before and
// what it was started with.
func helper(t *testing.T, uid int) *exec.Cmd {
	t.Helper()
	path := own(t, uid)
	c := exec.Command("/bin/sh", "-c", `trap "" TSTP; ulimit -Sn 300; exec "$0" "$@"`, path, "one", "two words", "")
	c.Env = []string{helperEnv + "=seal", "LISTEN_PID=77", "A=b"}
	if uid != os.Geteuid() {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	return c
}

// Executed anew, it is the same process with all that it was started with.
func TestSameProcess(t *testing.T) {
	for _, row := range []struct {
		name string
		uid  int
		exe  string
	}{
		{"by a mount", 0, "/"},
		{"in memory", 12345, "/memfd:ocibox (deleted)"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if os.Geteuid() != 0 {
				if row.uid == 0 {
					t.Skip("a plain user may not mount")
				}
				row.uid = os.Geteuid()
			}
			c := helper(t, row.uid)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			fmt.Fprint(w, "inherited")
			w.Close()
			c.ExtraFiles = []*os.File{r}
			if c.SysProcAttr == nil {
				c.SysProcAttr = &syscall.SysProcAttr{}
			}
			// The signal is sent when the thread that forked ends.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			c.SysProcAttr.Pdeathsig = unix.SIGUSR1
			out, err := c.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			line, ok := strings.CutPrefix(string(out), "again\n")
			if !ok || strings.Contains(line, "again") {
				t.Fatalf("it was not executed anew, or more than once: %q", out)
			}
			var got process
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatal(err)
			}
			const tstp = 1 << (unix.SIGTSTP - 1)
			want := process{
				Pid: c.Process.Pid, DeathSignal: int32(unix.SIGUSR1), Args: c.Args[3:],
				Exe: row.exe, Name: "program", Extra: "inherited", Ignored: fmt.Sprintf("%016x", tstp), Soft: 300,
			}
			got.Env, want.Env = keep(c.Env, got.Env), c.Env
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// keep gives those of given that are in env still: a shell adds others.
func keep(given, env []string) (kept []string) {
	for _, e := range given {
		if slices.Contains(env, e) {
			kept = append(kept, e)
		}
	}
	return kept
}

// Both kinds of copy are known for what they are, by the file alone, and take
// no write; the program's own file is not one of them, wherever it is.
func TestSealed(t *testing.T) {
	exe, err := os.Open(selfExe)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := sealed(int(exe.Fd())); ok || err != nil {
		t.Errorf("the program's own file: %v, %v", ok, err)
	}
	exe.Close()
	// One that nobody executes: that would be why it takes no write.
	if exe, err = os.Open(own(t, os.Geteuid())); err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	whole, err := os.ReadFile(selfExe)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		make func(int) (int, error)
		why  error
	}{{"mount", func(exe int) (int, error) { return mount(exe, "") }, unix.EROFS}, {"memfd", memfd, unix.EPERM}} {
		t.Run(row.name, func(t *testing.T) {
			fd, err := row.make(int(exe.Fd()))
			if errors.Is(err, unix.EPERM) && os.Geteuid() != 0 {
				t.Skip("a plain user may not mount")
			}
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			if ok, err := sealed(fd); !ok || err != nil {
				t.Errorf("sealed: %v, %v", ok, err)
			}
			path := path(fd)
			w, err := os.OpenFile(path, os.O_RDWR, 0)
			if err == nil {
				_, err = w.Write([]byte("x"))
				w.Close()
			}
			if !errors.Is(err, row.why) {
				t.Errorf("write: %v, want %v", err, row.why)
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, whole) {
				t.Errorf("the copy has %d bytes, %v; want %d equal ones", len(got), err, len(whole))
			}
		})
	}
}

// A memfd that somebody may still write to, and a file that is read-only only
// for now, are not taken for sealed.
func TestNotSealed(t *testing.T) {
	fd, err := unix.MemfdCreate("open", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "open")
	defer f.Close()
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SEAL); err != nil {
		t.Fatal(err)
	}
	if ok, err := sealed(fd); ok || err != nil {
		t.Errorf("a memfd that can be written to: %v, %v", ok, err)
	}
	if os.Geteuid() != 0 {
		t.Skip("a plain user may not mount")
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, selfExe, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	bind := os.NewFile(uintptr(tree), "bind")
	defer bind.Close()
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		t.Fatal(err)
	}
	if ok, err := sealed(tree); ok || err != nil {
		t.Errorf("a read-only bind mount as others make it: %v, %v", ok, err)
	}
}

// Nothing is done where the container's ids are none that could write.
func TestBeyond(t *testing.T) {
	one := func(host, size uint32) []specs.LinuxIDMapping {
		return []specs.LinuxIDMapping{{ContainerID: 0, HostID: host, Size: size}}
	}
	for _, row := range []struct {
		name string
		uid  uint32
		mode uint32
		uids []specs.LinuxIDMapping
		want bool
	}{
		{"no user namespace", 0, 0o755, nil, false},
		{"root's, not mapped", 0, 0o755, one(100000, 65536), true},
		{"set-user-id", 0, 0o4755, one(100000, 65536), true},
		{"the user's own", 1000, 0o755, one(1000, 1), false},
		{"the last one mapped", 1999, 0o755, one(1000, 1000), false},
		{"one past the last", 2000, 0o755, one(1000, 1000), true},
		{"the second range", 5, 0o755, append(one(1000, 1), specs.LinuxIDMapping{ContainerID: 1, HostID: 5, Size: 1}), false},
		{"the group may write", 0, 0o775, one(100000, 65536), false},
		{"everybody may write", 0, 0o757, one(100000, 65536), false},
	} {
		if got := beyond(&unix.Stat_t{Uid: row.uid, Mode: unix.S_IFREG | row.mode}, row.uids); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}

// Where no copy can be executed, nothing is, and the reason is found.
func TestNoExecutableMemory(t *testing.T) {
	if _, err := os.Stat(noexecSysctl); err != nil {
		t.Skip("vm.memfd_noexec is of Linux 6.3")
	}
	uid := os.Geteuid()
	c := exec.Command(own(t, uid))
	c.Env = []string{helperEnv + "=noexec"}
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWPID, UidMappings: ids, GidMappings: ids,
	}
	out, err := c.CombinedOutput()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) || c.ProcessState != nil && c.ProcessState.ExitCode() == 2 {
		t.Skipf("no user namespace that may set the sysctl: %v: %s", err, out)
	}
	if c.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "permission denied hint: sysctl vm.memfd_noexec is 2") {
		t.Errorf("%v: %s", err, out)
	}
}

// A process that was told to end does not begin again.
func TestBefore(t *testing.T) {
	interrupted := errors.New("interrupted")
	p := Program{Args: os.Args, Before: func() error { return interrupted }}
	if _, _, err := p.Seal(nil, func() *clone.Image { return nil }); !errors.Is(err, interrupted) {
		t.Errorf("%v", err)
	}
}
