package link

import (
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// device is a network device, as its namespace has it.
type device struct {
	index int32
	name  string
	up    bool
}

// devices lists those of the namespace.
func (n *network) devices() ([]device, error) {
	answers, err := n.request(unix.RTM_GETLINK, unix.NLM_F_DUMP, nl.NewIfInfomsg(unix.AF_UNSPEC))
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
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = index
	data := []nl.NetlinkRequestData{msg}
	if name != "" {
		data = append(data, nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	}
	answers, err := n.request(unix.RTM_GETLINK, 0, data...)
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
	msg := nl.DeserializeIfInfomsg(b)
	d := device{index: msg.Index, up: msg.Flags&unix.IFF_UP != 0}
	attrs, err := attributes(b[unix.SizeofIfInfomsg:])
	for _, a := range attrs {
		if a.Attr.Type == unix.IFLA_IFNAME {
			d.name = unix.ByteSliceToString(a.Value)
		}
	}
	return d, err
}

func attributes(b []byte) ([]syscall.NetlinkRouteAttr, error) {
	attrs, err := nl.ParseRouteAttr(b)
	if err != nil {
		return nil, fault.Op(err, "read an answer of rtnetlink")
	}
	return attrs, nil
}

// setUp brings a device up.
func (n *network) setUp(index int32) error {
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index, msg.Flags, msg.Change = index, unix.IFF_UP, unix.IFF_UP
	_, err := n.request(unix.RTM_NEWLINK, unix.NLM_F_ACK, msg)
	return err
}

// send moves a device to another namespace, where it gets this name and index.
func (n *network) send(index int32, to *network, name string, newIndex int32) error {
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = index
	_, err := n.request(unix.RTM_NEWLINK, unix.NLM_F_ACK, msg,
		nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(to.file.Fd()))),
		nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)),
		nl.NewRtAttr(unix.IFLA_NEW_IFINDEX, nl.Uint32Attr(uint32(newIndex))))
	return err
}
