package idmap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/early"
	"ocibox/core/fault"
)

// runHelper runs newuidmap or newgidmap. Nothing is checked before: they know
// sources of ranges that this package does not (nsswitch.conf). Their refusal
// is looked into.
func (p Plan) runHelper(a action, pid int) error {
	name := a.side.helper
	path := find(p.Paths.Search, name)
	if path == "" {
		own, _ := Current().id(a.side)
		e := fault.Op(unix.ENOENT, "find %s in %q", name, strings.Join(p.Paths.Search, ":"))
		e.Field = a.side.field
		return e.WithHint("install it (package uidmap or shadow-utils), or map only your own %s: hostID %d, size 1", a.side.id, own)
	}
	said, err := run(path, a.argv(strconv.Itoa(pid)))
	if err == nil {
		return nil
	}
	e := fault.Op(err, "run %s", path)
	e.Field = a.side.field
	if said == "" {
		return e // not started, or died without a word
	}
	e.Err = errors.New(strings.TrimPrefix(said, name+": "))
	p.explainHelper(e, a, pid, path, said)
	return e
}

// run is a program's standard output and error, trimmed, and how it failed.
func run(path string, argv []string) (said string, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer r.Close()
	after := early.Plainly()
	proc, err := os.StartProcess(path, argv, &os.ProcAttr{
		Env: []string{"LC_ALL=C"}, // explainHelper knows the English words
		// Its stdin is the pipe as well: it reads none, and /dev/null may be missing.
		Files: []*os.File{w, w, w},
	})
	after()
	w.Close()
	if err != nil {
		return "", reason(err)
	}
	out, _ := io.ReadAll(r)
	state, err := proc.Wait()
	if err == nil && !state.Success() {
		err = errors.New(state.String())
	}
	return strings.TrimSpace(string(out)), err
}

// find is the path of a program that this process may execute, or "". Unlike a
// shell it takes no folder relative to the working directory.
func find(search []string, name string) string {
	for _, dir := range search {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if filepath.IsAbs(dir) && err == nil && info.Mode().IsRegular() && unix.Access(path, unix.X_OK) == nil {
			return path
		}
	}
	return ""
}

// explainHelper goes through the helper's causes in the order in which it
// checks them (shadow's newuidmap.c), and completes e with the first one found.
func (p Plan) explainHelper(e *fault.Error, a action, pid int, path, said string) {
	self := Current()
	users := p.Paths.lookup(self.EUID)
	if strings.Contains(said, "determine your user name") && len(users) == 0 {
		e.Hint = fmt.Sprintf("it wants a line for uid %d in %s, which has none", self.EUID, p.Paths.Passwd)
		return
	}
	other := strings.Contains(said, "owned by a different user")
	if other || strings.Contains(said, "Permission denied") {
		e.Hint = whyUnwritable(filepath.Join(p.Paths.Proc, strconv.Itoa(pid), a.file), pid)
		if e.Hint != "" {
			return
		}
	}
	if other && len(users) > 0 && uint32(users[0].Gid) != self.EGID {
		e.Hint = fmt.Sprintf("it wants the caller's gid to be %d, as in %s, but it is %d", users[0].Gid, p.Paths.Passwd, self.EGID)
		return
	}
	if p.Paths.explainSubIDs(e, a, users, self) {
		return
	}
	if why := whyPowerless(path, a.side); why != "" {
		e.Hint = why
		return
	}
	if at, hint := whyUnknown(p.Paths.ownMap(a.side), a.side, a.ranges); hint != "" {
		e.Field, e.Hint = a.side.at(at), hint
	}
}

// whyPowerless says what keeps a program from getting d's capability through
// execve(2), or "" if nothing does.
func whyPowerless(path string, d side) string {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return ""
	}
	setuid := st.Mode&unix.S_ISUID != 0
	var fsys unix.Statfs_t
	switch {
	case fileHasCap(path, d.cap):
	case setuid && st.Uid != 0:
		return fmt.Sprintf("%s is setuid, but belongs to uid %d: chown it to root, then chmod u+s", path, st.Uid)
	case !setuid:
		return fmt.Sprintf("%s is neither setuid root nor has it the file capability %s=ep: as root, chmod u+s %s",
			path, strings.ToLower(d.capStr), path)
	}
	if unix.Statfs(path, &fsys) == nil && fsys.Flags&unix.ST_NOSUID != 0 {
		return path + " is on a file system mounted nosuid"
	}
	if v, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil && v == 1 {
		return "no_new_privs is set on this process, so setuid bits and file capabilities have no effect"
	}
	if v, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(d.cap), 0, 0, 0); err == nil && v == 0 {
		return d.capStr + " is not in the bounding set of this process, so no program that it runs can have it"
	}
	return ""
}

// fileHasCap reads file capabilities (capabilities(7), struct vfs_cap_data): a
// word of version and flags, then the low 32 bits of the permitted set. The
// effective flag counts, as a newuidmap built without libcap (Debian's) does
// not raise what is permitted only.
func fileHasCap(path string, capability int) bool {
	var buf [24]byte
	n, err := unix.Getxattr(path, "security.capability", buf[:])
	if err != nil || n < 8 {
		return false
	}
	flags, permitted := binary.LittleEndian.Uint32(buf[0:]), binary.LittleEndian.Uint32(buf[4:])
	return flags&vfsCapEffective != 0 && permitted&(1<<capability) != 0
}

const vfsCapEffective = 1 // VFS_CAP_FLAGS_EFFECTIVE in linux/capability.h
