package idmap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// fake puts shell scripts in place of newuidmap and newgidmap, and files in
// place of those in /etc. The scripts fail with the given words.
func fake(t *testing.T, passwd, subuid, nsswitch, words string) Paths {
	t.Helper()
	dir := t.TempDir()
	p := Paths{Proc: "/proc", Passwd: dir + "/passwd", SubUID: dir + "/subuid", SubGID: dir + "/subgid",
		NSSwitch: dir + "/nsswitch.conf", Search: []string{"", "bin", dir + "/none", dir + "/bin"}}
	for path, content := range map[string]string{p.Passwd: passwd, p.SubUID: subuid, p.SubGID: subuid, p.NSSwitch: nsswitch} {
		if content != "" {
			put(t, path, content)
		}
	}
	for _, name := range []string{"newuidmap", "newgidmap"} {
		put(t, filepath.Join(dir, "bin", name), "#!/bin/sh\nprintf '%s' \""+words+"\"\n[ -z \""+words+"\" ] || exit 1\n")
		os.Chmod(filepath.Join(dir, "bin", name), 0o755)
	}
	return p
}

// The causes that /etc holds, of a refusal by a helper that is not the real one.
func TestHelperRefused(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip(err)
	}
	uid, gid := uint32(os.Geteuid()), uint32(os.Getegid())
	me := fmt.Sprintf("other:x:4711:4711::/:/bin/sh\nme:x:%d:%d::/:/bin/sh\n", uid, gid)
	const no = "newuidmap: uid range [1-65537) -> [100000-165536) not allowed\n"
	const said = ": uid range [1-65537) -> [100000-165536) not allowed"
	two := ids(0, uid, 1, 1, 100000, 65536)
	for _, c := range []struct {
		name                     string
		passwd, subuid, nsswitch string
		words                    string
		uid                      []specs.LinuxIDMapping
		field, text, hint        string
	}{
		{"outside of the line", me, "other:100000:65536\nme:200000:65536\n", "", no, two, "linux.uidMappings[1]",
			fmt.Sprintf("uid range 100000-165535 is outside of what DIR/subuid gives to me (uid %d): me:200000:65536", uid) + said,
			"map a range inside, or, as root, add the line me:100000:65536 to DIR/subuid"},
		{"too short", me, fmt.Sprintf("me:100000:65535\n%d:165535:0\n", uid), "", no, two, "linux.uidMappings[1]",
			fmt.Sprintf("uid range 100000-165535 is outside of what DIR/subuid gives to me (uid %d): me:100000:65535, %d:165535:0", uid, uid) + said,
			"map a range inside, or, as root, add the line me:100000:65536 to DIR/subuid"},
		{"no line", me, "other:100000:65536\n", "", no, two, "linux.uidMappings[1]",
			fmt.Sprintf("uid range 100000-165535: DIR/subuid has no line for me (uid %d)", uid) + said,
			"as root, add the line me:100000:65536 to DIR/subuid"},
		{"no file, no passwd", "", "", "", no, two, "linux.uidMappings[1]",
			fmt.Sprintf("uid range 100000-165535: DIR/subuid has no line for uid %d", uid) + said,
			fmt.Sprintf("as root, add the line %d:100000:65536 to DIR/subuid", uid)},
		{"first range too", me, "me:100000:65536\n", "", no, ids(0, uid+7, 1, 1, 100000, 65536), "linux.uidMappings[0]",
			fmt.Sprintf("uid range %d is outside of what DIR/subuid gives to me (uid %d): me:100000:65536", uid+7, uid) + said,
			fmt.Sprintf("map a range inside, or, as root, add the line me:%d:1 to DIR/subuid", uid+7)},
		{"another source", me, "", "passwd: files\nsubid: sss files\n", no, two, "linux.uidMappings[1]",
			"uid range 100000-165535" + said,
			`ranges come from "sss" here (subid in DIR/nsswitch.conf), not from DIR/subuid: add it there`},
		{"two lines make one", me, fmt.Sprintf("%d:150000:50000\nme:100000:50000\n", uid), "subid: files\n", no, two, "linux.uidMappings",
			said[2:], "DIR/bin/newuidmap is neither setuid root nor has it the file capability cap_setuid=ep: as root, chmod u+s DIR/bin/newuidmap"},
		{"no name", "other:x:4711:4711::/:/bin/sh\n", "", "", "newuidmap: Cannot determine your user name.\n", two, "linux.uidMappings",
			"Cannot determine your user name.", fmt.Sprintf("it wants a line for uid %d in DIR/passwd, which has none", uid)},
		{"other group", fmt.Sprintf("me:x:%d:%d::/:/bin/sh\n", uid, gid+1), "", "",
			"newuidmap: Target process is owned by a different user: uid:1\n", two, "linux.uidMappings",
			"Target process is owned by a different user: uid:1",
			fmt.Sprintf("it wants the caller's gid to be %d, as in DIR/passwd, but it is %d", gid+1, gid)},
		{"fine", me, "", "", "", two, "", "", ""},
	} {
		paths := fake(t, c.passwd, c.subuid, c.nsswitch, c.words)
		dir := filepath.Dir(paths.Passwd)
		p, err := For(c.uid, ids(0, gid+9, 2), Self{EUID: uid, EGID: gid})
		if err != nil {
			t.Fatal(err)
		}
		p.Paths = paths
		err = p.Write(os.Getpid())
		if c.field == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		want := c.field + ": run DIR/bin/newuidmap: " + c.text
		got, hint := strings.ReplaceAll(text(err), dir, "DIR"), strings.ReplaceAll(fault.Hint(err), dir, "DIR")
		if got != want || hint != c.hint {
			t.Errorf("%s:\n got %s\nhint %s\nwant %s\nhint %s", c.name, got, hint, want, c.hint)
		}
	}
}

