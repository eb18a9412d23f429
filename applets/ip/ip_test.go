package ip

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"ocibox/applets/cli"
	"ocibox/core/bundletest"
)

// helperEnv makes the test binary the applet.
const helperEnv = "OCIBOX_IP_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) != "" {
		std := cli.Std{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
		os.Exit(cli.Report(std, "ip", Run(std, os.Args[1:])))
	}
	os.Exit(m.Run())
}

// result is how a command line ended.
type result struct {
	out, err string
	status   int
}

// ours runs the applet.
func ours(args ...string) result {
	var out, err bytes.Buffer
	std := cli.Std{In: os.Stdin, Out: &out, Err: &err}
	status := cli.Report(std, "ip", Run(std, args))
	return result{out.String(), err.String(), status}
}

// process runs the applet as a process of its own.
func process(args ...string) result {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), helperEnv+"=1")
	return finish(cmd)
}

// debian runs iproute2's ip.
func debian(args ...string) result { return finish(exec.Command("ip", args...)) }

func finish(cmd *exec.Cmd) result {
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	r := result{out.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.err, r.status = err.Error(), -1
	}
	return r
}

func split(line string) []string { return strings.Fields(line) }

// own says whether the test has a network and a mount namespace to itself, with
// an empty /run. It needs iproute2.
func own(t *testing.T) bool {
	t.Helper()
	if r := debian("-V"); !strings.Contains(r.out+r.err, "iproute2") {
		t.Skip("there is no ip here: Debian's package iproute2 has it")
	}
	if !bundletest.OwnNetwork(t) {
		return false
	}
	bundletest.Tmpfs(t, "/run")
	return true
}

// must runs iproute2's ip, which has to succeed.
func must(t *testing.T, line string) {
	t.Helper()
	if r := debian(split(line)...); r.status != 0 {
		t.Fatalf("ip %s: %s", line, r.err)
	}
}

