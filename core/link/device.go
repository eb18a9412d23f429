package link

import (
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/rtnl"
)

// device is a network device, as its namespace has it.
type device struct {
	index int32
	name  string
	up    bool
}

// devices lists those of the namespace.
func (n *network) devices() ([]device, error) {
	answers, err := n.conn.Request(unix.RTM_GETLINK, unix.NLM_F_DUMP, rtnl.BytesOf(&unix.IfInfomsg{}), nil)
	if err != nil {
		return nil, fault.Op(err, "list network devices")
	}
	var list []device
	for _, a := range answers {
		d, err := readDevice(a)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// device finds the one that has this name, or else, without a name, the index.
func (n *network) device(name string, index int32) (device, error) {
	var attrs rtnl.Attrs
	if name != "" {
		attrs.AddString(unix.IFLA_IFNAME, name)
	}
	answers, err := n.conn.Request(unix.RTM_GETLINK, 0, rtnl.BytesOf(&unix.IfInfomsg{Index: index}), attrs)
	if err != nil {
		return device{}, err
	}
	if len(answers) != 1 {
		return device{}, fault.Op(nil, "RTM_GETLINK got %d answers, not 1", len(answers))
	}
	return readDevice(answers[0])
}

// readDevice reads the payload of an RTM_NEWLINK.
func readDevice(b []byte) (device, error) {
	if len(b) < unix.SizeofIfInfomsg {
		return device{}, fault.Op(nil, "RTM_NEWLINK of %d bytes is too short", len(b))
	}
	var msg unix.IfInfomsg
	copy(rtnl.BytesOf(&msg), b)
	attrs, err := rtnl.ParseAttrs(b[unix.SizeofIfInfomsg:])
	return device{index: msg.Index, name: attrs.String(unix.IFLA_IFNAME), up: msg.Flags&unix.IFF_UP != 0}, err
}

// setUp brings a device up.
func (n *network) setUp(index int32) error {
	msg := unix.IfInfomsg{Index: index, Flags: unix.IFF_UP, Change: unix.IFF_UP}
	_, err := n.conn.Request(unix.RTM_NEWLINK, unix.NLM_F_ACK, rtnl.BytesOf(&msg), nil)
	return err
}

// send moves a device to another namespace, where it gets this name and index.
func (n *network) send(index int32, to *network, name string, newIndex int32) error {
	var attrs rtnl.Attrs
	attrs.AddUint32(unix.IFLA_NET_NS_FD, uint32(to.file.Fd()))
	attrs.AddString(unix.IFLA_IFNAME, name)
	attrs.AddUint32(unix.IFLA_NEW_IFINDEX, uint32(newIndex))
	_, err := n.conn.Request(unix.RTM_NEWLINK, unix.NLM_F_ACK, rtnl.BytesOf(&unix.IfInfomsg{Index: index}), attrs)
	return err
}
