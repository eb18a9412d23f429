package ptrace

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
)

// User is what a program is executed as.
type User struct {
	UID, GID uint32
	Groups   []uint32
}

// Child is a program that was started to be traced.
type Child struct {
	Pid    int
	linked *clone.Linked
	proc   *clone.Process
}

// Start makes a process that will execute path once Child.Go has let it: it can
// be seized before. What it calls until the execve is its own. user may be nil.
func Start(path string, argv, envp []string, user *User) (*Child, error) {
	p := clone.New()
	n, err := inherited()
	if err != nil {
		return nil, err
	}
	p.Preserve = n
	p.Rendezvous(true)
	if user != nil {
		groups := make([]byte, 0, 4*len(user.Groups))
		for _, g := range user.Groups {
			groups = append(groups, clone.Bytes(&g)...)
		}
		uid, gid := clone.Num(user.UID), clone.Num(user.GID)
		p.Call(clone.SysSetgroups, clone.Num(len(user.Groups)), p.Data(groups))
		p.Call(clone.SysSetresgid, gid, gid, gid)
		p.Call(clone.SysSetresuid, uid, uid, uid)
	}
	p.Exec([]string{path}, argv, envp)
	l, err := p.Link()
	if err != nil {
		return nil, err
	}
	proc, err := l.Start()
	if err != nil {
		return nil, err
	}
	return &Child{Pid: proc.Pid, linked: l, proc: proc}, nil
}

// Go lets the child execute its program.
func (c *Child) Go() error { return c.proc.Go() }

// Failure tells why the child, which has ended, did not execute its program;
// nil if it did.
func (c *Child) Failure() error {
	if err := c.proc.Next(); err != clone.ErrExec {
		return err
	}
	return nil
}

// Kill ends a child that nobody traces.
func (c *Child) Kill() error { return c.proc.Kill() }

// inherited is how many descriptors from 3 up a program gets from its caller:
// all to the last one that is not close-on-exec.
func inherited() (int, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0, fault.Op(err, "list the own descriptors")
	}
	last := 2
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// The one of ReadDir is gone.
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			last = max(last, fd)
		}
	}
	return last - 2, nil
}
