package container

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/caps"
	"ocibox/core/fault"
	"ocibox/core/idmap"
	"ocibox/core/mounts"
	"ocibox/core/nofile"
	"ocibox/core/plan"
	"ocibox/core/rdt"
)

// Host is what every plan has to know of the calling process and its host.
func Host() (plan.Host, error) {
	h := plan.Host{Self: idmap.Current(), Resctrl: rdt.Find}
	var err error
	if h.Caps, h.CapLast, err = caps.Own(); err != nil {
		return h, err
	}
	initial, err := idmap.InInitialUserns()
	if err != nil {
		return h, err
	}
	h.Userns = !initial
	if h.Userns {
		word, err := os.ReadFile("/proc/self/setgroups")
		if err != nil {
			return h, err
		}
		h.NoSetgroups = bytes.HasPrefix(word, []byte("deny"))
	}
	if soft, hard, ok := nofile.AtStart(); ok {
		h.Nofile = [2]uint64{soft, hard}
	}
	null := unix.Mkdev(1, 3)
	for fd := range h.Stdio {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			h.Stdio[fd].Shared = true // nothing there to give away
			continue
		}
		h.Stdio[fd] = plan.Stream{UID: st.Uid, Shared: st.Mode&unix.S_IFMT == unix.S_IFCHR && uint64(st.Rdev) == null}
	}
	return h, nil
}

// modules looks for the security modules that the config.json has something
// for.
func modules(h *plan.Host, s *specs.Spec) error {
	if s.Process == nil {
		return nil
	}
	var err error
	if s.Process.ApparmorProfile != "" {
		if h.AppArmor, err = firstByte("/sys/module/apparmor/parameters/enabled", 'Y'); err != nil {
			return err
		}
	}
	if s.Process.SelinuxLabel != "" || s.Linux != nil && s.Linux.MountLabel != "" {
		h.SELinux, err = selinux()
	}
	return err
}

// firstByte says whether a file that may not be there begins with b.
func firstByte(path string, b byte) (bool, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return len(data) > 0 && data[0] == b, err
}

// selinux says whether SELinux is there and has a policy: before it is given
// one, every process has the label "kernel".
func selinux() (bool, error) {
	types, err := os.ReadFile("/proc/filesystems")
	if err != nil || !bytes.Contains(types, []byte("\tselinuxfs\n")) {
		return false, err
	}
	label, err := os.ReadFile("/proc/self/attr/current")
	return string(bytes.TrimRight(label, "\x00\n")) != "kernel", err
}

// procRoot is the inode number of procfs's root, PROC_ROOT_INO.
const procRoot = 1

// openProc opens the root of the caller's /proc, and makes sure that it is
// procfs's.
func openProc() (int, error) {
	fd, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fault.Op(err, "open /proc")
	}
	var fs unix.Statfs_t
	var st unix.Stat_t
	if err = unix.Fstatfs(fd, &fs); err == nil {
		err = unix.Fstat(fd, &st)
	}
	if err == nil && (fs.Type != unix.PROC_SUPER_MAGIC || st.Ino != procRoot) {
		err = fault.Op(nil, "/proc is not procfs")
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// checkNotOwn refuses to join the caller's own namespace where the plan sets
// something in it.
func checkNotOwn(j plan.Join, fd int) error {
	if j.NotOwn == "" {
		return nil
	}
	var own, other unix.Stat_t
	if err := unix.Stat("/proc/self/ns/"+j.Kind.Proc, &own); err != nil {
		return fault.Op(err, "look at the %s namespace", j.Kind.Proc)
	}
	if err := unix.Fstat(fd, &other); err != nil {
		return fault.Op(err, "look at %s", j.Path)
	}
	if own.Dev == other.Dev && own.Ino == other.Ino {
		return fault.Field(j.NotOwn, "would be the host's: %s is its %s namespace", j.Path, j.Kind.Proc)
	}
	return nil
}

// maxPasswd bounds how much of a container's passwd is read, in bytes.
const maxPasswd = 4 << 20

const passwd = "/etc/passwd"

// home finds the home directory of the process's user: in the /etc/passwd that
// the container will see, or else "/", as login(1) has it.
func home(s *specs.Spec, rootfs, bundle string) (string, error) {
	path := passwd
	for _, m := range s.Mounts {
		rest, over := strings.CutPrefix(passwd, filepath.Clean(m.Destination))
		switch {
		case !over || !mounts.IsBind(m):
		case rest == "":
			rootfs, path = "/", mounts.Source(m, bundle)
		case rest[0] == '/':
			rootfs, path = mounts.Source(m, bundle), rest
		}
	}
	return homeIn(rootfs, path, s.Process.User.UID)
}

// homeIn finds uid's home directory in the passwd file path below root.
func homeIn(root, path string, uid uint32) (string, error) {
	data, err := readIn(root, path, maxPasswd)
	if err != nil {
		// Not there, or not to be read by us: nobody has a home then.
		return "/", nil
	}
	users, err := user.ParsePasswdFilter(bytes.NewReader(data), func(u user.User) bool { return u.Uid == int(uid) && u.Home != "" })
	if err != nil || len(users) == 0 {
		return "/", nil
	}
	if bytes.IndexByte([]byte(users[0].Home), 0) >= 0 {
		return "", fault.Op(nil, "%s: home of uid %s holds a NUL byte", path, strconv.Itoa(users[0].Uid))
	}
	return users[0].Home, nil
}

// readIn reads a regular file of at most limit bytes below root.
func readIn(root, path string, limit int64) ([]byte, error) {
	f, err := openIn(root, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// openIn opens a regular file below root, no symlink leading out of it.
func openIn(root, path string) (*os.File, error) {
	fd, err := openPath(root, path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, fault.Op(err, "%s is not a regular file", path)
	}
	return f, nil
}

// openPath opens what is below root, no symlink leading out of it.
func openPath(root, path string, flags uint64) (int, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(dir)
	return unix.Openat2(dir, path, &unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
}
