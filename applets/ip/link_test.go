package ip

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// links are of every kind and setting. A kernel that does not know a kind
// refuses it to both.
const links = `
link add a0 index 20 address 02:00:00:00:00:20 type veth peer name a1 index 21 address 02:00:00:00:00:21
link add name b0 index 22 addr 02:00:00:00:00:22 mtu 1400 txqueuelen 5 numtxqueues 3 type veth peer b1 index 23 address 02:00:00:00:00:23 mtu 1300 up
link add a0 index 24 type veth peer name x1
link add br0 index 30 address 02:00:00:00:00:30 type bridge forward_delay 500 stp_state 1 priority 5 mcast_snooping 0 no_linklocal_learn 1 group_fwd_mask 8 ageing_time 7000 group_addr 01:80:c2:00:00:05
link add br1 index 31 address 02:00:00:00:00:31 type bridge vlan_filtering 1 vlan_protocol 802.1ad vlan_default_pvid 7
link set a1 master br0
link set a1 type bridge_slave priority 5 cost 77 hairpin on guard on flood off mcast_fast_leave on group_fwd_mask 9 isolated on
link set dev a0 up
link set a1 up mtu 1450 alias text
link set br0 up promisc on allmulticast on multicast off arp off
link set br0 txqlen 77 group 5
l s b0 name c0
link add link a0 index 40 address 02:00:00:00:00:40 name mv0 type macvlan mode bridge
link add link a0 index 41 address 02:00:00:00:00:41 mv1 type macvlan mode source
link set mv1 type macvlan macaddr add 02:00:00:00:00:77
link set mv1 type macvlan macaddr set 02:00:00:00:00:78 02:00:00:00:00:79
link set mv1 type macvlan macaddr del 02:00:00:00:00:78
link add link a0 index 42 address 02:00:00:00:00:42 mv2 type macvlan mode bridge bcqueuelen 99 nodst
link add link c0 index 43 address 02:00:00:00:00:43 mv3 type macvlan mode passthru nopromisc
link add link a0 index 44 address 02:00:00:00:00:44 mt0 type macvtap mode vepa
link add link nope mv4 type macvlan
link add du0 index 50 address 02:00:00:00:00:50 type dummy
link add link c0 name c0.5 index 51 type vlan id 5
link add link c0 index 52 vl1 type vlan protocol 802.1ad id 6 reorder_hdr off gvrp on loose_binding on ingress-qos-map 1:2 3:4 egress-qos-map 5:6
link add link c0 index 53 iv0 type ipvlan mode l3s private
link add link b1 index 54 iv1 type ipvlan mode l2 bridge
link add vrf0 index 55 address 02:00:00:00:00:55 type vrf table 77
link set du0 master vrf0
link set c0 addrgenmode none
link set b1 addrgenmode random
link set c0 address 02:00:00:00:00:99 brd ff:ff:ff:ff:ff:fe
link set c0 address 02:00
link set c0 address zz
link set c0 mtu 10
link set c0 mtu x
link set c0 netns nope
link set c0 master nope
link set c0 nomaster
link set c0 frob
link set nope up
link set group 5 down
link set c0 group nope
link set c0 carrier off
link set c0 protodown on
link set c0 gso_max_size 60000 gso_max_segs 100
link property add dev c0 altname averyveryverylongname altname second altname third
link property del dev c0 altname second
link del mv2
link delete nope
link del
link add
link add foo
link add foo type nosuch
`

const addresses = `
addr add 10.1.0.1/24 brd + dev v0 label v0:1
addr add 10.1.0.2/24 dev v0
addr add 10.1.0.2/24 dev v0
addr add local 10.1.1.1/24 broadcast 10.1.1.99 scope link dev v0
addr add 10.1.2.1 peer 10.1.2.2/30 dev v0
a a 10.1.3.1/24 brd - metric 55 noprefixroute dev v0
addr add 10.1.4.1/24 valid_lft 1000 preferred_lft 500 dev v0
addr add 10.1.4.2/24 valid_lft 100 preferred_lft 500 dev v0
addr add 10.1.4.2/24 valid_lft 0 dev v0
addr add 10.1.4.2/24 valid_lft x dev v0
addr add 10.1.5.1 dev v0
addr add 127.0.0.5/8 dev lo
addr add 2001:db8:1::1/64 dev v0 nodad
addr add 2001:db8:1::2/64 dev v0 home nodad optimistic
addr add 2001:db8:1::3/64 peer 2001:db8:1::4 dev v0 nodad preferred_lft 0
addr add 2001:db8:1::5/64 dev v0 metric 7 mngtmpaddr nodad
addr add 2001:db8:1::/129 dev v0
addr add 10.1.9.1/24 label other:1 dev v0
addr add 10.1.9.1/33 dev v0
addr add 10.1.9.1/24
addr add 10.1.9.1/24 dev nope
addr add 10.1.9.1/24 scope frob dev v0
addr add 10.1.9.1/24 10.1.9.2/24 dev v0
addr change 10.1.4.1/24 valid_lft 2000 preferred_lft 1000 dev v0
addr replace 10.1.6.1/24 dev v0
addr replace 10.1.6.1/24 dev v0 metric 4
addr del 10.1.0.2/24 dev v0
addr del 10.1.9.9/24 dev v0
addr del 10.1.0.1/25 dev v0
addr flush
addr flush dev nope
addr flush dev v1 scope global
addr flush to 10.1.3.0/24
`

