package container

import (
	"os"

	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/namespace"
	"ocibox/core/pty"
)

// descriptors opens what the child starts with.
func (a *attempt) descriptors() ([]clone.FD, error) {
	var fds []clone.FD
	add := func(r clone.Reg, fd int) {
		fds = append(fds, clone.FD{Reg: r, FD: fd})
		a.close = append(a.close, func() { unix.Close(fd) })
	}
	if a.image != nil {
		fds = append(fds, clone.FD{Reg: a.plan.Exe, FD: a.exe})
	}
	for _, j := range a.plan.Joins {
		fd, err := namespace.Open(j.Path, j.Kind)
		if err != nil {
			return nil, fault.In(j.Field+".path", err)
		}
		add(j.Reg, fd)
		if err := checkNotOwn(j, fd); err != nil {
			return nil, err
		}
	}
	if a.plan.Into != 0 {
		fd, err := a.plan.Cgroup.Open()
		if err != nil {
			return nil, err
		}
		add(a.plan.Into, fd)
	}
	if a.plan.Proc != 0 {
		fd, err := openProc()
		if err != nil {
			return nil, err
		}
		add(a.plan.Proc, fd)
	}
	if a.plan.Trees != nil {
		fd, err := a.treesPair()
		if err != nil {
			return nil, err
		}
		fds = append(fds, clone.FD{Reg: a.plan.Trees.Receive, FD: fd})
	}
	if a.plan.Listen != 0 {
		fd, err := a.c.listen()
		if err != nil {
			return nil, err
		}
		add(a.plan.Listen, fd)
	}
	if a.plan.HookOutput != [2]clone.Reg{} {
		out, err := hookOutput(a.spec.Annotations)
		if err != nil {
			return nil, err
		}
		defer out.close()
		for i, r := range a.plan.HookOutput {
			if r == 0 {
				continue
			}
			fd, err := unix.FcntlInt(out[i].Fd(), unix.F_DUPFD_CLOEXEC, 3)
			if err != nil {
				return nil, fault.Op(err, "dup %s", out[i].Name())
			}
			add(r, fd)
		}
	}
	if l := a.plan.Listener; l != nil {
		if err := a.meetAgent(); err != nil {
			return nil, err
		}
		fds = append(fds, clone.FD{Reg: l.Sock, FD: a.agent})
	}
	if a.plan.Console != 0 {
		fd, err := a.consoleEnd()
		if err != nil {
			return nil, err
		}
		add(a.plan.Console, fd)
	}
	return fds, nil
}

// consoleEnd is the socket that the child sends its terminal to.
func (a *attempt) consoleEnd() (int, error) {
	if !a.Foreground {
		sock, err := pty.Dial(a.ConsoleSocket)
		if err != nil {
			return -1, fault.In("process.terminal", err)
		}
		defer sock.Close()
		return unix.FcntlInt(sock.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fault.Op(err, "make a socket pair")
	}
	a.console = os.NewFile(uintptr(pair[0]), "console")
	a.close = append(a.close, func() { a.console.Close() })
	return pair[1], nil
}