// namespace makes one of that name with two pairs of devices. Two that are made
// so differ in nothing.
func namespace(t *testing.T, name string) {
	t.Helper()
	must(t, "netns add "+name)
	for _, line := range []string{
		"link set lo up",
		"link add v0 index 10 address 02:00:00:00:00:10 type veth peer name v1 index 11 address 02:00:00:00:00:11",
		"link add d0 index 12 address 02:00:00:00:00:12 type veth peer name d1 index 13 address 02:00:00:00:00:13",
		"link set v0 addrgenmode none", "link set v1 addrgenmode none", "link set d0 addrgenmode none", "link set d1 addrgenmode none",
		"addr add 10.0.0.1/24 dev v0", "addr add 2001:db8::1/64 dev v0 nodad",
		"link set v1 up", "link set d1 up", "link set v0 up", "link set d0 up",
	} {
		must(t, "-n "+name+" "+line)
	}
	// The kernel adds routes when it sees that the devices are up.
	for end := time.Now().Add(20 * time.Second); strings.Count(debian("-n", name, "-6", "route", "show", "table", "all").out, "ff00::/8") < 4; {
		if time.Now().After(end) {
			t.Fatal("the devices do not come up")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// like compares what both show, once more if it may be that a time has passed
// between them.
func like(t *testing.T, run func(args ...string) result, line string) {
	t.Helper()
	var got, want result
	for range 5 {
		got, want = run(split(line)...), debian(split(line)...)
		got.out, want.out = still(got.out), still(want.out)
		// Of a list that the kernel refuses, iproute2 shows the beginning in JSON.
		if got.status == want.status && (got.out == want.out || got.status == refused && got.out == "") {
			return
		}
	}
	a, b := differing(got.out, want.out)
	t.Errorf("ip %s:\n%s%s(%d) want\n%s%s(%d)", line, a, got.err, got.status, b, want.err, want.status)
}

// differing leaves out the lines with which two texts begin and end alike.
func differing(a, b string) (string, string) {
	x, y := strings.SplitAfter(a, "\n"), strings.SplitAfter(b, "\n")
	for len(x) > 0 && len(y) > 0 && x[0] == y[0] {
		x, y = x[1:], y[1:]
	}
	for len(x) > 0 && len(y) > 0 && x[len(x)-1] == y[len(y)-1] {
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	return strings.Join(x, ""), strings.Join(y, "")
}

// running are the timers of a bridge and the lifetimes of an address.
var running = regexp.MustCompile(`((?:_timer|_lft|_life_time)[ ":]+)[0-9.]+`)

// still takes out what changes by itself.
func still(text string) string { return running.ReplaceAllString(text, "${1}N") }

// routes are of every kind.
const routes = `
route add default via 10.0.0.2 metric 100 mtu 1400 advmss lock 1200
route add 192.0.2.0/24 dev d0 scope link src 10.0.0.1 proto static realm 5
route add 192.0.3.0/24 nexthop via 10.0.0.3 weight 3 nexthop dev d0 onlink via 10.9.9.9 realm 3/4
route add blackhole 198.51.100.0/24
route add unreach 198.51.101.1 metric 7
route add prohibit 198.51.102.0/23
route add throw 198.51.104.0/24 table 100
route add 203.0.113.0/24 via 10.0.0.4 table 1000 tos 0x10 rtt 300ms rttvar 1.5s hoplimit 20 initcwnd 3 initrwnd 4 quickack 1 features ecn congctl reno window 100 ssthresh 7 rto_min 5s cwnd 5 reord 4
route add 203.0.114.0/24 via inet6 2001:db8::5 dev v0
route add 203.0.115.0/255.255.255.0 via 10.7.7.7 dev d0 onlink
route add local 203.0.116.0/24 dev lo
route add broadcast 203.0.117.255 dev d0
route add multicast 239.1.0.0/16 dev d0
route add 203.0.118.0/24 dev v0 proto 200 metric 5 scope 77 ttl-propagate enabled
route add to 203.0.119 dev v0 protocol dhcp pref high realms 2/
-6 route add default via 2001:db8::2 pref high metric 5
-6 route add 2001:db8:1::/48 nexthop via 2001:db8::3 weight 2 nexthop via 2001:db8::4
-6 route add 2001:db8:2::/48 dev d0 mtu 1300 expires 500
route add blackhole 2001:db8:3::/48
-6 route add unreachable 2001:db8:4::1
-6 route add 2001:db8:5::/48 from 2001:db8:6::/48 dev d0
route append default via 10.0.0.7 metric 100
r p default via 10.0.0.8 metric 100
route add default via 10.0.0.9 metric 100
route change default via 10.0.0.10 metric 100
route replace 203.0.120.0/24 via 10.0.0.10
route replace 203.0.120.0/24 via 10.0.0.11
route change 203.0.121.0/24 via 10.0.0.11
route test default via 10.0.0.11 metric 100
route del blackhole 198.51.100.0/24
route del 198.51.100.0/24
route delete 203.0.115.0/24 via 10.0.0.99
route add 192.0.9.0/24
route add 192.0.9.1/24 via 10.0.0.2
route add 192.0.9.0/24 via 172.16.0.1
route add 192.0.9.0/24 via 10.0.0.2 src 10.0.0.99
`

// What is told to change routes changes them as if iproute2 had been told.
func TestRouteChange(t *testing.T) { change(t, routes, "-d route show table all") }

// neighbors are in every state that can be given.
const neighbors = `
neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev v0
neigh add 10.0.0.2 lladdr 02:00:00:00:00:03 dev v0
neigh add 10.0.0.3 lladdr 02:00:00:00:00:03 dev v0 nud reachable
neighbour add to 10.0.0.4 lladdr 02:00:00:00:00:04 dev v0 nud stale router
neigh add 10.0.0.5 dev v0 nud failed
neigh add 10.0.0.6 lladdr 02:00:00:00:00:06 dev d0 nud noarp
neigh add proxy 10.0.0.7 dev v0
n a 2001:db8::2 lladdr 02:00:00:00:00:12 dev v0 nud perm
neigh add 10.0.0.8 lladdr 02:00:00:00:00:06 dev d0 extern_learn
neigh add 10.0.0.9 lladdr 02:00:00:00:00:06 dev d0 protocol 5
neigh add 10.0.0.12 lladdr 02:00 dev d0
neigh change 10.0.0.13 lladdr 02:00:00:00:00:06 dev d0
neigh change 10.0.0.3 lladdr 02:00:00:00:00:33 dev v0 nud stale
neigh replace 10.0.0.9 lladdr 02:00:00:00:00:34 dev d0 nud stale
neigh del 10.0.0.8 dev d0
neigh del 10.0.0.99 dev v0
`

func TestNeighborChange(t *testing.T) {
	change(t, neighbors, "-4 neigh show nud all", "neigh show proxy")
}

// change runs the lines in two namespaces, by the applet and by iproute2, and
// compares what is there then.
func change(t *testing.T, lines string, shows ...string) {
	if !own(t) {
		return
	}
	namespace(t, "ours")
	namespace(t, "debian")
	for line := range strings.Lines(strings.TrimSpace(lines)) {
		got := ours(append([]string{"-n", "ours"}, split(line)...)...)
		want := debian(append([]string{"-n", "debian"}, split(line)...)...)
		if got.status != want.status || strings.Count(got.err, "\n") != min(got.status, 1) {
			t.Errorf("ip %s: exit status %d, %q; iproute2: %d, %q", line, got.status, got.err, want.status, want.err)
		}
	}
	for _, show := range shows {
		var got, want string
		// The kernel tells of what it does by itself a second later, or more.
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			// A hash table has no order that two namespaces share.
			got, want = sorted(still(debian(split("-n ours "+show)...).out)), sorted(still(debian(split("-n debian "+show)...).out))
			if got == want && want != "" || time.Now().After(end) {
				break
			}
		}
		if got != want || want == "" {
			t.Errorf("ip %s:\n%swant\n%s", show, got, want)
		}
	}
}
