package bundletest

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ocibox/core/rtnl"
)

// networkEnv tells the test binary that it has a network namespace to itself.
// Its value is the namespace that it came from.
const networkEnv = "BUNDLETEST_NETWORK"

// mountEnv is the same of the mount namespace.
const mountEnv = "BUNDLETEST_MOUNTS"

// OwnNetwork says whether this process has a network namespace to itself, and a
// mount namespace from which nothing gets out. If it has not, the test is run
// again in one that has: the caller returns. A plain user's is root of a user
// namespace, too.
func OwnNetwork(t *testing.T) bool {
	t.Helper()
	own, ownMount := space(t, "self", "net"), space(t, "self", "mnt")
	if from := os.Getenv(networkEnv); from != "" {
		if own == from || own == space(t, "1", "net") {
			t.Fatalf("the network namespace %s is the host's", own)
		}
		if ownMount == os.Getenv(mountEnv) || ownMount == space(t, "1", "mnt") {
			t.Fatalf("the mount namespace %s is the host's", ownMount)
		}
		must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		return true
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), networkEnv+"="+own, mountEnv+"="+ownMount)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if cmd.Process == nil && os.Geteuid() != 0 {
		t.Skipf("plain users cannot make user namespaces here: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "=== RUN   "+t.Name()) {
		t.Errorf("in a network namespace of its own: %v\n%s", err, out)
	} else {
		t.Logf("in a network namespace of its own:\n%s", out)
	}
	return false
}

// Tmpfs covers a directory of the test's own mount namespace with an empty one.
func Tmpfs(t *testing.T, dir string) {
	t.Helper()
	if os.Getenv(mountEnv) == "" {
		t.Fatal("the test has no mount namespace to itself")
	}
	must(t, unix.Mount("test", dir, "tmpfs", 0, ""))
}

// space is the namespace of a process, or "" where that may not be seen.
func space(t *testing.T, pid, kind string) string {
	t.Helper()
	ns, err := os.Readlink("/proc/" + pid + "/ns/" + kind)
	if err != nil && !errors.Is(err, os.ErrPermission) {
		t.Fatal(err)
	}
	return ns
}

// Veth makes a pair of devices in the test's own network namespace, veth(4).
// The test is skipped on a kernel that has none.
func Veth(t *testing.T, name, peer string) {
	t.Helper()
	header := rtnl.BytesOf(&unix.IfInfomsg{})
	var near, far, data, info rtnl.Attrs
	far.AddString(unix.IFLA_IFNAME, peer)
	data.Add(rtnl.VETH_INFO_PEER, slices.Concat(header, far.Bytes()))
	info.Add(unix.IFLA_INFO_KIND, []byte("veth"))
	info.AddNested(unix.IFLA_INFO_DATA, data)
	near.AddString(unix.IFLA_IFNAME, name)
	near.AddNested(unix.IFLA_LINKINFO, info)
	err := rtnetlink(t, unix.RTM_NEWLINK, header, near)
	if errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("this kernel has no veth devices")
	}
	must(t, err)
}

// SetLink sets the MTU of a device of the test's own network namespace, and
// brings it up.
func SetLink(t *testing.T, name string, mtu uint32) {
	t.Helper()
	msg := unix.IfInfomsg{Index: index(t, name), Flags: unix.IFF_UP, Change: unix.IFF_UP}
	var attrs rtnl.Attrs
	attrs.AddUint32(unix.IFLA_MTU, mtu)
	must(t, rtnetlink(t, unix.RTM_NEWLINK, rtnl.BytesOf(&msg), attrs))
}

// AddAddress gives a device of the test's own network namespace an address,
// with more attributes of ifaddrmsg, rtnetlink(7).
func AddAddress(t *testing.T, name, prefix string, scope uint8, more ...rtnl.Attr) {
	t.Helper()
	p := netip.MustParsePrefix(prefix)
	msg := unix.IfAddrmsg{Family: unix.AF_INET, Prefixlen: uint8(p.Bits()), Scope: scope, Index: uint32(index(t, name))}
	if p.Addr().Is6() {
		msg.Family = unix.AF_INET6
	}
	var attrs rtnl.Attrs
	attrs.Add(unix.IFA_LOCAL, p.Addr().AsSlice())
	attrs.Add(unix.IFA_ADDRESS, p.Addr().AsSlice())
	if err := rtnetlink(t, unix.RTM_NEWADDR, rtnl.BytesOf(&msg), append(attrs, more...)); err != nil {
		t.Fatalf("add address %s: %v", prefix, err)
	}
}

func index(t *testing.T, name string) int32 {
	t.Helper()
	i, err := net.InterfaceByName(name)
	must(t, err)
	return int32(i.Index)
}

// rtnetlink changes the network namespace of the thread, which has to be the
// test's own.
func rtnetlink(t *testing.T, kind uint16, header []byte, attrs rtnl.Attrs) error {
	t.Helper()
	if os.Getenv(networkEnv) == "" {
		t.Fatal("the test has no network namespace to itself")
	}
	c, err := rtnl.Open()
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Request(kind, unix.NLM_F_CREATE|unix.NLM_F_ACK, header, attrs)
	return err
}

// A Link is a network device as a process inside sees it: the program "links".
type Link struct {
	MTU       int
	MAC       string
	Up        bool
	Addresses []string // with the length of the prefix, but for link-local ones
}

// Within calls f with the thread in the network namespace that a descriptor
// refers to.
func Within(fd int, f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return err
	}
	err = f()
	if e := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); e != nil {
		return e // and the thread stays locked
	}
	runtime.UnlockOSThread()
	return err
}

// Links are the network devices of the calling thread's network namespace, by
// name.
func Links() (map[string]Link, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	links := map[string]Link{}
	for _, i := range all {
		addresses, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		l := Link{MTU: i.MTU, MAC: i.HardwareAddr.String(), Up: i.Flags&net.FlagUp != 0}
		for _, a := range addresses {
			if ip, _, err := net.ParseCIDR(a.String()); err == nil && !ip.IsLinkLocalUnicast() {
				l.Addresses = append(l.Addresses, a.String())
			}
		}
		links[i.Name] = l
	}
	return links, nil
}
