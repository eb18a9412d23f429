package link

import (
	"errors"

	"golang.org/x/sys/unix"

	"ocibox/core/rtnl"
)

// A Neighbor is an entry of a neighbor table, as RTM_NEWNEIGH gives and takes
// it, rtnetlink(7).
type Neighbor struct {
	unix.NdMsg
	rtnl.Attrs
}

func (e *Neighbor) header() []byte { return rtnl.BytesOf(&e.NdMsg) }

// FlagsExt are its NTF_EXT_ flags.
func (e *Neighbor) FlagsExt() uint32 {
	f, _ := e.Uint32(rtnl.NDA_FLAGS_EXT)
	return f
}

// SetFlagsExt sets them.
func (e *Neighbor) SetFlagsExt(f uint32) { e.AddUint32(rtnl.NDA_FLAGS_EXT, f) }

// AddNeighbor makes an entry or changes one: flags as AddRoute's. The kernel
// makes it before it looks at its state and address; of one that it refuses
// then, nothing remains.
func (n *Network) AddNeighbor(e *Neighbor, flags int) error {
	err := n.change(unix.RTM_NEWNEIGH, flags, e.header(), e.Attrs)
	if err == nil || flags&unix.NLM_F_CREATE == 0 || errors.Is(err, unix.EEXIST) {
		return err
	}
	key := Neighbor{NdMsg: unix.NdMsg{Family: e.Family, Ifindex: e.Ifindex}}
	key.Add(unix.NDA_DST, e.Get(unix.NDA_DST))
	if made, e := n.GetNeighbor(&key); e == nil && len(made) == 1 && made[0].State == unix.NUD_NONE {
		return errors.Join(err, n.DeleteNeighbor(&key))
	}
	return err
}

// DeleteNeighbor deletes one.
func (n *Network) DeleteNeighbor(e *Neighbor) error {
	return n.change(unix.RTM_DELNEIGH, 0, e.header(), e.Attrs)
}

// Neighbors lists those of a family, or all with AF_UNSPEC; with NTF_PROXY in
// flags those that are answered for. of may hold NDA_IFINDEX and NDA_MASTER.
func (n *Network) Neighbors(family, flags uint8, of rtnl.Attrs) ([]Neighbor, error) {
	e := Neighbor{Attrs: of}
	e.Family, e.Flags = family, flags
	return n.neighbors(&e, unix.NLM_F_DUMP)
}

// GetNeighbor is the entry of a device, by its family, index and NDA_DST.
func (n *Network) GetNeighbor(e *Neighbor) ([]Neighbor, error) { return n.neighbors(e, 0) }

func (n *Network) neighbors(e *Neighbor, flags int) ([]Neighbor, error) {
	var list []Neighbor
	err := n.ask(unix.RTM_GETNEIGH, flags, e.header(), e.Attrs, unix.SizeofNdMsg, func(header []byte, a rtnl.Attrs) {
		entry := Neighbor{Attrs: a}
		copy(rtnl.BytesOf(&entry.NdMsg), header)
		list = append(list, entry)
	})
	return list, err
}
