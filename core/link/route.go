package link

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/rtnl"
)

// A Route is an entry of a routing table, as RTM_NEWROUTE gives and takes it,
// rtnetlink(7).
type Route struct {
	unix.RtMsg
	rtnl.Attrs
}

func (r *Route) header() []byte { return rtnl.BytesOf(&r.RtMsg) }

// TableID is the routing table's number, which may be too great for the header.
func (r *Route) TableID() uint32 {
	if t, ok := r.Uint32(unix.RTA_TABLE); ok {
		return t
	}
	return uint32(r.Table)
}

// SetTable sets it.
func (r *Route) SetTable(t uint32) {
	r.Table = unix.RT_TABLE_UNSPEC
	if t < 256 {
		r.Table = uint8(t)
	} else {
		r.AddUint32(unix.RTA_TABLE, t)
	}
}

// AddRoute makes a route or changes one: flags are NLM_F_CREATE, NLM_F_EXCL,
// NLM_F_REPLACE and NLM_F_APPEND, netlink(7).
func (n *Network) AddRoute(r *Route, flags int) error {
	return n.change(unix.RTM_NEWROUTE, flags, r.header(), r.Attrs)
}

// DeleteRoute deletes the first route that is as r says.
func (n *Network) DeleteRoute(r *Route) error {
	return n.change(unix.RTM_DELROUTE, 0, r.header(), r.Attrs)
}

// Routes lists the routes of a table, or all with 0, of a family, or all with
// AF_UNSPEC. With cloned they are those that the kernel has made of others for
// one destination.
func (n *Network) Routes(family uint8, table uint32, cloned bool) ([]Route, error) {
	var of Route
	of.Family = family
	if cloned {
		of.Flags = unix.RTM_F_CLONED
	}
	of.SetTable(table)
	return n.routes(&of, unix.NLM_F_DUMP)
}

// GetRoute is the route that a packet would take: r has where it goes to in
// RTA_DST, and may have more that it is known by.
func (n *Network) GetRoute(r *Route) ([]Route, error) { return n.routes(r, 0) }

func (n *Network) routes(r *Route, flags int) ([]Route, error) {
	var list []Route
	err := n.ask(unix.RTM_GETROUTE, flags, r.header(), r.Attrs, unix.SizeofRtMsg, func(header []byte, a rtnl.Attrs) {
		route := Route{Attrs: a}
		copy(rtnl.BytesOf(&route.RtMsg), header)
		list = append(list, route)
	})
	return list, err
}

// A Nexthop is one of the ways that a route of several has, RTA_MULTIPATH.
type Nexthop struct {
	unix.RtNexthop
	rtnl.Attrs
}

// Nexthops are those of a route.
func (r *Route) Nexthops() ([]Nexthop, error) {
	var list []Nexthop
	for b := r.Get(unix.RTA_MULTIPATH); len(b) >= unix.SizeofRtNexthop; {
		var h Nexthop
		copy(rtnl.BytesOf(&h.RtNexthop), b)
		size := int(h.Len)
		if size < unix.SizeofRtNexthop || size > len(b) {
			break
		}
		var err error
		if h.Attrs, err = rtnl.ParseAttrs(b[unix.SizeofRtNexthop:size]); err != nil {
			return nil, err
		}
		list = append(list, h)
		b = b[min((size+3)&^3, len(b)):]
	}
	return list, nil
}

// SetNexthops gives a route several ways.
func (r *Route) SetNexthops(list []Nexthop) {
	var b []byte
	for _, h := range list {
		attrs := h.Bytes()
		h.Len = uint16(unix.SizeofRtNexthop + len(attrs))
		b = append(append(b, rtnl.BytesOf(&h.RtNexthop)...), attrs...)
	}
	r.Add(unix.RTA_MULTIPATH, b)
}

// Family is an address family as it stands before an address, RTA_VIA.
func Family(f uint8) []byte { return binary.NativeEndian.AppendUint16(nil, uint16(f)) }

// FlushRouteCache has the kernel look up anew what it keeps of IPv4 routes.
func (n *Network) FlushRouteCache() error {
	return n.within(func() error {
		if err := os.WriteFile("/proc/sys/net/ipv4/route/flush", []byte("-1"), 0); err != nil {
			return fault.Op(err, "flush the route cache")
		}
		return nil
	})
}

// VRFTable is the routing table of a VRF device, IFLA_VRF_TABLE.
func (n *Network) VRFTable(name string) (uint32, error) {
	var of rtnl.Attrs
	of.AddString(unix.IFLA_IFNAME, name)
	answers, err := n.conn.Request(unix.RTM_GETLINK, 0, rtnl.BytesOf(&unix.IfInfomsg{}), of)
	if err != nil {
		return 0, fault.Op(err, "find network device %s", name)
	}
	for _, b := range answers {
		a, err := rtnl.ParseAttrs(b[min(len(b), unix.SizeofIfInfomsg):])
		if err != nil {
			return 0, err
		}
		info := a.Nested(unix.IFLA_LINKINFO)
		if info.String(unix.IFLA_INFO_KIND) != "vrf" {
			continue
		}
		if t, ok := info.Nested(unix.IFLA_INFO_DATA).Uint32(unix.IFLA_VRF_TABLE); ok {
			return t, nil
		}
	}
	return 0, fault.Op(nil, "%s is no VRF", name)
}
