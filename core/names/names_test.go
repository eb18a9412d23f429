package names

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		set  *Set
		v    uint64
		want string
	}{
		{&Open, unix.O_PATH, "O_RDONLY|O_PATH"},
		{&Open, unix.O_PATH | unix.O_CLOEXEC | unix.O_DIRECTORY | unix.O_NOFOLLOW, "O_RDONLY|O_NOFOLLOW|O_CLOEXEC|O_PATH|O_DIRECTORY"},
		{&Open, unix.O_RDWR | unix.O_NOCTTY, "O_RDWR|O_NOCTTY"},
		{&Open, unix.O_WRONLY | unix.O_NONBLOCK | 1<<30, "O_WRONLY|O_NONBLOCK|0x40000000"},
		{&Open, 0, "O_RDONLY"},
		{&Open, unix.O_SYNC, "O_RDONLY|O_SYNC"}, // which holds the bits of O_DSYNC
		{&Open, unix.O_TMPFILE | unix.O_WRONLY, "O_WRONLY|O_TMPFILE"},
		{&Namespaces, unix.CLONE_NEWUSER | unix.CLONE_NEWTIME, "CLONE_NEWTIME|CLONE_NEWUSER"},
		{&Namespaces, unix.CLONE_NEWNS | 5, "CLONE_NEWNS|0x5"},
		{&Namespaces, 5, "0x5 /* CLONE_NEW??? */"},
		{&Clone3, unix.CLONE_INTO_CGROUP | unix.CLONE_NEWTIME, "CLONE_NEWTIME|CLONE_INTO_CGROUP"},
		{Find("keyperm"), 1<<24 | 1<<16 | 1, "KEY_POS_VIEW|KEY_USR_VIEW|KEY_OTH_VIEW"},
		{Find("prot"), 0, "PROT_NONE"},
		{&FSConfigs, unix.FSCONFIG_SET_FLAG, "FSCONFIG_SET_FLAG"}, // which is 0
		{&FSConfigs, unix.FSCONFIG_CMD_CREATE, "FSCONFIG_CMD_CREATE"},
		{&FSConfigs, 99, "0x63 /* FSCONFIG_??? */"}, // no or of bits
		{&MountAttrs, unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOATIME | unix.MOUNT_ATTR_NOSUID, "MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOSUID|MOUNT_ATTR_NOATIME"},
		{&MountAttrs, unix.MOUNT_ATTR__ATIME, "MOUNT_ATTR__ATIME"},
		{&Rlimits, unix.RLIMIT_CPU, "RLIMIT_CPU"},
		{&FileTypes, unix.S_IFBLK, "S_IFBLK"}, // which holds the bits of S_IFCHR
		{&At, unix.AT_EMPTY_PATH | unix.AT_RECURSIVE, "AT_EMPTY_PATH|AT_RECURSIVE"},
		{&At, 0, "0"},
		{&MoveMounts, unix.MOVE_MOUNT_F_EMPTY_PATH | unix.MOVE_MOUNT_T_EMPTY_PATH, "MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH"},
		{&MemPolicies, unix.MPOL_DEFAULT, "MPOL_DEFAULT"},
		{&MemPolicies, unix.MPOL_PREFERRED_MANY, "MPOL_PREFERRED_MANY"}, // which holds the bits of others
		{&MemPolicies, unix.MPOL_F_NUMA_BALANCING | unix.MPOL_BIND, "MPOL_BIND|MPOL_F_NUMA_BALANCING"},
		{&SockTypes, unix.SOCK_DGRAM | unix.SOCK_CLOEXEC, "SOCK_DGRAM|SOCK_CLOEXEC"},
		{&Personalities, 0xfe, "0xfe /* PER_??? */"},
	} {
		if got := c.set.Format(c.v); got != c.want {
			t.Errorf("%s %#x = %s, want %s", c.set.Kind, c.v, got, c.want)
		}
	}
}

func TestFind(t *testing.T) {
	for _, s := range sets {
		if Find(s.Kind) != s {
			t.Errorf("two sets are called %q", s.Kind)
		}
	}
	if s := Find("none such"); s != nil {
		t.Errorf("found %q", s.Kind)
	}
	for _, s := range sets {
		for word := range strings.FieldsSeq(s.Values.Words + " " + s.Bits.Words) {
			if bit, ok := strings.CutPrefix(word, "@"); ok {
				if n, err := strconv.Atoi(bit); err != nil || n < 0 || n > 63 {
					t.Errorf("%s: %s is no bit", s.Kind, word)
				}
			}
		}
	}
	if v, ok := MountAttrs.Value("MOUNT_ATTR_RDONLY"); v != unix.MOUNT_ATTR_RDONLY || !ok {
		t.Errorf("MOUNT_ATTR_RDONLY is %d, %v", v, ok)
	}
	if v, ok := FileTypes.Value("S_IFNONE"); ok {
		t.Errorf("S_IFNONE is %d", v)
	}
}

// Every name that x/sys knows too has its value here.
func TestValues(t *testing.T) {
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "golang.org/x/sys/unix").Output()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]uint64{}
	define := regexp.MustCompile(`^\s+([A-Z]\w+)\s+= (-?0x[0-9a-f]+|-?[0-9]+)$`)
	for _, name := range []string{"zerrors_linux.go", "zerrors_linux_" + runtime.GOARCH + ".go", "ztypes_linux.go", "ztypes_linux_" + runtime.GOARCH + ".go"} {
		f, err := os.Open(filepath.Join(strings.TrimSpace(string(dir)), name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if m := define.FindStringSubmatch(lines.Text()); m != nil {
				if v, err := strconv.ParseInt(m[2], 0, 64); err == nil {
					known[m[1]] = uint64(v)
				}
			}
		}
	}
	// In x/sys these are what a program passes, not what the kernel calls so.
	other := map[string]bool{"O_LARGEFILE": true, "RLIMIT_LOCKS": true}
	checked := 0
	for _, s := range sets {
		same := func(v uint64, name string) bool {
			want, ok := known[name]
			if ok && !other[name] {
				checked++
				if v != want && int32(v) != int32(want) {
					t.Errorf("%s: %s is %#x, not %#x", s.Kind, name, want, v)
				}
			}
			return true
		}
		s.Values.each(false, same)
		s.Bits.each(true, same)
	}
	const fewest = 500
	if checked < fewest {
		t.Errorf("only %d names were compared", checked)
	}
	t.Logf("%d names compared", checked)
}
