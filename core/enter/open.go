package enter

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/namespace"
	"ocibox/core/plan"
)

// openTarget opens the process. The id of a thread is no process's: it is as
// good, but may come to be another's meanwhile.
func (j *joiner) openTarget() error {
	if j.Target == 0 {
		return nil
	}
	fd, err := unix.PidfdOpen(j.Target, 0)
	if (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT)) && j.Inode == 0 {
		return nil
	}
	if err != nil {
		return fault.Op(err, "--target %d", j.Target)
	}
	j.close = append(j.close, func() { unix.Close(fd) })
	j.pidfd = fd
	if j.Inode == 0 {
		return nil
	}
	var fs unix.Statfs_t
	var st unix.Stat_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return fault.Op(err, "--target %d:%d", j.Target, j.Inode)
	}
	if err := unix.Fstat(fd, &st); err != nil {
		return fault.Op(err, "--target %d:%d", j.Target, j.Inode)
	}
	const pidfs = 0x50494446 // PID_FS_MAGIC
	switch {
	case fs.Type != pidfs:
		return fault.Op(nil, "--target %d:%d: this kernel has no inodes of processes", j.Target, j.Inode).WithHint("it takes Linux 6.9; --target %d goes without", j.Target)
	case st.Ino != j.Inode:
		return fault.Op(nil, "--target %d:%d: process %d is another, with inode %d", j.Target, j.Inode, j.Target, st.Ino)
	}
	return nil
}

// sameTarget makes sure that what was opened was the target's: it is there still,
// and so nobody else has had its pid.
func (j *joiner) sameTarget() error {
	if j.pidfd < 0 {
		return nil
	}
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(j.pidfd), Events: unix.POLLIN}}, 0)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fault.Op(err, "look at process %d", j.Target)
	}
	if n > 0 {
		return fault.Op(unix.ESRCH, "--target %d", j.Target)
	}
	return nil
}

func (j *joiner) space(flag uint64) *space {
	for _, s := range j.spaces {
		if s.kind.Flag == flag {
			return s
		}
	}
	return nil
}

// add takes a namespace that is open; one more of its kind takes its place.
func (j *joiner) add(k *namespace.Kind, flag string, fd int) *space {
	s := j.space(k.Flag)
	if s == nil {
		s = &space{kind: k, fd: -1}
		j.spaces = append(j.spaces, s)
	}
	if s.fd >= 0 {
		unix.Close(s.fd)
	}
	s.flag, s.fd = flag, fd
	return s
}

// openSpaces opens the namespaces.
func (j *joiner) openSpaces() error {
	for _, s := range j.Spaces {
		field := option(s.Kind)
		fd, err := j.openSpace(s)
		if err != nil {
			return fault.In(field, err)
		}
		j.add(s.Kind, field, fd)
	}
	for i := range namespace.Kinds {
		if k := &namespace.Kinds[i]; j.All && j.space(k.Flag) == nil {
			if err := j.addOfAll(k); err != nil {
				return err
			}
		}
	}
	if j.UserParent {
		if err := j.addParent(); err != nil {
			return err
		}
	}
	if j.NetSocket >= 0 {
		if j.pidfd < 0 {
			return fault.Op(nil, "--net-socket: %d is no process", j.Target)
		}
		fd, err := namespace.Socket(j.pidfd, j.NetSocket)
		if err != nil {
			return fault.In("--net-socket", err)
		}
		j.add(namespace.ByType("network"), "--net-socket", fd)
	}
	for _, s := range j.spaces {
		// The descriptor stays ours as well, for what may have to be told of it.
		s.reg = j.inherit("ns."+s.kind.Proc, s.fd)
		j.flags |= s.kind.Flag
	}
	return nil
}