// Group IDs are looked for in /etc/subgid, under the user's name.
func TestHelperRefusedGID(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip(err)
	}
	uid, gid := os.Geteuid(), uint32(os.Getegid())
	paths := fake(t, "", fmt.Sprintf("%d:100000:10\n", uid), "", "newgidmap: no")
	put(t, paths.SubUID, "")
	p, _ := For(nil, nil, Self{})
	p.GID, p.Paths = Map{Ranges: ids(0, gid, 1, 1, 100000, 10, 11, 100010, 1), Helper: true}, paths
	err := p.Write(os.Getpid())
	want := fmt.Sprintf("linux.gidMappings[2]: run %s/newgidmap: gid range 100010 is outside of what %s gives to uid %d: %d:100000:10: no",
		paths.Search[3], paths.SubGID, uid, uid)
	if text(err) != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestHelperMissing(t *testing.T) {
	own, _ := Current().id(gidSide)
	p, _ := For(ids(0, 1000, 1), ids(0, 1, 2, 5, 100000, 1), Self{EUID: 1000, EGID: 1000})
	p.UID.Ranges = nil
	for _, c := range []struct {
		search []string
		want   string
	}{
		{nil, `linux.gidMappings: find newgidmap in "": no such file or directory`},
		{[]string{"/nowhere", "/dev"}, `linux.gidMappings: find newgidmap in "/nowhere:/dev": no such file or directory`},
	} {
		p.Paths.Search = c.search
		err := p.Write(os.Getpid())
		hint := fmt.Sprintf("install it (package uidmap or shadow-utils), or map only your own gid: hostID %d, size 1", own)
		if text(err) != c.want || fault.Hint(err) != hint || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v\nhint %s", err, fault.Hint(err))
		}
	}
}

func TestHelperDoesNotRun(t *testing.T) {
	paths := fake(t, "", "", "", "")
	path := paths.Search[3] + "/newuidmap"
	put(t, path, "#!/nowhere/sh\n")
	p, _ := For(ids(0, 1, 2), ids(0, 1, 2), Self{EUID: 1000, EGID: 1000})
	p.Paths = paths
	if err := p.Write(os.Getpid()); text(err) != "linux.uidMappings: run "+path+": no such file or directory" {
		t.Error(err)
	}
	put(t, path, "#!/bin/sh\nkill -9 $$\n")
	if err := p.Write(os.Getpid()); text(err) != "linux.uidMappings: run "+path+": signal: killed" {
		t.Error(err)
	}
}

