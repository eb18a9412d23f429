package ip

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/link"
	"ocibox/core/rtnl"
)

// linkFlags are in the order in which they are shown. IFF_RUNNING is shown as
// NO-CARRIER where it is missing.
var linkFlags = [...]bit{
	{unix.IFF_LOOPBACK, "LOOPBACK"}, {unix.IFF_BROADCAST, "BROADCAST"}, {unix.IFF_POINTOPOINT, "POINTOPOINT"}, {unix.IFF_MULTICAST, "MULTICAST"},
	{unix.IFF_NOARP, "NOARP"}, {unix.IFF_ALLMULTI, "ALLMULTI"}, {unix.IFF_PROMISC, "PROMISC"}, {unix.IFF_MASTER, "MASTER"}, {unix.IFF_SLAVE, "SLAVE"},
	{unix.IFF_DEBUG, "DEBUG"}, {unix.IFF_DYNAMIC, "DYNAMIC"}, {unix.IFF_AUTOMEDIA, "AUTOMEDIA"}, {unix.IFF_PORTSEL, "PORTSEL"},
	{unix.IFF_NOTRAILERS, "NOTRAILERS"}, {unix.IFF_UP, "UP"}, {unix.IFF_LOWER_UP, "LOWER_UP"}, {unix.IFF_DORMANT, "DORMANT"}, {unix.IFF_ECHO, "ECHO"},
}

var operStates = [...]string{"UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP"}

var genModes = [...]string{"eui64", "none", "stable_secret", "random"}

// hardwareTypes are the words for ARPHRD_ numbers.
var hardwareTypes = naming{max: 1<<16 - 1, known: []name{
	{unix.ARPHRD_ETHER, "ether"}, {unix.ARPHRD_LOOPBACK, "loopback"}, {unix.ARPHRD_NONE, "none"}, {unix.ARPHRD_VOID, "void"}, {unix.ARPHRD_PPP, "ppp"},
	{unix.ARPHRD_TUNNEL, "ipip"}, {unix.ARPHRD_TUNNEL6, "tunnel6"}, {unix.ARPHRD_SIT, "sit"}, {unix.ARPHRD_IPGRE, "gre"}, {unix.ARPHRD_IP6GRE, "gre6"},
	{unix.ARPHRD_INFINIBAND, "infiniband"}, {unix.ARPHRD_CAN, "can"}, {unix.ARPHRD_NETLINK, "netlink"}, {unix.ARPHRD_IEEE80211, "ieee802.11"},
	{unix.ARPHRD_IEEE80211_RADIOTAP, "ieee802.11/radiotap"}, {unix.ARPHRD_VSOCKMON, "vsockmon"}, {unix.ARPHRD_RAWIP, "rawip"},
}}

var groups = naming{file: "group", max: 1<<32 - 1, known: []name{{0, "default"}}}

// showOne shows a device as the filter has it. In JSON there is an object of
// each that the kernel tells of, if only an empty one, as iproute2 has it.
func (c *command) showOne(l *link.Link, all []link.Address, f *linkFilter) error {
	c.open("")
	shown, whole := false, false
	var err error
	switch {
	case c.oneline && !c.brief && f.family != unix.AF_PACKET, f.label != "" && f.addresses:
		shown = true // the addresses only
	case f.matches(l):
		shown = true
		if c.brief {
			err = c.showBrief(l, f)
		} else {
			err, whole = c.showLink(l, f), true
		}
	}
	if err == nil && shown && f.family != unix.AF_PACKET {
		err = c.showAddresses(l, all, f)
	}
	if err == nil && whole && f.addresses && c.stats > 0 {
		c.showStats(l)
		c.newline()
	}
	c.close()
	return err
}

// see keeps the names and the flags of a list that is whole: IPv6 may be off for
// a device.
func (c *command) see(list []link.Link, f *linkFilter) {
	if f.device != "" || f.master != 0 || f.free || f.kind != "" || c.family == unix.AF_INET6 {
		return
	}
	c.names, c.flags = map[int32]string{}, map[int32]uint32{}
	for i := range list {
		c.names[list[i].Index], c.flags[list[i].Index] = list[i].Name(), list[i].Flags
	}
}