func TestLinkChange(t *testing.T) { change(t, links, "-d link") }

func TestAddressChange(t *testing.T) { change(t, addresses, "-d addr", "route", "-6 route") }

// Devices and addresses are shown as iproute2 shows them, in every form.
func TestLinkShow(t *testing.T) {
	if !own(t) {
		return
	}
	fill(t, links+addresses+"link set v0 alias a\"b\\\n")
	must(t, "netns add two")
	must(t, "-n one link add far type veth peer name near netns two")
	must(t, fmt.Sprintf("-n one link add away type veth peer name there netns %d", os.Getpid())) // which has no name
	for _, options := range []string{"", "-d", "-j", "-d -j", "-j -p", "-d -j -p", "-br", "-br -j", "-o", "-o -d", "-o -br", "-s", "-s -s", "-s -s -j", "-o -j",
		"-4", "-6", "-4 -j", "-6 -d", "-6 -br", "-4 -o", "-0", "-N", "-f inet", "-f link", "-c=never"} {
		for _, line := range []string{"link", "link show v0", "link show dev br0", "link show up", "link show type bridge", "link show type bridge_slave",
			"link show master br0", "link show nomaster", "link show group 5", "l s averyveryverylongname", "link show nope",
			"addr", "a s v0", "addr show up", "addr show to 10.0.0.0/8", "addr show scope link", "addr show scope host", "addr show permanent",
			"addr show dynamic", "addr show label v0*", "addr show primary", "addr show -tentative", "addr show type veth", "addr show nodad", "addr show master br0",
			"addr show up scope global", "addr show nope", "addr show to 2001:db8::/32"} {
			like(t, ours, strings.Join([]string{"-n one", options, line}, " "))
		}
	}
}

// What iproute2 says of a flush is said.
func TestAddressFlush(t *testing.T) {
	if !own(t) {
		return
	}
	namespace(t, "ours")
	namespace(t, "debian")
	for line := range strings.Lines(strings.TrimSpace(addresses)) {
		debian(split("-n ours " + line)...)
		debian(split("-n debian " + line)...)
	}
	for _, line := range []string{"-s -s addr flush to 10.1.1.0/24", "-s addr flush to 10.1.1.0/24", "-s addr flush dev v0 label v0:1", "-s -4 addr flush dev v0 primary",
		"addr flush dev v0 permanent", "-s addr flush dev v0", "-6 addr flush scope global"} {
		got, want := ours(split("-n ours "+line)...), debian(split("-n debian "+line)...)
		if still(got.out) != still(want.out) || got.status != want.status {
			t.Errorf("ip %s:\n%s%s(%d) want\n%s%s(%d)", line, got.out, got.err, got.status, want.out, want.err, want.status)
		}
		if a, b := still(debian(split("-n ours addr")...).out), still(debian(split("-n debian addr")...).out); a != b {
			t.Errorf("after ip %s:\n%swant\n%s", line, a, b)
		}
	}
}

