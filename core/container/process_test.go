package container

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/proc"
)

// child starts this test binary as a process that waits; comm is its name.
func child(t *testing.T, comm string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestWaits$")
	cmd.Env = append(os.Environ(), "CONTAINER_TEST_COMM="+comm)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
	if _, err := out.Read(make([]byte, 1)); err != nil { // it has its name
		t.Fatal(err)
	}
	return cmd
}

// TestWaits is the process that child starts.
func TestWaits(t *testing.T) {
	comm, ok := os.LookupEnv("CONTAINER_TEST_COMM")
	if !ok {
		t.Skip("for the other tests")
	}
	// The name that /proc/PID/stat shows is that of the first thread.
	if err := os.WriteFile("/proc/self/comm", []byte(comm), 0); err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("\n")
	os.Stdin.Read(make([]byte, 1))
}

func TestStartTime(t *testing.T) {
	own, err := startTime(os.Getpid())
	if err != nil || own == 0 {
		t.Fatalf("own: %d, %v", own, err)
	}
	if again, err := startTime(os.Getpid()); err != nil || again != own {
		t.Errorf("own once more: %d, %v; was %d", again, err, own)
	}
	// A name that looks like the fields behind it.
	c := child(t, ") Z 1 1) X")
	running, err := startTime(c.Process.Pid)
	if err != nil || running < own {
		t.Errorf("a child: %d, %v; want %d or more", running, err, own)
	}
	c.Process.Kill()
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, c.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if zombie, err := startTime(c.Process.Pid); err != nil || zombie != 0 {
		t.Errorf("a zombie: %d, %v; want 0", zombie, err)
	}
	c.Wait()
	if gone, err := startTime(c.Process.Pid); err != nil || gone != 0 {
		t.Errorf("one that is gone: %d, %v; want 0", gone, err)
	}
}

// signal and end reach the container's init, and nobody who has its pid now.
func TestSignalOnlyTheInit(t *testing.T) {
	t.Run("by its start", func(t *testing.T) {
		var fs unix.Statfs_t
		if err := unix.Statfs(t.TempDir(), &fs); err != nil || uint32(fs.Type) == unix.TMPFS_MAGIC || uint32(fs.Type) == unix.RAMFS_MAGIC {
			t.Skipf("the temporary folder does not outlast the machine: %v", err)
		}
		onlyTheInit(t, t.TempDir(), func(c *Container) *uint64 { return &c.StartTime })
	})
	t.Run("by its inode", func(t *testing.T) {
		root, err := os.MkdirTemp("/dev/shm", "state")
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { os.RemoveAll(root) })
		self, err := unix.PidfdOpen(os.Getpid(), 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(self)
		if inode, err := proc.Inode(self); err != nil {
			t.Fatal(err)
		} else if inode == 0 {
			t.Skip("pidfds have inodes since Linux 6.9")
		}
		onlyTheInit(t, root, func(c *Container) *uint64 { return &c.Inode })
	})
}

func onlyTheInit(t *testing.T, root string, which func(*Container) *uint64) {
	c := made(t, Store{Root: root}, "id")
	p := child(t, "init")
	c.Pid = p.Process.Pid
	if err := c.identify(); err != nil {
		t.Fatal(err)
	}
	if *which(c) == 0 || (c.Inode == 0) == (c.StartTime == 0) {
		t.Fatalf("inode %d, start %d", c.Inode, c.StartTime)
	}

	other := *c
	*which(&other)++
	if status, err := other.Status(); err != nil || status != specs.StateStopped {
		t.Errorf("another's process: %s, %v", status, err)
	}
	if err := other.signal(unix.SIGKILL); err == nil {
		t.Error("another's process was signalled")
	}
	if err := other.end(); err != nil {
		t.Errorf("end of one that has ended: %v", err)
	}
	if err := unix.Kill(c.Pid, 0); err != nil {
		t.Fatalf("another's process was killed: %v", err)
	}

	if status, err := c.Status(); err != nil || status != specs.StateRunning {
		t.Errorf("its own process: %s, %v", status, err)
	}
	if err := c.end(); err != nil {
		t.Fatal(err)
	}
	err := p.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Errorf("it ended with %v", err)
	}
	if err := c.signal(unix.SIGTERM); err == nil {
		t.Error("one that is gone was signalled")
	}
}

func TestUnfinishedHasNoProcess(t *testing.T) {
	c := made(t, Store{Root: t.TempDir()}, "id")
	if status, err := c.Status(); err != nil || status != specs.StateCreating {
		t.Errorf("status %s, %v", status, err)
	}
	if err := c.signal(unix.SIGKILL); err == nil {
		t.Error("it was signalled")
	}
	if err := c.end(); err != nil {
		t.Error(err)
	}
}