// isDown says whether the device of that number is down.
func (c *command) isDown(index uint32) (bool, error) {
	if c.flags == nil {
		net, err := c.network()
		if err != nil {
			return false, err
		}
		list, err := net.Links(unix.AF_UNSPEC, false, nil)
		if err != nil {
			return false, err
		}
		c.flags = map[int32]uint32{}
		for i := range list {
			c.flags[list[i].Index] = list[i].Flags
		}
	}
	flags, ok := c.flags[int32(index)]
	return ok && flags&unix.IFF_UP == 0, nil
}

// showName prints the name with that of the device that it is on or that is its
// peer, and says whether that one is down.
func (c *command) showName(l *link.Link, format string) (down bool, err error) {
	text := l.Name()
	if on, ok := l.Uint32(unix.IFLA_LINK); ok {
		other := "NONE"
		switch {
		case on == 0 && c.json:
			c.null("link", "")
		case on == 0:
		case l.Get(unix.IFLA_LINK_NETNSID) != nil:
			// The number is that of another namespace.
			other = "if" + strconv.Itoa(int(on))
			if c.json {
				c.num("link_index", "", int64(on))
			}
		default:
			if down, err = c.isDown(on); err != nil {
				return false, err
			}
			if other, err = c.device(on); err != nil {
				return false, err
			}
			if c.json {
				c.str("link", "", other)
			}
		}
		if !c.json {
			text += "@" + other
		}
	}
	c.str("ifname", format, text)
	return down, nil
}

func (c *command) showLinkFlags(flags uint32, down bool) {
	c.array("flags")
	c.text("<")
	var list []string
	if flags&unix.IFF_UP != 0 && flags&unix.IFF_RUNNING == 0 {
		list = append(list, "NO-CARRIER")
	}
	flags &^= unix.IFF_RUNNING
	for _, b := range linkFlags {
		if flags&b.bit != 0 {
			flags &^= b.bit
			list = append(list, b.name)
		}
	}
	if flags != 0 {
		list = append(list, strconv.FormatUint(uint64(flags), 16))
	}
	if down {
		list = append(list, "M-DOWN")
	}
	c.strings(list)
	c.text("> ")
	c.endArray()
}

// strings are the elements of an array, with commas between them.
func (c *command) strings(list []string) {
	c.text("%s", strings.Join(list, ","))
	for _, s := range list {
		if c.json {
			c.str("", "", s)
		}
	}
}

func (c *command) showState(l *link.Link, format string) {
	v, ok := l.Number(unix.IFLA_OPERSTATE)
	switch {
	case !ok:
	case v >= uint64(len(operStates)):
		c.num("operstate_index", "state %#x ", int64(v))
	default:
		c.str("operstate", format, operStates[v])
	}
}

func (c *command) showBrief(l *link.Link, f *linkFilter) error {
	down, err := c.showName(l, "%-16s ")
	if err != nil {
		return err
	}
	c.showState(l, "%-14s ")
	if f.family == unix.AF_PACKET {
		if b := l.Get(unix.IFLA_ADDRESS); b != nil {
			c.str("address", "%s ", physical(b, l.Type))
		}
		c.showLinkFlags(l.Flags, down)
		c.text("\n")
	}
	return nil
}

// physical is an address of the link layer, which is an IP address of a tunnel.
func physical(b []byte, kind uint16) string {
	switch kind {
	case unix.ARPHRD_TUNNEL, unix.ARPHRD_SIT, unix.ARPHRD_IPGRE:
		if len(b) == 4 {
			return host(b)
		}
	case unix.ARPHRD_TUNNEL6, unix.ARPHRD_IP6GRE:
		if len(b) == 16 {
			return host(b)
		}
	}
	return hardware(b)
}

// number prints an attribute that is a number, if it is there.
func (c *command) number(a rtnl.Attrs, kind uint16, key, format string) {
	if v, ok := a.Number(kind); ok {
		c.num(key, format, int64(v))
	}
}

