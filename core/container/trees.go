package container

import (
	"errors"
	"fmt"
	"os"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/idmap"
	"ocibox/core/mounts"
	"ocibox/core/namespace"
	"ocibox/core/plan"
)

// trees is the opener's run, plan.Trees.
type trees struct {
	send, receive *os.File // the ends of its socket pair
	linked        *clone.Linked
	proc          *clone.Process
}

// treesPair makes the socket pair and gives the child's end.
func (a *attempt) treesPair() (int, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fault.Op(err, "make a socket pair")
	}
	a.trees.send, a.trees.receive = os.NewFile(uintptr(pair[0]), "trees"), os.NewFile(uintptr(pair[1]), "trees")
	a.close = append(a.close, func() { a.trees.send.Close() }, func() { a.trees.receive.Close() })
	return pair[1], nil
}

// openTrees starts the opener, for the child that has its namespaces now. The
// child has to go on meanwhile: a socket holds only so many descriptors.
func (a *attempt) openTrees() error {
	// The child has its own: should it end, the opener's sendmsg says so.
	a.trees.receive.Close()
	t := a.plan.Trees
	mnt, err := namespace.Open(fmt.Sprintf("/proc/%d/ns/mnt", a.proc.Pid), namespace.ByType(specs.MountNamespace))
	if err != nil {
		return err
	}
	defer unix.Close(mnt)
	fds := []clone.FD{{Reg: t.Send, FD: int(a.trees.send.Fd())}, {Reg: t.MountNS, FD: mnt}}
	for _, u := range t.Users {
		fd, err := openUserns(u, a.proc.Pid)
		if err != nil {
			return fault.In(u.Field, err)
		}
		defer unix.Close(fd)
		fds = append(fds, clone.FD{Reg: u.Reg, FD: fd})
	}
	if a.trees.linked, err = t.Program.Link(); err != nil {
		return err
	}
	if a.trees.proc, err = a.trees.linked.Start(fds...); err != nil {
		a.trees.linked.Close()
		return explainClone(err, 0)
	}
	return a.trees.send.Close()
}

// treesOpened waits until the opener has sent everything, and ends it.
func (a *attempt) treesOpened() error {
	t := a.trees
	err := t.proc.Next()
	t.proc.Release()
	if e := t.proc.Kill(); err == nil {
		err = e
	}
	t.linked.Close()
	var f *clone.Failure
	switch {
	case !errors.As(err, &f):
		return err
	case f.Errno == unix.EPIPE:
		// The child did not take it, and says why.
		return a.next()
	}
	return explain(f, a.spec, a.plan)
}

// openUserns opens the user namespace of a mount's map: that of the container,
// whose init is pid, or a new one, which lasts as long as its descriptor.
func openUserns(u plan.UserNS, pid int) (int, error) {
	open := func(pid int) (int, error) {
		return namespace.Open(fmt.Sprintf("/proc/%d/ns/user", pid), namespace.ByType(specs.UserNamespace))
	}
	if u.Map.Own() {
		return open(pid)
	}
	maps, err := idmap.For(u.Map.UID, u.Map.GID, idmap.Current())
	if err != nil {
		return -1, mounts.InMount(u.Field, err)
	}
	p := clone.New()
	p.Flags = unix.CLONE_NEWUSER
	p.Rendezvous(true)
	linked, err := p.Link()
	if err != nil {
		return -1, err
	}
	defer linked.Close()
	proc, err := linked.Start()
	if err != nil {
		return -1, explainClone(err, p.Flags)
	}
	fd := -1
	if err = mounts.InMount(u.Field, maps.Write(proc.Pid)); err == nil {
		fd, err = open(proc.Pid)
	}
	proc.Release()
	if e := proc.Kill(); err == nil {
		err = e
	}
	return fd, err
}

// kernelMounts are the mount points of proc and sysfs, outermost last.
func kernelMounts() ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fault.Op(err, "look for mounts")
	}
	var points []string
	for line := range strings.Lines(string(data)) {
		own, fs, _ := strings.Cut(line, " - ")
		f, g := strings.Fields(own), strings.Fields(fs)
		if len(f) > 4 && len(g) > 0 && (g[0] == "proc" || g[0] == "sysfs") {
			points = append([]string{unescape(f[4])}, points...)
		}
	}
	return points, nil
}

// unescape takes back how mountinfo writes blanks and backslashes,
// proc_pid_mountinfo(5).
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
