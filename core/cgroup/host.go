package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/files"
)

// mountPoint is where everybody mounts cgroups, or the directory of several.
const mountPoint = "/sys/fs/cgroup"

// rootInode is the inode number of a cgroup2 hierarchy's own root; what a
// cgroup namespace or a bind mount shows in its place has another.
const rootInode = 1

// source is what Probe looks at: the system, or a test's.
type source struct {
	read   func(path string) ([]byte, error)
	statfs func(path string, st *unix.Statfs_t) error
	inode  func(path string) (uint64, error)
	own    func() (uint64, error) // inode of the caller's cgroup of version 2
}

var system = source{files.Read, unix.Statfs, func(path string) (uint64, error) {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	return st.Ino, err
}, ownInode}

// ownInode asks a pidfd (Linux 6.13).
func ownInode() (uint64, error) {
	self, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(self)
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_CGROUPID}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(self), unix.PIDFD_GET_INFO, uintptr(unsafe.Pointer(&info))); errno != 0 {
		return 0, errno
	}
	if info.Mask&unix.PIDFD_INFO_CGROUPID == 0 {
		return 0, unix.ENODATA
	}
	return info.Cgroupid, nil
}

// Probe tells what the caller's mount namespace has of cgroups: nothing is an
// empty Host, and no error. A cgroup2 hierarchy at the usual place takes no look
// at mountinfo, which can be long, nor where the caller is in its root, or its own
// place is not asked for, at procfs: Tree.Own is Mount then.
func Probe(own bool) (Host, error) { return system.probe(own) }

func (s source) probe(own bool) (Host, error) {
	var st unix.Statfs_t
	unified := s.statfs(mountPoint, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
	if unified {
		ino, err := s.inode(mountPoint)
		unified = err == nil && ino == rootInode
	}
	usual := mount{root: "/", point: mountPoint}
	if unified {
		if own {
			ino, err := s.own()
			own = err != nil || ino != rootInode
		}
		if !own {
			t, err := s.unified(usual, "/", &st)
			return Host{Unified: t}, err
		}
	}
	data, err := s.read("/proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) {
		return Host{}, nil // a kernel without cgroups
	}
	if err != nil {
		return Host{}, fault.Op(err, "look for cgroups")
	}
	if unified {
		t, err := s.unified(usual, ownUnified(string(data)), &st)
		return Host{Unified: t}, err
	}
	its := parseOwn(string(data))
	data, err = s.read("/proc/self/mountinfo")
	if err != nil {
		return Host{}, fault.Op(err, "look for cgroups")
	}
	return s.find(parseMounts(string(data)), its)
}

// find takes of the mounts one of each hierarchy.
func (s source) find(mounts []mount, own membership) (h Host, err error) {
	for _, m := range mounts {
		var st unix.Statfs_t
		// What another mount covers is still listed.
		switch err := s.statfs(m.point, &st); {
		case err != nil:
			continue // out of reach, which is no better
		case m.unified && st.Type == unix.CGROUP2_SUPER_MAGIC:
			if h.Unified != nil && !m.usual() {
				continue
			}
			if h.Unified, err = s.unified(m, own.unified, &st); err != nil {
				return Host{}, err
			}
		case !m.unified && st.Type == unix.CGROUP_SUPER_MAGIC:
			for _, l := range own.legacy {
				if !m.holds(l.controllers) {
					continue
				}
				t := Tree{1, l.controllers, m.point, m.dir(l.path), readOnly(&st)}
				at := slices.IndexFunc(h.Legacy, func(t Tree) bool { return t.Controllers[0] == l.controllers[0] })
				switch {
				case at < 0:
					h.Legacy = append(h.Legacy, t)
				case m.usual():
					h.Legacy[at] = t
				}
			}
		}
	}
	return h, nil
}

func (s source) unified(m mount, own string, st *unix.Statfs_t) (*Tree, error) {
	words, err := s.read(m.point + "/cgroup.controllers")
	if err != nil {
		return nil, fault.Op(err, "look for the controllers of %s", m.point)
	}
	return &Tree{2, strings.Fields(string(words)), m.point, m.dir(own), readOnly(st)}, nil
}

func readOnly(st *unix.Statfs_t) bool { return st.Flags&unix.ST_RDONLY != 0 }

// membership is where a process is, /proc/PID/cgroup.
type membership struct {
	unified string // "" for nowhere
	legacy  []legacyOwn
}

type legacyOwn struct {
	controllers []string
	path        string
}

// ownUnified is parseOwn's for version 2 alone, the line "0::PATH".
func ownUnified(text string) string {
	for line := range strings.Lines(text) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSuffix(path, "\n")
		}
	}
	return ""
}

// parseOwn reads /proc/PID/cgroup, cgroups(7).
func parseOwn(text string) (own membership) {
	for line := range strings.Lines(text) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		switch controllers, path, ok := strings.Cut(rest, ":"); {
		case !ok:
		case controllers == "":
			own.unified = path
		default:
			own.legacy = append(own.legacy, legacyOwn{strings.Split(controllers, ","), path})
		}
	}
	return own
}

// mount is one of cgroups, a line of mountinfo, proc_pid_mountinfo(5).
type mount struct {
	root, point string
	unified     bool
	options     []string // of the file system
}

// parseMounts reads mountinfo.
func parseMounts(text string) (mounts []mount) {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(text) {
		own, fs, _ := strings.Cut(line, " - ")
		o, f := strings.Fields(own), strings.Fields(fs)
		const root, point = 3, 4
		const kind, options = 0, 2
		if len(o) <= point || len(f) <= options || f[kind] != "cgroup" && f[kind] != "cgroup2" {
			continue
		}
		mounts = append(mounts, mount{unescape.Replace(o[root]), unescape.Replace(o[point]), f[kind] == "cgroup2", strings.Split(f[options], ",")})
	}
	return mounts
}

// usual says whether the mount is where one looks for it, and so the one to
// take of several.
func (m mount) usual() bool { return m.point == mountPoint || path.Dir(m.point) == mountPoint }

func (m mount) holds(controllers []string) bool {
	return !slices.ContainsFunc(controllers, func(c string) bool { return !slices.Contains(m.options, c) })
}

// dir is the directory of a cgroup by its path in the hierarchy; the mount
// itself where that lies outside.
func (m mount) dir(cgroup string) string {
	below, ok := strings.CutPrefix(cgroup+"/", strings.TrimSuffix(m.root, "/")+"/")
	if !ok || below == ".." || strings.HasPrefix(below, "../") {
		return m.point
	}
	return path.Join(m.point, below)
}
