package ip

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func sorted(text string) string {
	lines := strings.SplitAfter(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// fill has iproute2 make all that it does make of the lines.
func fill(t *testing.T, lines string) {
	t.Helper()
	namespace(t, "one")
	for line := range strings.Lines(strings.TrimSpace(lines)) {
		debian(split("-n one " + line)...)
	}
}

// Routes are shown as iproute2 shows them, in every form.
func TestRouteShow(t *testing.T) {
	if !own(t) {
		return
	}
	fill(t, routes)
	for _, options := range []string{"", "-d", "-j", "-d -j", "-o", "-s", "-j -p", "-br", "-N", "-c=never", "-f inet6"} {
		for _, family := range []string{"", "-4", "-6"} {
			for _, selector := range []string{"", "table all", "table local", "table 100", "table 1000", "default", "dev d0", "via 10.0.0.2", "proto static",
				"type blackhole", "scope link", "root 198.51.0.0/16", "match 198.51.100.7", "exact 192.0.2.0/24", "10.0.0.0/24", "src 10.0.0.1",
				"cache", "metric 100", "realm 5", "table 5", "tos 0x10 table all", "to match 10.0.0.9", "proto all scope all"} {
				like(t, ours, strings.Join([]string{"-n one", options, family, "route show", selector}, " "))
			}
		}
	}
	like(t, ours, "-n one route")
	like(t, ours, "-n one r s ta all")
}

// The way of a packet is told as iproute2 tells it.
func TestRouteGet(t *testing.T) {
	if !own(t) {
		return
	}
	fill(t, routes)
	for _, options := range []string{"", "-d", "-j", "-o"} {
		for _, packet := range []string{"10.0.0.9", "192.0.3.5", "198.51.103.1", "198.51.101.1", "10.0.0.1", "2001:db8::1", "127.0.0.1", "192.0.2.7 mark 7",
			"192.0.2.7 from 10.0.0.1 iif v0", "192.0.2.7 oif d0", "192.0.3.7 fibmatch", "8.8.8.8 from 10.0.0.1", "8.8.8.8 uid 7",
			"8.8.8.8 ipproto tcp sport 5 dport 6", "default", "10.0.0.0/24", "255.255.255.255", "ff02::1 dev v0", "to 8.8.8.8 tos 8", "2001:db8:3::1",
			"2001:db8:2::1 fibmatch", "203.0.114.5", "203.0.116.7 connected from 10.0.0.1"} {
			like(t, ours, strings.Join([]string{"-n one", options, "route get", packet}, " "))
		}
	}
}

func TestNeighborShow(t *testing.T) {
	if !own(t) {
		return
	}
	fill(t, neighbors)
	for _, options := range []string{"", "-d", "-j", "-s", "-o", "-j -p", "-j -s", "-br"} {
		for _, family := range []string{"", "-4", "-6"} {
			for _, selector := range []string{"", "dev v0", "nud permanent", "nud all", "proxy", "to 10.0.0.0/29", "10.0.0.2", "nud none", "unused",
				"nud stale nud reachable", "nomaster"} {
				like(t, ours, strings.Join([]string{"-n one", options, family, "neigh show", selector}, " "))
			}
		}
	}
	for _, line := range []string{"neigh get 10.0.0.2 dev v0", "neigh get 10.0.0.99 dev v0", "neigh get proxy 10.0.0.7 dev v0"} {
		like(t, ours, "-n one "+line)
	}
}

// A flush takes away what iproute2's does, and says so as that does.
func TestFlush(t *testing.T) {
	if !own(t) {
		return
	}
	namespace(t, "ours")
	namespace(t, "debian")
	for line := range strings.Lines(strings.TrimSpace(routes + neighbors)) {
		debian(split("-n ours " + line)...)
		debian(split("-n debian " + line)...)
	}
	for _, line := range []string{"-s -s route flush root 198.51.0.0/16", "-s route flush root 198.51.0.0/16", "route flush table 1000", "-6 route flush proto boot",
		"-s route flush dev d0", "-s route flush cache", "-s neigh flush to 10.0.0.4", "neigh flush dev v0", "neigh flush nud permanent", "-s neigh flush all"} {
		got, want := ours(split("-n ours "+line)...), debian(split("-n debian "+line)...)
		if got.out != want.out || got.status != want.status {
			t.Errorf("ip %s:\n%s%s(%d) want\n%s%s(%d)", line, got.out, got.err, got.status, want.out, want.err, want.status)
		}
		for _, show := range []string{"route show table all", "-4 neigh show nud all"} {
			a, b := sorted(debian(split("-n ours "+show)...).out), sorted(debian(split("-n debian "+show)...).out)
			if a != b {
				t.Errorf("after ip %s, %s:\n%swant\n%s", line, show, a, b)
			}
		}
	}
}

// Names are kept and told as iproute2 does: each sees those of the other.
func TestNetns(t *testing.T) {
	if !own(t) {
		return
	}
	for _, name := range []string{"one", "two", "three"} {
		if r := ours("netns", "add", name); r.status != 0 {
			t.Fatal(r.err)
		}
	}
	must(t, "netns add theirs")
	sleep := exec.Command("sleep", "100")
	sleep.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		sleep.Process.Kill()
		sleep.Wait()
	}()
	pid := strconv.Itoa(sleep.Process.Pid)
	for _, line := range []string{"netns attach its " + pid, "netns set one 3", "netns set two auto", "-n one netns set three 7", "netns del theirs", "netns del two extra"} {
		if r := ours(split(line)...); r.status != 0 {
			t.Fatalf("%s: %s", line, r.err)
		}
	}
	for _, line := range []string{"netns", "netns list", "-j netns", "-j -p netns list", "netns list-id", "-j netns list-id", "netns list-id nsid 3", "netns list-id nsid 9",
		"netns list-id target-nsid 3", "netns list-id nsid 3 target-nsid 3", "-j netns list-id target-nsid 3", "-j netns list-id nsid 3 target-nsid 3", "netns identify " + pid, "netns identify", "netns pids its", "netns pids one",
		"-n one netns list-id", "netns add one", "netns set one 4", "netns frob", "netns add a/b", "netns add ..", "netns del none"} {
		like(t, ours, line)
	}
	for _, line := range []string{"netns exec one readlink /proc/self/ns/net", "netns exec one ls /sys/class/net", "netns exec one sh -c kill\t-9\t$$", "netns exec one false",
		"netns exec one /none", "-all netns exec readlink /proc/self/ns/net", "netns exec one"} {
		like(t, process, line)
	}
	if r := ours("-all", "netns", "del"); r.status != 0 || debian("netns").out != "" {
		t.Errorf("delete all: %s%s", r.err, debian("netns").out)
	}
}