func (c *command) showLink(l *link.Link, f *linkFilter) error {
	devices := !f.addresses // what is said of devices only where they are asked for
	c.num("ifindex", "%d: ", int64(l.Index))
	down, err := c.showName(l, "%s: ")
	if err != nil {
		return err
	}
	c.showLinkFlags(l.Flags, down)
	c.number(l.Attrs, unix.IFLA_MTU, "mtu", "mtu %d ")
	if l.Get(unix.IFLA_QDISC) != nil {
		c.str("qdisc", "qdisc %s ", l.String(unix.IFLA_QDISC))
	}
	if master, ok := l.Uint32(unix.IFLA_MASTER); ok {
		if err := c.showDevice("master", master); err != nil {
			return err
		}
	}
	c.showState(l, "state %s ")
	if mode, ok := l.Number(unix.IFLA_LINKMODE); devices && ok {
		if mode > 1 {
			c.num("linkmode_index", "mode %d ", int64(mode))
		} else {
			c.str("linkmode", "mode %s ", [...]string{"DEFAULT", "DORMANT"}[mode])
		}
	}
	if g, ok := l.Uint32(unix.IFLA_GROUP); ok {
		c.str("group", "group %s ", groups.text(g, c.numeric))
	}
	if err := c.showQueue(l); err != nil {
		return err
	}
	if f.family == unix.AF_UNSPEC || f.family == unix.AF_PACKET || c.details > 0 {
		c.newline()
		c.showPhysical(l)
	}
	if err := c.showPeerNamespace(l); err != nil {
		return err
	}
	if v, _ := l.Number(unix.IFLA_PROTO_DOWN); v != 0 {
		c.truth("proto_down", " protodown on ", true)
	}
	if c.details > 0 {
		if err := c.showDetails(l, devices); err != nil {
			return err
		}
	}
	if devices || c.details > 0 {
		if alias := l.Get(unix.IFLA_IFALIAS); alias != nil {
			c.newline()
			c.str("ifalias", "    alias %s", l.String(unix.IFLA_IFALIAS))
		}
	}
	if devices && c.stats > 0 {
		c.newline()
		c.showStats(l)
	}
	if names := l.Get(unix.IFLA_PROP_LIST); names != nil {
		c.array("altnames")
		for _, at := range l.Nested(unix.IFLA_PROP_LIST) {
			if at.Type == unix.IFLA_ALT_IFNAME {
				c.newline()
				c.str("", "    altname %s", unix.ByteSliceToString(at.Value))
			}
		}
		c.endArray()
	}
	c.text("\n")
	return nil
}

// showQueue prints the length of the queue, of which the kernel tells only in
// what is told of no family.
func (c *command) showQueue(l *link.Link) error {
	size, ok := l.Uint32(unix.IFLA_TXQLEN)
	if !ok {
		net, err := c.network()
		if err != nil {
			return err
		}
		whole, err := net.Link(l.Name(), false)
		if errors.Is(err, unix.ENODEV) {
			return nil // it has gone meanwhile
		}
		if err != nil {
			return answer(err)
		}
		size, _ = whole.Uint32(unix.IFLA_TXQLEN)
	}
	if size != 0 {
		c.num("txqlen", "qlen %d", int64(size))
	}
	return nil
}

func (c *command) showPhysical(l *link.Link) {
	kind := hardwareTypes.text(uint32(l.Type), c.numeric)
	if kind[0] >= '0' && kind[0] <= '9' {
		kind = "[" + kind + "]"
	}
	c.str("link_type", "    link/%s ", kind)
	if b := l.Get(unix.IFLA_ADDRESS); b != nil {
		c.str("address", "%s", physical(b, l.Type))
	}
	b := l.Get(unix.IFLA_BROADCAST)
	if b == nil {
		return
	}
	word := " brd %s"
	if l.Flags&unix.IFF_POINTOPOINT != 0 {
		word = " peer %s"
		if c.json {
			c.truth("link_pointtopoint", "", true)
		}
	}
	c.str("broadcast", word, physical(b, l.Type))
}

