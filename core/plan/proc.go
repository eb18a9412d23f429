package plan

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/mounts"
)

// writeProc writes value to a file of /proc/PID in one write(2).
func writeProc(pid int, name, value string) error {
	path := fmt.Sprintf("/proc/%d/%s", pid, name)
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fault.Op(err, "open %s", path)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(value)); err != nil {
		return fault.Op(err, "write %q to %s", value, path)
	}
	return nil
}

// needsProc says whether the child writes to files of procfs.
func (c *compiler) needsProc() bool {
	return len(c.spec.Linux.Sysctl) > 0 || c.labelled()
}

// procfs makes the procfs that the child writes to: a new one that is never
// attached, so that nothing can be mounted over its files (CVE-2019-16884,
// CVE-2025-52881). It stands where the child is in its namespaces, and before
// it covers the /proc that it sees: by what of that is covered the kernel
// judges whether a user namespace gets a new one. Where it refuses that, for
// this or for want of a pid namespace of its own, it is the caller's, Plan.Proc.
func (c *compiler) procfs() {
	if !c.needsProc() {
		return
	}
	p := c.p
	p.Begin("", "procfs of its own")
	new := mounts.FileSystem{Type: "proc", Attr: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC}
	if c.plan.Proc == 0 {
		c.proc = new.Make(p)
		return
	}
	c.proc = c.plan.Proc
	mount := new.MakeIfAllowed(p)
	// Where there is none, the caller's stays.
	p.Call(unix.SYS_DUP3, clone.In(mount), clone.In(c.proc), clone.Num(unix.O_CLOEXEC)).Ignore(unix.EBADF)
	p.Call(unix.SYS_CLOSE, clone.In(mount)).Ignore(unix.EBADF)
}

// write writes value to a file of the procfs, in one write(2). Nothing that is
// mounted over it is written to, and nothing that a magic link leads to.
func (c *compiler) write(file, value string) {
	p, fd := c.p, c.p.Reg("file")
	how := unix.OpenHow{Flags: unix.O_WRONLY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS}
	p.Call(unix.SYS_OPENAT2, clone.In(c.proc), p.Str(file), p.Data(clone.Bytes(&how)), clone.Num(unsafe.Sizeof(how))).Save(fd)
	p.Call(unix.SYS_WRITE, clone.In(fd), p.Str(value), clone.Num(len(value)))
	p.Call(unix.SYS_CLOSE, clone.In(fd))
}

// shutProc closes the procfs when nothing more is written to it.
func (c *compiler) shutProc() {
	if c.proc != 0 {
		c.p.Begin("", "procfs of its own")
		c.p.Call(unix.SYS_CLOSE, clone.In(c.proc))
	}
}
