package link

import (
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/rtnl"
)

// NoID stands for the number of a namespace that has none, and asks for the
// next that is free.
const NoID = -1

// A PeerID is the number that another network namespace has in this one.
type PeerID struct {
	ID      int32 // NoID if it has none
	Current int32 // its number here; only where Foreign
	Foreign bool  // ID is that in another namespace, which was asked for
}

func numberOf(a rtnl.Attrs, kind uint16) int32 {
	v, ok := a.Uint32(kind)
	if !ok {
		return NoID
	}
	return int32(v)
}

// rtgenmsg has a family, and its padding.
var rtgenmsg = []byte{unix.AF_UNSPEC, 0, 0, 0}

func (n *Network) ids(flags int, of rtnl.Attrs) ([]PeerID, error) {
	var list []PeerID
	err := n.ask(unix.RTM_GETNSID, flags, rtgenmsg, of, len(rtgenmsg), func(_ []byte, a rtnl.Attrs) {
		list = append(list, PeerID{numberOf(a, unix.NETNSA_NSID), numberOf(a, unix.NETNSA_CURRENT_NSID), a.Get(unix.NETNSA_CURRENT_NSID) != nil})
	})
	return list, err
}

// PeerIDs are the numbers that this namespace has given, or, with another's
// number as target, those which that one has.
func (n *Network) PeerIDs(target int32) ([]PeerID, error) {
	return n.ids(unix.NLM_F_DUMP, inTarget(nil, target))
}

func inTarget(a rtnl.Attrs, target int32) rtnl.Attrs {
	if target != NoID {
		a.AddUint32(unix.NETNSA_TARGET_NSID, uint32(target))
	}
	return a
}

// PeerID is the number of the namespace that a descriptor refers to.
func (n *Network) PeerID(fd int) (int32, error) {
	var a rtnl.Attrs
	a.AddUint32(unix.NETNSA_FD, uint32(fd))
	list, err := n.ids(0, a)
	if err == nil && len(list) != 1 {
		err = fault.Op(nil, "RTM_GETNSID got %d answers, not 1", len(list))
	}
	if err != nil {
		return NoID, err
	}
	return list[0].ID, nil
}

// TranslatePeerID is what the namespace that has a number here has in another one.
func (n *Network) TranslatePeerID(id, target int32) ([]PeerID, error) {
	var a rtnl.Attrs
	a.AddUint32(unix.NETNSA_NSID, uint32(id))
	return n.ids(0, inTarget(a, target))
}

// SetPeerID gives a namespace a number, which may be NoID.
func (n *Network) SetPeerID(fd int, id int32) error {
	var a rtnl.Attrs
	a.AddUint32(unix.NETNSA_FD, uint32(fd))
	a.AddUint32(unix.NETNSA_NSID, uint32(id))
	return n.change(unix.RTM_NEWNSID, 0, rtgenmsg, a)
}