// showPeerNamespace prints which namespace the peer is in.
func (c *command) showPeerNamespace(l *link.Link) error {
	v, ok := l.Uint32(unix.IFLA_LINK_NETNSID)
	if !ok {
		return nil
	}
	id := int32(v)
	if c.json {
		c.num("link_netnsid", "", int64(id))
		return nil
	}
	if id < 0 {
		c.text(" link-netnsid unknown")
		return nil
	}
	name, err := c.namespaceOf(id)
	if name != "" {
		c.text(" link-netns %s", name)
	} else {
		c.text(" link-netnsid %d", id)
	}
	return err
}

// namespaceOf is a name of the namespace that has this number here, or "".
func (c *command) namespaceOf(id int32) (string, error) {
	if c.peers == nil {
		c.peers = map[int32]string{}
		err := each(func(name string) error {
			id, err := c.peerID(name)
			if c.peers[id] == "" {
				c.peers[id] = name
			}
			return err
		})
		if err != nil {
			return "", answer(err)
		}
	}
	return c.peers[id], nil
}

// showDetails are those of -d.
func (c *command) showDetails(l *link.Link, devices bool) error {
	c.number(l.Attrs, unix.IFLA_PROMISCUITY, "promiscuity", " promiscuity %d ")
	c.number(l.Attrs, unix.IFLA_ALLMULTI, "allmulti", " allmulti %d ")
	c.number(l.Attrs, unix.IFLA_MIN_MTU, "min_mtu", "minmtu %d ")
	c.number(l.Attrs, unix.IFLA_MAX_MTU, "max_mtu", "maxmtu %d ")
	if l.Get(unix.IFLA_LINKINFO) != nil {
		c.showKind(l.Nested(unix.IFLA_LINKINFO))
	}
	if devices {
		of := l.Nested(unix.IFLA_AF_SPEC).Nested(unix.AF_INET6)
		if mode, ok := of.Number(unix.IFLA_INET6_ADDR_GEN_MODE); ok {
			text := fmt.Sprintf("%#02x", mode)
			if mode < uint64(len(genModes)) {
				text = genModes[mode]
			}
			c.str("inet6_addr_gen_mode", "addrgenmode %s ", text)
		}
	}
	for _, n := range [...]struct {
		kind      uint16
		key, word string
	}{
		{unix.IFLA_NUM_TX_QUEUES, "num_tx_queues", "numtxqueues"}, {unix.IFLA_NUM_RX_QUEUES, "num_rx_queues", "numrxqueues"},
		{unix.IFLA_GSO_MAX_SIZE, "gso_max_size", "gso_max_size"}, {unix.IFLA_GSO_MAX_SEGS, "gso_max_segs", "gso_max_segs"},
		{unix.IFLA_TSO_MAX_SIZE, "tso_max_size", "tso_max_size"}, {unix.IFLA_TSO_MAX_SEGS, "tso_max_segs", "tso_max_segs"},
		{unix.IFLA_GRO_MAX_SIZE, "gro_max_size", "gro_max_size"},
	} {
		c.number(l.Attrs, n.kind, n.key, n.word+" %d ")
	}
	for _, n := range [...]struct {
		kind         uint16
		key, word    string
		hexadecimals bool
	}{
		{unix.IFLA_PHYS_PORT_NAME, "phys_port_name", "portname", false}, {unix.IFLA_PHYS_PORT_ID, "phys_port_id", "portid", true},
		{unix.IFLA_PHYS_SWITCH_ID, "phys_switch_id", "switchid", true}, {unix.IFLA_PARENT_DEV_BUS_NAME, "parentbus", "parentbus", false},
		{unix.IFLA_PARENT_DEV_NAME, "parentdev", "parentdev", false},
	} {
		b := l.Get(n.kind)
		switch {
		case b == nil:
		case n.hexadecimals:
			c.str(n.key, n.word+" %s ", fmt.Sprintf("%x", b))
		default:
			c.str(n.key, n.word+" %s ", unix.ByteSliceToString(b))
		}
	}
	return nil
}
