package link

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
	"ocibox/core/rtnl"
)

func open(t *testing.T) *Network {
	t.Helper()
	n, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// ready is the test's network with a device that has an address and is up; it
// gives the device's number.
func ready(t *testing.T) (*Network, int32) {
	t.Helper()
	bundletest.Veth(t, "v0", "v1")
	bundletest.AddAddress(t, "v0", "192.0.2.1/24", unix.RT_SCOPE_UNIVERSE)
	bundletest.SetLink(t, "v0", 1500)
	bundletest.SetLink(t, "v1", 1500)
	n := open(t)
	index, err := n.Index("v0")
	if err != nil {
		t.Fatal(err)
	}
	return n, index
}

// What the kernel says of a list that it refuses comes with the error.
func TestRefusedList(t *testing.T) {
	if !bundletest.OwnNetwork(t) {
		return
	}
	_, err := open(t).Routes(unix.AF_INET, 12345, false)
	if !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "FIB table does not exist") {
		t.Error(err)
	}
}

func TestRoutes(t *testing.T) {
	if !bundletest.OwnNetwork(t) {
		return
	}
	n, index := ready(t)
	route := func(via ...string) *Route {
		r := &Route{RtMsg: unix.RtMsg{Family: unix.AF_INET, Dst_len: 24, Protocol: unix.RTPROT_STATIC, Type: unix.RTN_UNICAST}}
		r.SetTable(1000)
		r.Add(unix.RTA_DST, []byte{198, 51, 100, 0})
		var hops []Nexthop
		for i, v := range via {
			h := Nexthop{RtNexthop: unix.RtNexthop{Ifindex: index, Hops: uint8(i)}}
			h.Add(unix.RTA_GATEWAY, netip.MustParseAddr(v).AsSlice())
			hops = append(hops, h)
		}
		r.SetNexthops(hops)
		return r
	}
	if err := n.AddRoute(route("192.0.2.2", "203.0.113.1"), unix.NLM_F_CREATE); !errors.Is(err, unix.ENETUNREACH) {
		t.Errorf("a gateway out of reach: %v", err)
	}
	if err := n.AddRoute(route("192.0.2.2", "192.0.2.3"), unix.NLM_F_CREATE|unix.NLM_F_EXCL); err != nil {
		t.Fatal(err)
	}
	list, err := n.Routes(unix.AF_INET, 1000, false)
	if err != nil || len(list) != 1 || list[0].TableID() != 1000 {
		t.Fatalf("%+v, %v", list, err)
	}
	hops, err := list[0].Nexthops()
	if err != nil || len(hops) != 2 || hops[1].Hops != 1 || string(hops[1].Get(unix.RTA_GATEWAY)) != "\xc0\x00\x02\x03" {
		t.Errorf("%+v, %v", hops, err)
	}
	if err := n.DeleteRoute(&list[0]); err != nil {
		t.Error(err)
	}
	if list, err := n.Routes(unix.AF_INET, 0, false); err != nil || len(list) == 0 {
		t.Errorf("all tables: %d, %v", len(list), err)
	}
}

// Next hops that end too early are none, and take nothing else with them.
func TestNexthopsCut(t *testing.T) {
	var r Route
	h := Nexthop{}
	h.Add(unix.RTA_GATEWAY, []byte{192, 0, 2, 1})
	r.SetNexthops([]Nexthop{h, h})
	whole := r.Get(unix.RTA_MULTIPATH)
	for size := range whole {
		cut := Route{Attrs: rtnl.Attrs{{Type: unix.RTA_MULTIPATH, Value: whole[:size]}}}
		hops, err := cut.Nexthops()
		if err != nil || len(hops) != size/(len(whole)/2) {
			t.Errorf("%d bytes: %d, %v", size, len(hops), err)
		}
	}
}

// Of a neighbor that the kernel refuses to fill, nothing remains; one that was
// there is as it was.
func TestNeighborRefused(t *testing.T) {
	if !bundletest.OwnNetwork(t) {
		return
	}
	n, index := ready(t)
	entry := func(hardware ...byte) *Neighbor {
		e := &Neighbor{NdMsg: unix.NdMsg{Family: unix.AF_INET, Ifindex: index, State: unix.NUD_PERMANENT}}
		e.Add(unix.NDA_DST, []byte{192, 0, 2, 2})
		if hardware != nil {
			e.Add(unix.NDA_LLADDR, hardware)
		}
		return e
	}
	count := func(want int) {
		t.Helper()
		if list, err := n.Neighbors(unix.AF_INET, 0, nil); err != nil || len(list) != want {
			t.Errorf("%+v, %v; want %d", list, err, want)
		}
	}
	if err := n.AddNeighbor(entry(), unix.NLM_F_CREATE|unix.NLM_F_EXCL); !errors.Is(err, unix.EINVAL) {
		t.Errorf("without an address: %v", err)
	}
	count(0)
	if err := n.AddNeighbor(entry(2, 0, 0, 0, 0, 2), unix.NLM_F_CREATE|unix.NLM_F_EXCL); err != nil {
		t.Fatal(err)
	}
	if err := n.AddNeighbor(entry(2, 0), unix.NLM_F_CREATE|unix.NLM_F_REPLACE); err == nil {
		t.Error("a short address was taken")
	}
	count(1)
}

// What the kernel has to say of one device may be longer than 32 KiB.
func TestLongAnswer(t *testing.T) {
	if !bundletest.OwnNetwork(t) {
		return
	}
	n, index := ready(t)
	var names rtnl.Attrs
	for i := range 300 {
		names.AddString(unix.IFLA_ALT_IFNAME, fmt.Sprintf("%0127d", i))
	}
	of := &Link{IfInfomsg: unix.IfInfomsg{Index: index}}
	of.AddNested(unix.IFLA_PROP_LIST, names)
	if err := n.SetAltNames(of, true); err != nil {
		t.Fatal(err)
	}
	l, err := n.Link("v0", true)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Nested(unix.IFLA_PROP_LIST); len(got) != len(names) || got[299].Type != unix.IFLA_ALT_IFNAME || string(got[299].Value) != string(names[299].Value) {
		t.Errorf("one: %d names", len(got))
	}
	list, err := n.Links(unix.AF_UNSPEC, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if got := list[i].Nested(unix.IFLA_PROP_LIST); list[i].Index == index && len(got) != len(names) {
			t.Errorf("in a list: %d names", len(got))
		}
	}
}