// hostEtc is files to bind over those of /etc, which make plainUID the user
// obtest with the given subordinate IDs. The host's own stay as they are.
func hostEtc(t *testing.T, gid int, subids string) map[string]string {
	dir := t.TempDir()
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Skip(err)
	}
	bind := map[string]string{}
	for _, f := range []struct{ name, content string }{
		{"passwd", strings.TrimSpace(string(passwd)) + fmt.Sprintf("\nobtest:x:%d:%d::/:/bin/sh\n", plainUID, gid)},
		{"subuid", subids}, {"subgid", subids},
	} {
		if _, err := os.Stat("/etc/" + f.name); err != nil {
			t.Skip(err)
		}
		put(t, filepath.Join(dir, f.name), f.content)
		bind["/etc/"+f.name] = filepath.Join(dir, f.name)
	}
	return bind
}

// helpers copies the real newuidmap and newgidmap to a folder that everybody
// may enter, where prepare changes them.
func helpers(t *testing.T, prepare func(path string, d side) error) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "idmap")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	for _, d := range []side{uidSide, gidSide} {
		b, err := os.ReadFile(find(DefaultPaths().Search, d.helper))
		if err != nil {
			t.Skipf("no %s (package uidmap)", d.helper)
		}
		path := filepath.Join(dir, d.helper)
		if err := errors.Join(os.WriteFile(path, b, 0o755), prepare(path, d)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func setuid(path string, _ side) error { return os.Chmod(path, 0o755|os.ModeSetuid) }

// fileCap is setcap cap_setuid=ep or cap_setgid=ep: struct vfs_cap_data, revision 2.
func fileCap(path string, d side) error { return setFileCap(path, d, vfsCapEffective) }

func setFileCap(path string, d side, flags uint32) error {
	var b [20]byte
	binary.LittleEndian.PutUint32(b[0:], 0x02000000|flags)
	binary.LittleEndian.PutUint32(b[4:], 1<<d.cap)
	return unix.Setxattr(path, "security.capability", b[:], 0)
}

// The real newuidmap and newgidmap, as a user with subordinate IDs.
func TestWriteByHelper(t *testing.T) {
	needRoot(t)
	sub := ids(0, plainUID, 1, 1, 100000, 65536)
	subGID := ids(0, plainGID, 1, 1, 100000, 65536)
	for _, c := range []struct {
		name string
		kind func(string, side) error
		s    scene
		want outcome
	}{
		{"setuid", setuid, scene{UID: sub, GID: subGID},
			outcome{UIDMap: "0 61234 1, 1 100000 65536", GIDMap: "0 61235 1, 1 100000 65536", Setgroups: "allow"}},
		{"file capability", fileCap, scene{UID: sub, GID: subGID},
			outcome{UIDMap: "0 61234 1, 1 100000 65536", GIDMap: "0 61235 1, 1 100000 65536", Setgroups: "allow"}},
		{"uid only", setuid, scene{UID: sub, GID: ids(0, plainGID, 1)},
			outcome{UIDMap: "0 61234 1, 1 100000 65536", GIDMap: "0 61235 1", Setgroups: "deny", Direct: [2]bool{false, true}}},
		{"gid only", setuid, scene{UID: ids(0, plainUID, 1), GID: ids(0, 165535, 1)},
			outcome{UIDMap: "0 61234 1", GIDMap: "0 165535 1", Setgroups: "allow", Direct: [2]bool{true, false}}},
	} {
		paths := DefaultPaths()
		paths.Search = []string{helpers(t, c.kind)}
		c.s.Paths = &paths
		c.want.InitialUserns = true
		o := play(t, c.s, nil, &stage{UID: plainUID, GID: plainGID, Bind: hostEtc(t, plainGID, "obtest:100000:65536\n")})
		if o != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, o, c.want)
		}
	}
}

