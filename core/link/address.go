package link

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/inet"
	"ocibox/core/rtnl"
)

// address is an address of a device, as RTM_NEWADDR gives and takes it,
// rtnetlink(7).
type address struct {
	msg   unix.IfAddrmsg
	attrs rtnl.Attrs
	label string // IFA_LABEL, of IPv4
	text  string // for errors
}

// keptFlags are those that say how an address is to be treated; the others of
// IFA_FLAGS are its state.
const keptFlags = unix.IFA_F_NODAD | unix.IFA_F_HOMEADDRESS | unix.IFA_F_MANAGETEMPADDR | unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_MCAUTOJOIN

// addresses lists those of a device that last and are valid everywhere
// (IFA_F_PERMANENT, RT_SCOPE_UNIVERSE): config-linux.md, "Network Devices". The
// kernel takes all away when the device leaves the namespace.
func (n *network) addresses(index int32) ([]address, error) {
	answers, err := n.conn.Request(unix.RTM_GETADDR, unix.NLM_F_DUMP, rtnl.BytesOf(&unix.IfAddrmsg{Family: unix.AF_UNSPEC}), nil)
	if err != nil {
		return nil, err
	}
	var list []address
	for _, b := range answers {
		if len(b) < unix.SizeofIfAddrmsg {
			return nil, fault.Op(nil, "RTM_NEWADDR of %d bytes is too short", len(b))
		}
		var msg unix.IfAddrmsg
		copy(rtnl.BytesOf(&msg), b)
		if msg.Index != uint32(index) || msg.Scope != unix.RT_SCOPE_UNIVERSE {
			continue
		}
		a, flags, err := readAddress(msg, b[unix.SizeofIfAddrmsg:])
		if err != nil {
			return nil, err
		}
		if flags&unix.IFA_F_PERMANENT != 0 {
			list = append(list, a)
		}
	}
	return list, nil
}

func readAddress(msg unix.IfAddrmsg, b []byte) (address, uint32, error) {
	flags := uint32(msg.Flags)
	msg.Flags = 0
	a := address{msg: msg}
	attrs, err := rtnl.ParseAttrs(b)
	for _, at := range attrs {
		switch at.Type {
		case unix.IFA_FLAGS:
			flags = binary.NativeEndian.Uint32(at.Value)
		case unix.IFA_LABEL:
			a.label = unix.ByteSliceToString(at.Value)
		case unix.IFA_ADDRESS, unix.IFA_LOCAL:
			if ip, ok := inet.AddrFrom(at.Value); ok && (a.text == "" || at.Type == unix.IFA_LOCAL) {
				a.text = fmt.Sprintf("%s/%d", ip, msg.Prefixlen)
			}
			fallthrough
		case unix.IFA_BROADCAST, unix.IFA_RT_PRIORITY, unix.IFA_CACHEINFO, rtnl.IFA_PROTO:
			a.attrs.Add(at.Type, at.Value)
		}
	}
	a.attrs.AddUint32(unix.IFA_FLAGS, flags&keptFlags)
	return a, flags, err
}

// relabelled is the label after the device was renamed, as the kernel has it:
// it begins with the device's name, which ":" and more may follow.
func relabelled(label, from, to string) string {
	rest, ok := strings.CutPrefix(label, from)
	switch {
	case !ok, rest != "" && rest[0] != ':':
		return label
	case len(to)+len(rest) >= unix.IFNAMSIZ:
		return to
	}
	return to + rest
}

// add gives an address to a device that was called from and is called to.
func (n *network) add(a address, index int32, from, to string) error {
	msg, attrs := a.msg, slices.Clip(a.attrs)
	msg.Index = uint32(index)
	if a.label != "" {
		attrs.AddString(unix.IFA_LABEL, relabelled(a.label, from, to))
	}
	_, err := n.conn.Request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE|unix.NLM_F_ACK, rtnl.BytesOf(&msg), attrs)
	if err != nil {
		return fault.Op(err, "add address %s to %s", a.text, to)
	}
	return nil
}
