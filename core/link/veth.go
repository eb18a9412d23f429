package link

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/inet"
	"ocibox/core/rtnl"
)

// A Veth is a pair of devices to make, veth(4).
type Veth struct {
	Name, Peer               string
	Addresses, PeerAddresses []inet.Prefix
	MTU                      uint32 // of both; 0 is the kernel's default
	Bridge                   string // that Name becomes a port of, or ""
	Up                       bool   // both
}

// AddVeth makes the pair: Name in n, and Peer in there, which may be n. Of one
// that fails nothing remains.
func (n *Network) AddVeth(there *Network, v *Veth) error {
	for _, name := range []string{v.Name, v.Peer} {
		if err := CheckName(name); err != nil {
			return err
		}
	}
	var near, far, data, info rtnl.Attrs
	near.AddString(unix.IFLA_IFNAME, v.Name)
	far.AddString(unix.IFLA_IFNAME, v.Peer)
	far.AddUint32(unix.IFLA_NET_NS_FD, uint32(there.file.Fd()))
	if v.MTU != 0 {
		near.AddUint32(unix.IFLA_MTU, v.MTU)
		far.AddUint32(unix.IFLA_MTU, v.MTU)
	}
	if v.Bridge != "" {
		bridge, err := n.Index(v.Bridge)
		if err != nil {
			return err
		}
		near.AddUint32(unix.IFLA_MASTER, uint32(bridge))
	}
	data.Add(rtnl.VETH_INFO_PEER, (&Link{Attrs: far}).Peer())
	info.Add(unix.IFLA_INFO_KIND, []byte("veth"))
	info.AddNested(unix.IFLA_INFO_DATA, data)
	near.AddNested(unix.IFLA_LINKINFO, info)
	if err := n.SetLink(&Link{Attrs: near}, unix.NLM_F_CREATE|unix.NLM_F_EXCL); err != nil {
		return n.notMade(v, err)
	}
	if err := n.finish(there, v); err != nil {
		// With the one, the kernel takes the other.
		var name rtnl.Attrs
		name.AddString(unix.IFLA_IFNAME, v.Name)
		return and(err, n.DeleteLink(&Link{Attrs: name}))
	}
	return nil
}

// notMade says which name is taken, or what is no bridge, if that is why.
func (n *Network) notMade(v *Veth, err error) error {
	if errors.Is(err, unix.EEXIST) {
		if _, e := n.device(v.Name, 0); e == nil {
			return fault.Op(err, "there is a network device %s already", v.Name)
		}
		return fault.Op(err, "there is a network device %s already, where the peer is to be", v.Peer)
	}
	if v.Bridge != "" && errors.Is(err, unix.EOPNOTSUPP) {
		if l, e := n.Link(v.Bridge, false); e == nil && l.Kind() != "bridge" {
			return fault.Op(err, "make %s a port of %s, which is no bridge", v.Name, v.Bridge)
		}
	}
	with := ""
	if v.MTU != 0 {
		with = fmt.Sprintf(" with an MTU of %d", v.MTU)
	}
	return fault.Op(err, "make %s and its peer %s%s", v.Name, v.Peer, with)
}

// finish gives both ends their addresses, and brings them up.
func (n *Network) finish(there *Network, v *Veth) error {
	for _, end := range []struct {
		in        *Network
		name      string
		addresses []inet.Prefix
	}{{there, v.Peer, v.PeerAddresses}, {n, v.Name, v.Addresses}} {
		index, err := end.in.Index(end.name)
		if err != nil {
			return err
		}
		for _, p := range end.addresses {
			a := Address{}
			a.Family, a.Prefixlen, a.Index = unix.AF_INET6, uint8(p.Bits), uint32(index)
			if p.Addr.Is4() {
				a.Family = unix.AF_INET
			}
			a.Add(unix.IFA_LOCAL, p.Addr)
			a.Add(unix.IFA_ADDRESS, p.Addr)
			if err := end.in.SetAddress(&a, unix.NLM_F_CREATE|unix.NLM_F_EXCL); err != nil {
				return fault.Op(err, "give %s the address %s", end.name, p)
			}
		}
		if v.Up {
			if err := end.in.setUp(index); err != nil {
				return fault.Op(err, "set %s up", end.name)
			}
		}
	}
	return nil
}

// A VethEnd is one of a pair, as its namespace has it.
type VethEnd struct {
	Name      string
	Index     int32
	State     string // "up", "down", or "no carrier": up, but the peer is not
	MTU       uint32
	Addresses []inet.Prefix
	PeerIndex int32
	PeerNS    int32 // the number that the peer's namespace has, or NoID if it is the same
}

// Veths lists those of the namespace, each with its addresses.
func (n *Network) Veths() ([]VethEnd, error) {
	var of, info rtnl.Attrs
	info.Add(unix.IFLA_INFO_KIND, []byte("veth"))
	of.AddNested(unix.IFLA_LINKINFO, info)
	links, err := n.Links(unix.AF_UNSPEC, false, of)
	if err != nil {
		return nil, fault.Op(err, "list network devices")
	}
	addresses, err := n.Addresses(unix.AF_UNSPEC, 0)
	if err != nil {
		return nil, fault.Op(err, "list addresses")
	}
	var list []VethEnd
	for i := range links {
		l := &links[i]
		if l.Kind() != "veth" {
			continue
		}
		e := VethEnd{Name: l.Name(), Index: l.Index, PeerNS: numberOf(l.Attrs, unix.IFLA_LINK_NETNSID), State: "down"}
		if l.Flags&unix.IFF_UP != 0 {
			e.State = "up"
			if carrier, _ := l.Number(unix.IFLA_CARRIER); carrier == 0 {
				e.State = "no carrier"
			}
		}
		e.MTU, _ = l.Uint32(unix.IFLA_MTU)
		peer, _ := l.Uint32(unix.IFLA_LINK)
		e.PeerIndex = int32(peer)
		for j := range addresses {
			a := &addresses[j]
			if a.Index != uint32(l.Index) {
				continue
			}
			b := a.Get(unix.IFA_LOCAL)
			if b == nil {
				b = a.Get(unix.IFA_ADDRESS)
			}
			if ip, ok := inet.AddrFrom(b); ok {
				e.Addresses = append(e.Addresses, inet.Prefix{Addr: ip, Bits: int(a.Prefixlen)})
			}
		}
		list = append(list, e)
	}
	return list, nil
}

// Same says whether both are one namespace.
func (n *Network) Same(other *Network) (bool, error) { return n.same(other.network) }

// PeerNumber is the number that another namespace has in this one, or NoID.
func (n *Network) PeerNumber(other *Network) (int32, error) { return n.PeerID(int(other.file.Fd())) }
