package container

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/proc"
)

// startTime is when a process was started, in clock ticks since boot, or 0 if
// it is not there or has ended. With the pid it names a process for good.
func startTime(pid int) (uint64, error) {
	st, err := proc.ReadStat(pid)
	if err != nil || st == nil || st.Ended() {
		return 0, err
	}
	return st.StartTime()
}

// identify keeps which process Pid is, of those that have the pid one after the other.
// The number of a pidfd's inode is quickly asked for. But it begins anew at each boot, and
// then goes with the pids: so what may survive a boot has the time of the start.
func (c *Container) identify() error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(c.folder, &fs); err != nil {
		return fault.Op(err, "look at %s", c.dir)
	}
	if kind := uint32(fs.Type); kind == unix.TMPFS_MAGIC || kind == unix.RAMFS_MAGIC {
		pidfd, err := unix.PidfdOpen(c.Pid, 0)
		if err != nil {
			return fault.Op(err, "open process %d", c.Pid)
		}
		defer unix.Close(pidfd)
		if c.Inode, err = proc.Inode(pidfd); err != nil || c.Inode != 0 {
			return err
		}
	}
	var err error
	c.StartTime, err = startTime(c.Pid)
	return err
}

// opened is a pidfd of the container's init, or -1 where that does not run any more.
func (c *Container) opened() (int, error) {
	if c.Pid == 0 {
		return -1, nil
	}
	pidfd, err := unix.PidfdOpen(c.Pid, 0)
	switch {
	case err == unix.ESRCH, err == unix.EINVAL, err == unix.ENOENT: // the last two say: but a thread has this id
		return -1, nil
	case err != nil:
		return -1, fault.Op(err, "open process %d", c.Pid)
	}
	runs, err := c.runs(pidfd)
	if err != nil || !runs {
		unix.Close(pidfd)
		return -1, err
	}
	return pidfd, nil
}

// runs says whether the process of the pidfd, which was Pid as it was opened, is the
// container's init and has not ended.
func (c *Container) runs(pidfd int) (bool, error) {
	if c.Inode == 0 {
		t, err := startTime(c.Pid)
		return t != 0 && t == c.StartTime, err
	}
	inode, err := proc.Inode(pidfd)
	if err != nil || inode != c.Inode {
		return false, err
	}
	ended, err := proc.Ended(pidfd)
	return !ended && err == nil, err
}

// alive says whether the container's init runs.
func (c *Container) alive() (bool, error) {
	pidfd, err := c.opened()
	if err != nil || pidfd < 0 {
		return false, err
	}
	unix.Close(pidfd)
	return true, nil
}

// Status is the container's state in the words of runtime.md, "State".
func (c *Container) Status() (specs.ContainerState, error) {
	if c.Pid == 0 {
		return specs.StateCreating, nil
	}
	alive, err := c.alive()
	switch {
	case err != nil:
		return "", err
	case !alive:
		return specs.StateStopped, nil
	}
	switch paused, err := c.paused(); {
	case err != nil:
		return "", err
	case paused:
		return StatePaused, nil
	case c.waits():
		return specs.StateCreated, nil
	}
	return specs.StateRunning, nil
}

// waits says whether the container's init waits on start.sock: someone listens
// there until it executes the container's program. A connection that says
// nothing is none to it.
func (c *Container) waits() bool {
	if unix.Access(filepath.Join(c.dir, startSock), unix.F_OK) != nil {
		return false // started, or run at once
	}
	fd, err := c.connect(unix.SOCK_NONBLOCK)
	if err != nil {
		// A full queue is a sign of life.
		return errors.Is(err, unix.EAGAIN)
	}
	unix.Close(fd)
	return true
}

// sockAddr names start.sock in the container's folder, where its path is longer than
// sun_path by a descriptor.
func (c *Container) sockAddr() (addr *unix.SockaddrUnix, done func(), err error) {
	if path := filepath.Join(c.dir, startSock); len(path) < len(unix.RawSockaddrUnix{}.Path) {
		return &unix.SockaddrUnix{Name: path}, func() {}, nil
	}
	fd, err := unix.Open(c.dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", fd, startSock)}, func() { unix.Close(fd) }, nil
}

func (c *Container) socket(flags int, use func(fd int, addr unix.Sockaddr) error) (int, error) {
	addr, done, err := c.sockAddr()
	if err != nil {
		return -1, err
	}
	defer done()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|flags, 0)
	if err != nil {
		return -1, err
	}
	if err := use(fd, addr); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (c *Container) connect(flags int) (int, error) {
	return c.socket(flags, func(fd int, addr unix.Sockaddr) error { return unix.Connect(fd, addr) })
}

// startBacklog is how many may ask for the container's start, or its status,
// at once.
const startBacklog = 64

func (c *Container) listen() (int, error) {
	fd, err := c.socket(0, func(fd int, addr unix.Sockaddr) error {
		if err := unix.Bind(fd, addr); err != nil {
			return err
		}
		return unix.Listen(fd, startBacklog)
	})
	if err != nil {
		return -1, fault.Op(err, "listen on %s/%s", c.dir, startSock)
	}
	return fd, nil
}

// signal sends sig to the container's init, and to no other process that has
// its pid now.
func (c *Container) signal(sig unix.Signal) error {
	pidfd, err := c.open()
	if err != nil {
		return err
	}
	defer unix.Close(pidfd)
	err = unix.PidfdSendSignal(pidfd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return c.notRunning()
	}
	if err != nil {
		return fault.Op(err, "send %s to process %d", unix.SignalName(sig), c.Pid)
	}
	if sig == unix.SIGKILL {
		return c.thawKilled()
	}
	return nil
}

// killPatience is how long a process that was sent SIGKILL may take to go:
// one that holds much memory, or is in the kernel, takes its time.
const killPatience = 10 * time.Second

// end kills the container's init, if it runs, and waits until it is gone.
func (c *Container) end() error {
	pidfd, err := c.opened()
	if err != nil || pidfd < 0 {
		return err
	}
	defer unix.Close(pidfd)
	if err := unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fault.Op(err, "kill process %d", c.Pid)
	}
	if err := c.thawKilled(); err != nil {
		return err
	}
	deadline := time.Now().Add(killPatience)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return fault.Op(nil, "process %d did not end within %v of SIGKILL", c.Pid, killPatience)
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if n > 0 || err != nil && err != unix.EINTR {
			return err
		}
	}
}
