package link

import (
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/rtnl"
)

// A Network is a network namespace that is open for rtnetlink(7).
type Network struct{ *network }

// Open opens the network namespace that path refers to; "" is that of the
// calling thread. The caller closes it.
func Open(path string) (*Network, error) {
	if path == "" {
		path = ownNS
	}
	n, err := openNetwork(path)
	if err != nil {
		return nil, err
	}
	if err := n.conn.CheckStrictly(); err != nil {
		n.close()
		return nil, err
	}
	return &Network{n}, nil
}

// Close lets go of the namespace.
func (n *Network) Close() { n.close() }

// Index is the number of the device of that name.
func (n *Network) Index(name string) (int32, error) {
	d, err := n.device(name, 0)
	if err != nil {
		return 0, fault.Op(err, "find network device %s", name)
	}
	return d.index, nil
}

// Names gives the devices' names by their numbers.
func (n *Network) Names() (map[int32]string, error) {
	list, err := n.devices()
	if err != nil {
		return nil, err
	}
	names := map[int32]string{}
	for _, d := range list {
		names[d.index] = d.name
	}
	return names, nil
}

// ask sends a message and reads the answers: each a fixed part of size bytes,
// and attributes.
func (n *Network) ask(kind uint16, flags int, header []byte, attrs rtnl.Attrs, size int, tell func(header []byte, a rtnl.Attrs)) error {
	answers, err := n.conn.Request(kind, flags, header, attrs)
	if err != nil {
		return err
	}
	for _, b := range answers {
		if len(b) < size {
			return fault.Op(nil, "an answer of rtnetlink of %d bytes is too short", len(b))
		}
		a, err := rtnl.ParseAttrs(b[size:])
		if err != nil {
			return err
		}
		tell(b[:size], a)
	}
	return nil
}

// change sends a message that changes something.
func (n *Network) change(kind uint16, flags int, header []byte, attrs rtnl.Attrs) error {
	return n.ask(kind, flags|unix.NLM_F_ACK, header, attrs, 0, nil)
}