func (j *joiner) openSpace(s Space) (int, error) {
	switch number, isNumber := strings.CutPrefix(s.Path, ":"); {
	case isNumber:
		id, err := namespace.ParseNumber(number)
		if err != nil {
			return -1, err
		}
		j.opened(s.Kind, "the namespace with number "+number)
		return namespace.OpenNumber(id, s.Kind)
	case s.Path != "":
		j.opened(s.Kind, fmt.Sprintf("open(%q)", s.Path))
		return namespace.Open(s.Path, s.Kind)
	}
	path := j.proc("ns/" + s.Kind.Proc)
	j.opened(s.Kind, fmt.Sprintf("open(%q)", path))
	fd, err := namespace.Open(path, s.Kind)
	if errors.Is(err, unix.ENOENT) {
		switch there := procfs(); {
		case !there && j.pidfd >= 0:
			// Without a /proc the process itself says it, setns(2).
			return unix.FcntlInt(uintptr(j.pidfd), unix.F_DUPFD_CLOEXEC, 3)
		case there && j.gone():
			return -1, fault.Op(unix.ESRCH, "--target %d", j.Target)
		}
	}
	return fd, err
}

// procfs says whether there is a /proc.
func procfs() bool {
	_, err := os.Lstat("/proc/self")
	return err == nil
}

// withoutProc says so of an error where there is none.
func withoutProc(err error) error {
	var e *fault.Error
	if errors.As(err, &e) && e.Hint == "" && !procfs() {
		e.Hint = "proc is not mounted at /proc"
	}
	return err
}

// gone says whether there is no such process any more, or only its zombie.
func (j *joiner) gone() bool {
	_, err := os.Lstat(j.proc("ns"))
	return err != nil || j.sameTarget() != nil
}

// opened notes for explain what the parent does.
func (j *joiner) opened(k *namespace.Kind, text string) {
	j.plan.Before = append(j.plan.Before, plan.Action{Field: option(k), Text: text + " = $ns." + k.Proc})
}

// addOfAll adds one of all of the target's namespaces. The caller's own user
// namespace cannot be entered once more, setns(2).
func (j *joiner) addOfAll(k *namespace.Kind) error {
	own, err := namespace.Of(os.Getpid(), k)
	if errors.Is(err, unix.ENOENT) && procfs() {
		return nil // this kernel has none of the kind
	}
	if err != nil {
		return withoutProc(fault.In("--all", err))
	}
	fd, err := j.openSpace(Space{Kind: k})
	if err != nil {
		return fault.In("--all", err)
	}
	its, err := namespace.IDOf(fd)
	if err != nil || its == own && k.Flag == unix.CLONE_NEWUSER {
		unix.Close(fd)
		j.plan.Before = j.plan.Before[:len(j.plan.Before)-1]
		return err
	}
	j.add(k, "--all", fd).may = its == own
	return nil
}

// addParent adds the user namespace that owns the one to enter, or whatever else
// is entered first.
func (j *joiner) addParent() error {
	of := -1
	switch user := j.space(unix.CLONE_NEWUSER); {
	case user != nil:
		of = user.fd
	case len(j.spaces) > 0 && j.Target == 0:
		of = j.spaces[0].fd
	default:
		fd, err := namespace.Open(j.proc("ns/user"), &namespace.Kinds[0])
		if err != nil {
			return fault.In("--user-parent", err)
		}
		defer unix.Close(fd)
		of = fd
	}
	parent, err := namespace.Owner(of)
	if err != nil {
		return fault.Op(err, "--user-parent: ioctl(NS_GET_USERNS)")
	}
	j.plan.Before = append(j.plan.Before, plan.Action{Field: "--user-parent", Text: "ioctl(NS_GET_USERNS) = $ns.user"})
	j.add(&namespace.Kinds[0], "--user-parent", parent)
	return nil
}

// open opens a directory before anything is entered.
func (j *joiner) open(field, link string, d Place) (clone.Reg, error) {
	if !d.Given {
		return 0, nil
	}
	path := d.Path
	if path == "" {
		path = j.proc(link)
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, withoutProc(fault.In(field, fault.Op(err, "open %s", path)))
	}
	j.plan.Before = append(j.plan.Before, plan.Action{Field: field, Text: fmt.Sprintf("open(%q) = $%s", path, link)})
	return j.inherit(link, fd), nil
}

// maxEnviron bounds what is read of an environment, in bytes: no execve takes more.
const maxEnviron = 6 << 20
