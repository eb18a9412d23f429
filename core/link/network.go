package link

import (
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
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
	// The kernel then looks at what a list is to be of, and says what it does
	// not understand (Linux 4.20).
	if err := unix.SetsockoptInt(n.sock.Socket.GetFd(), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1); err != nil {
		n.close()
		return nil, fault.Op(err, "setsockopt(NETLINK_GET_STRICT_CHK)")
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

// An Attr is an attribute of an rtnetlink message.
type Attr struct {
	Type  uint16
	Value []byte
}

// Attrs are the attributes of a message, or those within one of them.
type Attrs []Attr

// Get is the value of the first attribute of that type, or nil.
func (a Attrs) Get(kind uint16) []byte {
	for _, at := range a {
		if at.Type == kind {
			return at.Value
		}
	}
	return nil
}

// Uint32 is the value of one that is a number.
func (a Attrs) Uint32(kind uint16) (v uint32, ok bool) {
	if b := a.Get(kind); len(b) >= 4 {
		return nl.NativeEndian().Uint32(b), true
	}
	return 0, false
}

// Add appends an attribute.
//
//go:noinline
func (a *Attrs) Add(kind uint16, value []byte) { *a = append(*a, Attr{kind, value}) }

// Set gives an attribute a value, in the place of the one that it has.
func (a *Attrs) Set(kind uint16, value []byte) {
	for i := range *a {
		if (*a)[i].Type == kind {
			(*a)[i].Value = value
			return
		}
	}
	a.Add(kind, value)
}

// AddUint32 appends one that is a number.
//
//go:noinline
func (a *Attrs) AddUint32(kind uint16, v uint32) { a.Add(kind, nl.Uint32Attr(v)) }

// Bytes are the attributes as they are within another one.
func (a Attrs) Bytes() []byte {
	var b []byte
	for _, at := range a.data() {
		b = append(b, at.Serialize()...)
	}
	return b
}

func (a Attrs) data() []nl.NetlinkRequestData {
	var list []nl.NetlinkRequestData
	for _, at := range a {
		list = append(list, nl.NewRtAttr(int(at.Type), at.Value))
	}
	return list
}

// ParseAttrs reads them, without a copy.
func ParseAttrs(b []byte) (Attrs, error) {
	n := 0
	for rest := b; len(rest) >= unix.SizeofRtAttr; n++ {
		size := int(nl.NativeEndian().Uint16(rest))
		if size < unix.SizeofRtAttr || size > len(rest) {
			return nil, fault.Op(unix.EINVAL, "read an answer of rtnetlink")
		}
		rest = rest[min((size+3)&^3, len(rest)):]
	}
	a := make(Attrs, n)
	for i := range a {
		size := int(nl.NativeEndian().Uint16(b))
		a[i] = Attr{nl.NativeEndian().Uint16(b[2:]) & nl.NLA_TYPE_MASK, b[unix.SizeofRtAttr:size]}
		b = b[min((size+3)&^3, len(b)):]
	}
	return a, nil
}

// raw is the fixed part of a message.
type raw []byte

func (r raw) Len() int          { return len(r) }
func (r raw) Serialize() []byte { return r }

// ask sends a message and reads the answers: each a fixed part of size bytes,
// and attributes.
func (n *Network) ask(kind uint16, flags int, header raw, attrs Attrs, size int, tell func(header []byte, a Attrs)) error {
	answers, err := n.request(kind, flags, append([]nl.NetlinkRequestData{header}, attrs.data()...)...)
	if err != nil {
		return err
	}
	for _, b := range answers {
		if len(b) < size {
			return fault.Op(nil, "an answer of rtnetlink of %d bytes is too short", len(b))
		}
		a, err := ParseAttrs(b[size:])
		if err != nil {
			return err
		}
		tell(b[:size], a)
	}
	return nil
}

// change sends a message that changes something.
func (n *Network) change(kind uint16, flags int, header raw, attrs Attrs) error {
	return n.ask(kind, flags|unix.NLM_F_ACK, header, attrs, 0, nil)
}

// Family is an address family as it stands before an address, RTA_VIA.
func Family(f uint8) []byte { return nl.Uint16Attr(uint16(f)) }
