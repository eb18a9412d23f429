package link

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/rtnl"
)

// A Link is a network device, as RTM_NEWLINK gives and takes it, rtnetlink(7).
type Link struct {
	unix.IfInfomsg
	rtnl.Attrs
}

func (l *Link) header() []byte { return rtnl.BytesOf(&l.IfInfomsg) }

// Name is the device's.
func (l *Link) Name() string { return l.String(unix.IFLA_IFNAME) }

// Kind is the type of a virtual device, such as "veth", or "".
func (l *Link) Kind() string { return l.Nested(unix.IFLA_LINKINFO).String(unix.IFLA_INFO_KIND) }

// Links lists the devices, in what of a family is told of them; of may hold
// IFLA_MASTER and IFLA_LINKINFO with a kind, which AF_INET and AF_INET6 do not
// look at. Counters come only with stats.
func (n *Network) Links(family uint8, stats bool, of rtnl.Attrs) ([]Link, error) {
	l := Link{}
	l.Family = family
	if family == unix.AF_UNSPEC || family == unix.AF_PACKET { // the others take none
		l.Attrs = of
		l.addMask(stats)
	}
	return n.links(&l, unix.NLM_F_DUMP)
}

// Link is the device of that name, which may be one of its other names.
func (n *Network) Link(name string, stats bool) (*Link, error) {
	l := Link{}
	if len(name) < unix.IFNAMSIZ {
		l.AddString(unix.IFLA_IFNAME, name)
	} else {
		l.AddString(unix.IFLA_ALT_IFNAME, name)
	}
	l.addMask(stats)
	list, err := n.links(&l, 0)
	if err == nil && len(list) != 1 {
		err = fault.Op(nil, "RTM_GETLINK got %d answers, not 1", len(list))
	}
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

func (l *Link) addMask(stats bool) {
	mask := uint32(rtnl.RTEXT_FILTER_VF)
	if !stats {
		mask |= rtnl.RTEXT_FILTER_SKIP_STATS
	}
	l.AddUint32(unix.IFLA_EXT_MASK, mask)
}

func (n *Network) links(l *Link, flags int) ([]Link, error) {
	var list []Link
	err := n.ask(unix.RTM_GETLINK, flags, l.header(), l.Attrs, unix.SizeofIfInfomsg, func(header []byte, a rtnl.Attrs) {
		link := Link{Attrs: a}
		copy(rtnl.BytesOf(&link.IfInfomsg), header)
		list = append(list, link)
	})
	return list, err
}

// SetLink makes a device, with NLM_F_CREATE and NLM_F_EXCL in flags, or changes
// the one that l.Index says.
func (n *Network) SetLink(l *Link, flags int) error {
	return n.change(unix.RTM_NEWLINK, flags, l.header(), l.Attrs)
}

// DeleteLink deletes the device that l.Index says, or those of an IFLA_GROUP.
func (n *Network) DeleteLink(l *Link) error {
	return n.change(unix.RTM_DELLINK, 0, l.header(), l.Attrs)
}

// SetAltNames gives a device other names, or takes them.
func (n *Network) SetAltNames(l *Link, add bool) error {
	if add {
		return n.change(unix.RTM_NEWLINKPROP, unix.NLM_F_EXCL|unix.NLM_F_CREATE|unix.NLM_F_APPEND, l.header(), l.Attrs)
	}
	return n.change(unix.RTM_DELLINKPROP, 0, l.header(), l.Attrs)
}

// An Address is one of a device, as RTM_NEWADDR gives and takes it.
type Address struct {
	unix.IfAddrmsg
	rtnl.Attrs
}

func (a *Address) header() []byte { return rtnl.BytesOf(&a.IfAddrmsg) }

// AllFlags are its IFA_F_ flags, of which the header holds the first eight.
func (a *Address) AllFlags() uint32 {
	if f, ok := a.Uint32(unix.IFA_FLAGS); ok {
		return f
	}
	return uint32(a.Flags)
}

// Lifetimes are for how many seconds from now an address is valid and is to be
// used; all ones are for ever.
type Lifetimes = struct{ Valid, Prefered uint32 }

// Lifetimes are those that the kernel tells of, if it does.
func (a *Address) Lifetimes() (l Lifetimes, ok bool) {
	// struct ifa_cacheinfo has them the other way round.
	b := a.Get(unix.IFA_CACHEINFO)
	if len(b) < 8 {
		return l, false
	}
	return Lifetimes{binary.NativeEndian.Uint32(b[4:]), binary.NativeEndian.Uint32(b)}, true
}

// SetLifetimes sets them.
func (a *Address) SetLifetimes(l Lifetimes) {
	info := unix.IfaCacheinfo{Prefered: l.Prefered, Valid: l.Valid}
	a.Add(unix.IFA_CACHEINFO, rtnl.BytesOf(&info))
}

// Addresses lists those of a family, or all with AF_UNSPEC; of one device, or of
// all with 0.
func (n *Network) Addresses(family uint8, index uint32) ([]Address, error) {
	var of Address
	of.Family, of.Index = family, index
	var list []Address
	err := n.ask(unix.RTM_GETADDR, unix.NLM_F_DUMP, of.header(), nil, unix.SizeofIfAddrmsg, func(header []byte, a rtnl.Attrs) {
		address := Address{Attrs: a}
		copy(rtnl.BytesOf(&address.IfAddrmsg), header)
		list = append(list, address)
	})
	return list, err
}

// SetAddress gives a device an address or changes one: flags as AddRoute's.
func (n *Network) SetAddress(a *Address, flags int) error {
	return n.change(unix.RTM_NEWADDR, flags, a.header(), a.Attrs)
}

// DeleteAddress takes one.
func (n *Network) DeleteAddress(a *Address) error {
	return n.change(unix.RTM_DELADDR, 0, a.header(), a.Attrs)
}

// Peer is a device as it stands within another's attributes, VETH_INFO_PEER.
func (l *Link) Peer() []byte { return append(append([]byte{}, l.header()...), l.Bytes()...) }

// Counters of a device, in the order of struct rtnl_link_stats64.
const (
	RxPackets = iota
	TxPackets
	RxBytes
	TxBytes
	RxErrors
	TxErrors
	RxDropped
	TxDropped
	Multicast
	Collisions
	RxLengthErrors
	RxOverErrors
	RxCRCErrors
	RxFrameErrors
	RxFIFOErrors
	RxMissedErrors
	TxAbortedErrors
	TxCarrierErrors
	TxFIFOErrors
	TxHeartbeatErrors
	TxWindowErrors
	counters
)

// Stats are the device's counters, if they were asked for.
func (l *Link) Stats() (s [counters]uint64, ok bool) {
	b := l.Get(unix.IFLA_STATS64)
	for i := range s {
		if len(b) >= 8*(i+1) {
			s[i] = binary.NativeEndian.Uint64(b[8*i:])
		}
	}
	return s, b != nil
}