// A device moves to the namespace that a name, a file or a pid means.
func TestLinkMove(t *testing.T) {
	if !own(t) {
		return
	}
	namespace(t, "one")
	must(t, "netns add two")
	sleep := exec.Command("ip", "netns", "exec", "two", "sleep", "100")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		sleep.Process.Kill()
		sleep.Wait()
	}()
	pid := fmt.Sprint(sleep.Process.Pid)
	for end := time.Now().Add(20 * time.Second); !strings.Contains(debian("netns", "pids", "two").out, pid); {
		if time.Now().After(end) {
			t.Fatal("the process is not there")
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, to := range []string{"two", "/run/netns/two", pid, "/proc/" + pid + "/ns/net"} {
		if r := ours("-n", "one", "link", "set", "v0", "netns", to); r.status != 0 {
			t.Errorf("to %s: %s", to, r.err)
		}
		if r := ours("-n", "two", "link", "set", "v0", "name", "moved", "netns", "one"); r.status != 0 {
			t.Errorf("back from %s: %s", to, r.err)
		}
		if r := ours("-n", "one", "link", "set", "moved", "name", "v0"); r.status != 0 {
			t.Errorf("back from %s: %s", to, r.err)
		}
	}
	if r := ours("-n", "one", "link", "add", "p0", "type", "veth", "peer", "name", "p1", "netns", pid); r.status != 0 || debian("-n", "two", "link", "show", "p1").status != 0 {
		t.Error("a peer in another namespace: ", r.err)
	}
}

// many makes a namespace with pairs of devices, one of each with an address.
func many(t *testing.T, pairs int) {
	t.Helper()
	must(t, "netns add one")
	var batch strings.Builder
	for i := range pairs {
		fmt.Fprintf(&batch, "link add m%d type veth peer name n%d\naddr add 10.%d.%d.1/24 dev m%d\n", i, i, 1+i/250, i%250, i)
	}
	cmd := exec.Command("ip", "-n", "one", "-batch", "-")
	cmd.Stdin = strings.NewReader(batch.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
}

// Of 500 devices none is lost, and telling of them takes about as long as
// iproute2 needs.
func TestManyLinks(t *testing.T) {
	if !own(t) {
		return
	}
	many(t, 250)
	for _, line := range []string{"link", "-j link", "-br link", "-j addr", "-d -j link", "-o addr"} {
		like(t, process, "-n one "+line)
	}
	took := [2][]time.Duration{}
	for range 21 {
		for i, run := range []func(args ...string) result{process, debian} {
			begin := time.Now()
			if r := run("-n", "one", "-j", "link"); r.status != 0 || strings.Count(r.out, "ifindex") != 501 {
				t.Fatalf("%d devices: %s", strings.Count(r.out, "ifindex"), r.err)
			}
			took[i] = append(took[i], time.Since(begin))
		}
	}
	var median [2]time.Duration
	for i := range took {
		slices.Sort(took[i])
		median[i] = took[i][len(took[i])/2]
	}
	ratio := float64(median[0]) / float64(median[1])
	t.Logf("ip -j link of 501 devices: %.2f times iproute2's", ratio)
	if ratio > 4 {
		t.Errorf("ip -j link takes %.2f times as long as iproute2's", ratio)
	}
}

// Devices come and go while they are listed.
func TestLinksWhileTheyChange(t *testing.T) {
	if !own(t) {
		return
	}
	many(t, 60)
	done := make(chan bool)
	go func() {
		defer close(done)
		for i := range 60 {
			debian(split(fmt.Sprintf("-n one link del m%d", i))...)
		}
	}()
	for {
		r := ours("-n", "one", "-j", "addr")
		if r.status != 0 || !strings.HasSuffix(r.out, "]\n") {
			t.Fatal(r.err, len(r.out))
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

// A name that the kernel cannot have is refused before anything is asked of it.
func TestLinkNames(t *testing.T) {
	if !own(t) {
		return
	}
	namespace(t, "one")
	must(t, "netns add two")
	before := debian(split("-n one -d link")...).out
	for line, status := range map[string]int{
		"link add a-name-of-16-byt type veth":                     1,
		"link add a/b type veth":                                  1,
		"link set v0 name a-name-of-16-byt":                       1,
		"link add n0 type veth peer name a-name-of-16-byt":        1,
		"link add v0 type veth":                                   refused,
		"link set v0 name d0":                                     refused,
		"link set v0 netns /dev/null":                             1,
		"link set v0 netns gone":                                  misused,
		"link add n0 type veth peer name n1 netns gone":           misused,
		"link add n0 type veth peer name n1 netns /none/here":     1,
		"link add n0 type bridge frob 1":                          misused,
		"link add n0 type dummy frob 1":                           misused,
		"link add n0 type":                                        misused,
		"link set v0 mtu":                                         misused,
		"link set lo netns two":                                   refused,
		"link property add v0":                                    misused,
		"link frob":                                               misused,
		"link show frob frob":                                     misused,
		"addr add 10.0.9.1/24 label v0:averyverylonglabel dev v0": 1,
		"addr add any dev v0":                                     1,
		"addr add dev v0":                                         1,
		"addr add 10.0.9.1/24 tentative dev v0":                   misused,
		"addr del 10.0.9.1/24 dev v0":                             refused,
		"addr show scope frob":                                    misused,
	} {
		r := ours(append([]string{"-n", "one"}, split(line)...)...)
		if r.status != status || r.out != "" || strings.Count(r.err, "\n") < 1 || strings.Count(r.err, "\n") > 2 {
			t.Errorf("ip %s: exit status %d, not %d: %q%q", line, r.status, status, r.out, r.err)
		}
	}
	if after := debian(split("-n one -d link")...).out; after != before {
		t.Errorf("something has changed:\n%swas\n%s", after, before)
	}
	// A name may be as long as the kernel has it, and hold what is not ASCII.
	for _, name := range []string{strings.Repeat("x", unix.IFNAMSIZ-1), "é\"\\"} {
		if r := ours("-n", "one", "link", "add", name, "type", "veth"); r.status != 0 {
			t.Errorf("%q: %s", name, r.err)
		}
		like(t, ours, "-n one -j link show "+name)
	}
}

// Objects, their commands, and the names of devices and of namespaces are
// completed.
func TestComplete(t *testing.T) {
	if !own(t) {
		return
	}
	for _, line := range []string{"link add v0 type veth peer name v1", "netns add blue"} {
		must(t, line)
	}
	for line, want := range map[string]string{"": "address route link neighbor netns", "ne": "neighbor netns", "link se": "set", "netns de": "delete",
		"link set v": "v0 v1", "addr show": "", "address show l": "lo", "address add 10.0.0.1/24 dev v": "v0 v1", "netns exec b": "blue", "frob x": ""} {
		words := split(line)
		if line == "" || strings.HasSuffix(line, " ") {
			words = append(words, "")
		}
		var got []string
		for _, c := range Syntax().Complete(words).Candidates {
			got = append(got, c.Word)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
