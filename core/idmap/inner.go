package idmap

import (
	"errors"
	"path/filepath"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
)

// Inner are the maps for a user namespace in the one that p's maps are of, in
// which every ID is what it is around it.
func (p Plan) Inner() Plan {
	same := func(m Map) Map {
		inner := Map{}
		for _, r := range m.Ranges {
			inner.Ranges = append(inner.Ranges, specs.LinuxIDMapping{ContainerID: r.ContainerID, HostID: r.ContainerID, Size: r.Size})
		}
		return inner
	}
	// Whether setgroups(2) is denied is inherited.
	return Plan{UID: same(p.UID), GID: same(p.GID), Paths: p.Paths}
}

// WriteInner is Write for a process pid in a user namespace whose parent is not
// this process's but one that this process has made: who opens the file of a map
// has to be in that. So a child does, which enters it.
func (p Plan) WriteInner(pid int) error {
	dir := filepath.Join(p.Paths.Proc, strconv.Itoa(pid))
	own, err := unix.Open(dir+"/ns/user", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fault.Op(err, "open %s/ns/user", dir)
	}
	defer unix.Close(own)
	around, err := unix.IoctlRetInt(own, unix.NS_GET_PARENT)
	if err != nil {
		return fault.Op(err, "find the user namespace around that of process %d", pid)
	}
	defer unix.Close(around)

	prog := clone.New()
	ns := prog.Inherit("ns.user")
	prog.Call(unix.SYS_SETNS, clone.In(ns), clone.Num(unix.CLONE_NEWUSER))
	for _, a := range p.actions() {
		prog.Begin(a.side.field, "")
		file := prog.Reg(a.file)
		prog.Call(unix.SYS_OPENAT, clone.Cwd, prog.Str(filepath.Join(dir, a.file)), clone.Num(unix.O_WRONLY|unix.O_CLOEXEC)).Save(file)
		prog.Call(unix.SYS_WRITE, clone.In(file), prog.Str(a.text), clone.Num(len(a.text)))
		prog.Call(unix.SYS_CLOSE, clone.In(file))
	}
	prog.Rendezvous(false)
	linked, err := prog.Link()
	if err != nil {
		return err
	}
	defer linked.Close()
	proc, err := linked.Start(clone.FD{Reg: ns, FD: around})
	if err != nil {
		return err
	}
	err = proc.Next()
	proc.Release()
	if e := proc.Kill(); err == nil {
		err = e
	}
	var f *clone.Failure
	if errors.As(err, &f) {
		return f.Fault()
	}
	return err
}
