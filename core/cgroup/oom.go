package cgroup

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// OOM tells when the kernel kills a process of a group for want of memory.
type OOM struct {
	FD    int // is ready to be read when there may be something to tell
	dir   string
	file  string // which counts those that were killed
	count uint64
}

// WatchOOM begins to watch the group; the result is nil for a group whose
// memory nobody counts.
func (g *Group) WatchOOM() (*OOM, error) {
	dir, version := g.Dir("memory")
	o := &OOM{dir: dir, file: "memory.events"}
	var err error
	switch version {
	case 0:
		return nil, nil
	case 1:
		o.file = "memory.oom_control"
		o.FD, err = oomEvents(dir)
	default:
		o.FD, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
		if err == nil {
			if _, err = unix.InotifyAddWatch(o.FD, dir+"/"+o.file, unix.IN_MODIFY); err != nil {
				unix.Close(o.FD)
			}
		}
		if errors.Is(err, unix.ENOENT) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, fault.Op(err, "watch the memory of %s", dir)
	}
	if o.count, err = o.killed(); err != nil {
		unix.Close(o.FD)
		return nil, err
	}
	return o, nil
}

// oomEvents gives an eventfd that counts what happens in version 1's
// memory.oom_control; also when the group goes.
func oomEvents(dir string) (int, error) {
	control, err := os.Open(dir + "/memory.oom_control")
	if err != nil {
		return -1, err
	}
	defer control.Close()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return -1, err
	}
	if err := write(dir+"/cgroup.event_control", fmt.Sprint(fd, " ", control.Fd())); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (o *OOM) killed() (uint64, error) {
	r := &reader{dir: o.dir}
	return r.pairs(o.file)["oom_kill"], r.err
}

// Happened says whether a process was killed since the last time. It does not
// wait.
func (o *OOM) Happened() (bool, error) {
	var buf [4096]byte
	if _, err := unix.Read(o.FD, buf[:]); err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
		return false, fault.Op(err, "watch the memory of %s", o.dir)
	}
	n, err := o.killed()
	more := n > o.count
	o.count = max(n, o.count)
	return more, err
}

// Close ends the watching.
func (o *OOM) Close() { unix.Close(o.FD) }
