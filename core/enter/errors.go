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
)

// explain makes an error for the user of what failed in the child.
func (j *Job) explain(err error) error {
	var f *clone.Failure
	if !errors.As(err, &f) {
		return ofChild(err)
	}
	e := f.Fault()
	call, _, _ := strings.Cut(f.Call, "(")
	switch call {
	case "clone3", "unshare":
		e.Hint = namespace.Refused(f.Errno, j.flags)
		if e.Hint == "" && f.Errno == unix.EPERM && j.flags&unix.CLONE_NEWUSER == 0 && os.Geteuid() != 0 {
			e.Hint = "a plain user needs a user namespace of their own: --user, or --map-root-user"
		}
	case "execve":
		e = fault.Op(f, "").WithHint("%s", j.execHint(f))
		return &Failed{f.Errno == unix.ENOENT, e}
	case "setresuid", "setresgid":
		if f.Errno == unix.EINVAL {
			e.Hint = "the user namespace has no such id in its map"
		}
	case "setgroups":
		if f.Errno == unix.EPERM {
			e.Hint = "setgroups(2) is denied in the user namespace, or takes CAP_SETGID there: --preserve-credentials leaves the groups alone"
		}
	}
	if j.hint != nil {
		if text, hint := j.hint(f); hint != "" || text != "" {
			if hint != "" {
				e.Hint = hint
			}
			if text != "" {
				e.Field, e.Text, e.Err = "", text, f.Errno
			}
		}
	}
	return e
}

// noCap says whether the caller lacks a capability in its own user namespace.
func noCap(number int) bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&hdr, &data[0])
	return err == nil && data[number/32].Effective&(1<<(number%32)) == 0
}

// joinHint says why a namespace could not be joined, setns(2). fd is of the
// namespace, kept by the caller for this; user says that a user namespace is
// joined as well.
func joinHint(errno error, k *namespace.Kind, fd int, user bool) string {
	own, err := namespace.Of(os.Getpid(), k)
	if err != nil {
		return ""
	}
	id, err := namespace.IDOf(fd)
	switch {
	case err != nil:
		return ""
	case k.Flag == unix.CLONE_NEWUSER && id == own:
		return "it is the user namespace that the caller is in already"
	case k.Flag == unix.CLONE_NEWPID && errors.Is(errno, unix.EINVAL):
		return "a pid namespace can be joined only from one that it is in or below"
	case !errors.Is(errno, unix.EPERM):
		return ""
	}
	mine, err := namespace.Of(os.Getpid(), &namespace.Kinds[0])
	if err != nil {
		return ""
	}
	owner, err := namespace.Owner(fd)
	if err != nil {
		return "its owner is a user namespace that the caller's is not above of"
	}
	defer unix.Close(owner)
	ownerID, err := namespace.IDOf(owner)
	switch {
	case err != nil:
	case ownerID == mine && k.Flag != unix.CLONE_NEWUSER:
		if noCap(unix.CAP_SYS_ADMIN) {
			return fmt.Sprintf("the %s namespace is owned by the caller's own user namespace, where the caller has no CAP_SYS_ADMIN", k.Proc)
		}
	case !user:
		return fmt.Sprintf("the %s namespace is owned by user:[%d], where the caller has no CAP_SYS_ADMIN: --user enters that first", k.Proc, ownerID.Ino)
	}
	return ""
}

// execHint finds out, of a program that is there for the caller as well, why it
// could not be executed.
func (j *Job) execHint(f *clone.Failure) string {
	for _, path := range j.plan.Paths {
		var st unix.Stat_t
		if unix.Stat(path, &st) != nil {
			continue
		}
		switch {
		case f.Errno == unix.EACCES && st.Mode&unix.S_IFMT == unix.S_IFDIR:
			return path + " is a directory"
		case f.Errno == unix.EACCES && st.Mode&0o111 == 0:
			return fmt.Sprintf("%s has mode %04o: nobody may execute it", path, st.Mode&0o7777)
		case f.Errno == unix.ENOENT:
			return path + " is there for the caller, but it, or what it needs to run, is not where it was looked for: the root or the mount namespace is another"
		}
	}
	return ""
}

// ofChild takes out of an error of core/clone what is true of the runtime only.
func ofChild(err error) error {
	e, ok := err.(*fault.Error)
	if !ok {
		return err
	}
	c := *e
	for _, who := range []string{"the container's process", "the container's init"} {
		c.Text = strings.ReplaceAll(c.Text, who, "the child")
	}
	return &c
}

// mapWords puts the words of a command line in the place of config.json's.
func mapWords(users, groups string) func(error) error {
	words := strings.NewReplacer("linux.uidMappings", users, "linux.gidMappings", groups,
		"containerID", "inner id", "container IDs", "inner ids", "hostID", "outer id", "host IDs", "outer ids", "host uid", "uid")
	return func(err error) error {
		var e *fault.Error
		if !errors.As(err, &e) {
			return err
		}
		c := *e
		c.Field, c.Text, c.Hint = words.Replace(e.Field), words.Replace(e.Text), words.Replace(e.Hint)
		// A range is one of several, on the command line as well, but by another
		// number than here.
		c.Field, _, _ = strings.Cut(c.Field, "[")
		return &c
	}
}