// The real ones refuse, and the cause is found.
func TestHelperRefusedReally(t *testing.T) {
	needRoot(t)
	const line = "obtest:100000:65536\n"
	sub, subGID := ids(0, plainUID, 1, 1, 100000, 65536), ids(0, plainGID, 1, 1, 100000, 65536)
	bare := func(string, side) error { return nil }
	for _, c := range []struct {
		name      string
		kind      func(string, side) error
		st        stage
		subids    string
		gid       int // in passwd
		child     string
		err, hint string // err "" where shadow's words differ between versions
	}{
		{"not setuid", bare, stage{}, line, plainGID, "", "",
			"DIR/newuidmap is neither setuid root nor has it the file capability cap_setuid=ep: as root, chmod u+s DIR/newuidmap"},
		{"capability of the wrong sort", func(p string, d side) error { return setFileCap(p, gidSide, vfsCapEffective) },
			stage{}, line, plainGID, "", "",
			"DIR/newuidmap is neither setuid root nor has it the file capability cap_setuid=ep: as root, chmod u+s DIR/newuidmap"},
		{"setuid to another", func(p string, d side) error { return errors.Join(os.Chown(p, 4711, -1), setuid(p, d)) },
			stage{}, line, plainGID, "", "",
			"DIR/newuidmap is setuid, but belongs to uid 4711: chown it to root, then chmod u+s"},
		{"no_new_privs", setuid, stage{NoNewPrivs: true}, line, plainGID, "", "",
			"no_new_privs is set on this process, so setuid bits and file capabilities have no effect"},
		{"nosuid", setuid, stage{Nosuid: "DIR"}, line, plainGID, "", "",
			"DIR/newuidmap is on a file system mounted nosuid"},
		{"bounding set", setuid, stage{DropBound: []uintptr{unix.CAP_SETUID}}, line, plainGID, "", "",
			"CAP_SETUID is not in the bounding set of this process, so no program that it runs can have it"},
		{"range not granted", setuid, stage{}, "61234:100000:65535\n", plainGID, "",
			"linux.uidMappings[1]: run DIR/newuidmap: uid range 100000-165535 is outside of what /etc/subuid gives to obtest (uid 61234): 61234:100000:65535: uid range [1-65537) -> [100000-165536) not allowed",
			"map a range inside, or, as root, add the line obtest:100000:65536 to /etc/subuid"},
		{"no line", setuid, stage{}, "root:100000:65536\n", plainGID, "",
			"linux.uidMappings[1]: run DIR/newuidmap: uid range 100000-165535: /etc/subuid has no line for obtest (uid 61234): uid range [1-65537) -> [100000-165536) not allowed",
			"as root, add the line obtest:100000:65536 to /etc/subuid"},
		{"other group", setuid, stage{}, line, 100, "", "",
			"it wants the caller's gid to be 100, as in /etc/passwd, but it is 61235"},
		{"not dumpable", fileCap, stage{}, line, plainGID, "undumpable", "",
			"/proc/N/uid_map belongs to uid 0, not 61234: process N runs as another user or is not dumpable (PR_SET_DUMPABLE)"},
	} {
		paths := DefaultPaths()
		dir := helpers(t, c.kind)
		paths.Search = []string{dir}
		c.st.UID, c.st.GID, c.st.Bind = plainUID, plainGID, hostEtc(t, c.gid, c.subids)
		c.st.Nosuid = strings.ReplaceAll(c.st.Nosuid, "DIR", dir)
		o := play(t, scene{UID: sub, GID: subGID, Paths: &paths, Child: c.child}, nil, &c.st)
		got, hint := strings.ReplaceAll(o.Err, dir, "DIR"), strings.ReplaceAll(o.Hint, dir, "DIR")
		if got == "" || c.err != "" && got != c.err || hint != c.hint {
			t.Errorf("%s:\n got %s\nhint %s\nwant %s\nhint %s", c.name, got, hint, c.err, c.hint)
		}
		t.Logf("%s:\n%s\nhint: %s", c.name, got, hint)
	}

	// With no line in passwd at all.
	paths := DefaultPaths()
	paths.Search = []string{helpers(t, setuid)}
	o := play(t, scene{UID: sub, GID: subGID, Paths: &paths},
		&syscall.SysProcAttr{Credential: &syscall.Credential{Uid: plainUID, Gid: plainGID}}, nil)
	if o.Hint != "it wants a line for uid 61234 in /etc/passwd, which has none" {
		t.Errorf("no name: %+v", o)
	}
}
