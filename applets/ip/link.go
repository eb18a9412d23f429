package ip

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/fault"
	"ocibox/core/link"
	"ocibox/core/netns"
	"ocibox/core/rtnl"
)

// link is "ip link".
func (c *command) link(args []string) error {
	if len(args) == 0 {
		c.object = "show"
		return c.linkList(&words{}, false)
	}
	w := &words{args[1:]}
	c.object = pick(args[0], "add", "set", "change", "replace", "delete", "show", "lst", "list", "property")
	switch c.object {
	case "add":
		return c.linkModify(w, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	case "set", "change":
		return c.linkModify(w, 0)
	case "replace":
		return c.linkModify(w, unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
	case "delete":
		return c.linkModify(w, deletes)
	case "show", "lst", "list":
		return c.linkList(w, false)
	case "property":
		return c.linkProperty(w)
	}
	return bad("command %q is not known; there are: add, change, delete, list, property, replace, set, show", args[0])
}

// linkSpec is a device as a command line describes it.
type linkSpec struct {
	link.Link
	device, name string
	on           string // behind link: the device that it is on
	grouped      bool
	peer         bool // it is within another one's
	kind         string
	options      *words
}

// linkWords are those of a device, in ip's order. A word that is none of these
// is its name.
var linkWords = []string{"=up", "=down", "=name", "index", "link", "address", "broadcast", "=brd", "txqueuelen", "qlen", "=txqlen", "=mtu", "=netns",
	"=multicast", "=allmulticast", "=promisc", "=trailers", "=arp", "=carrier", "=dynamic", "=master", "=vrf", "=nomaster", "type", "alias", "=group", "=mode",
	"=state", "numtxqueues", "numrxqueues", "=addrgenmode", "=link-netns", "=link-netnsid", "=protodown", "=gso_max_size", "=gso_max_segs", "=gro_max_size", "=parentdev", "=dev"}

// readLink reads the words up to a type, whose options stay.
func (c *command) readLink(s *linkSpec, w *words) error {
	for w.more() {
		word := w.word()
		what := pick(word, linkWords...)
		switch what {
		case "up", "down":
			s.flag(unix.IFF_UP, what == "up")
			continue
		case "nomaster":
			s.AddUint32(unix.IFLA_MASTER, 0)
			continue
		case "":
			if s.device != "" {
				return bad("%q is neither a word of a device nor its first name", word)
			}
			s.device = word
			continue
		}
		value, err := w.next()
		if err != nil {
			return err
		}
		if what == "type" {
			s.kind, s.options = value, w
			break
		}
		if err := c.readLinkWord(s, what, value); err != nil {
			return err
		}
	}
	if s.name == "" {
		s.name = s.device
	}
	if s.peer && s.name != "" {
		if err := link.CheckNewName(s.name); err != nil {
			return err
		}
		s.AddString(unix.IFLA_IFNAME, s.name)
	}
	return nil
}

// flag sets a flag, or clears it.
func (s *linkSpec) flag(bit uint32, on bool) {
	s.Change |= bit
	s.Flags &^= bit
	if on {
		s.Flags |= bit
	}
}

func (c *command) readLinkWord(s *linkSpec, what, value string) error {
	wrong := func() error { return bad("%q is no value of %s", value, what) }
	number := func(attr uint16, size int) error {
		v, err := strconv.ParseUint(value, 0, 8*size)
		if err != nil {
			return wrong()
		}
		s.AddNumber(attr, size, v)
		return nil
	}
	toggle := func(bit uint32, invert bool) error {
		on, ok := readOnOff(value)
		if !ok {
			return wrong()
		}
		s.flag(bit, on != invert)
		return nil
	}
	among := func(attr uint16, list ...string) error {
		for i, name := range list {
			if strings.EqualFold(name, value) {
				s.AddNumber(attr, 1, uint64(i))
				return nil
			}
		}
		return wrong()
	}
	switch what {
	case "name":
		s.name = value
		return link.CheckNewName(value)
	case "index":
		v, err := strconv.ParseInt(value, 0, 32)
		if err != nil || v <= 0 {
			return wrong()
		}
		s.Index = int32(v)
	case "link":
		s.on = value
	case "address", "broadcast", "brd":
		b, err := readHardware(value)
		attr := uint16(unix.IFLA_ADDRESS)
		if what != "address" {
			attr = unix.IFLA_BROADCAST
		}
		s.Add(attr, b)
		return err
	case "txqueuelen", "qlen", "txqlen":
		return number(unix.IFLA_TXQLEN, 4)
	case "mtu":
		return number(unix.IFLA_MTU, 4)
	case "numtxqueues":
		return number(unix.IFLA_NUM_TX_QUEUES, 4)
	case "numrxqueues":
		return number(unix.IFLA_NUM_RX_QUEUES, 4)
	case "gso_max_size":
		return number(unix.IFLA_GSO_MAX_SIZE, 4)
	case "gso_max_segs":
		return number(unix.IFLA_GSO_MAX_SEGS, 4)
	case "gro_max_size":
		return number(unix.IFLA_GRO_MAX_SIZE, 4)
	case "link-netnsid":
		return number(unix.IFLA_LINK_NETNSID, 4)
	case "netns":
		fd, err := c.openNetns(value)
		s.AddUint32(unix.IFLA_NET_NS_FD, uint32(fd))
		return err
	case "link-netns":
		id, err := c.peerID(value)
		if err == nil && id == link.NoID {
			return wrong()
		}
		s.AddUint32(unix.IFLA_LINK_NETNSID, uint32(id))
		return err
	case "multicast":
		return toggle(unix.IFF_MULTICAST, false)
	case "allmulticast":
		return toggle(unix.IFF_ALLMULTI, false)
	case "promisc":
		return toggle(unix.IFF_PROMISC, false)
	case "dynamic":
		return toggle(unix.IFF_DYNAMIC, false)
	case "arp":
		return toggle(unix.IFF_NOARP, true)
	case "trailers":
		return toggle(unix.IFF_NOTRAILERS, true)
	case "carrier":
		return among(unix.IFLA_CARRIER, "off", "on")
	case "protodown":
		return among(unix.IFLA_PROTO_DOWN, "off", "on")
	case "mode":
		return among(unix.IFLA_LINKMODE, "default", "dormant")
	case "state":
		return among(unix.IFLA_OPERSTATE, operStates[:]...)
	case "master", "vrf":
		i, err := c.index(value)
		if err != nil {
			return &cli.Failure{Status: misused, Err: err}
		}
		s.AddUint32(unix.IFLA_MASTER, i)
	case "alias":
		s.AddString(unix.IFLA_IFALIAS, value)
	case "parentdev":
		s.AddString(unix.IFLA_PARENT_DEV_NAME, value)
	case "group":
		g, ok := groups.number(value)
		if !ok {
			return wrong()
		}
		s.grouped = true
		s.AddUint32(unix.IFLA_GROUP, g)
	case "addrgenmode":
		var mode, inet6 rtnl.Attrs
		for i, name := range genModes {
			if name == value {
				mode.AddNumber(unix.IFLA_INET6_ADDR_GEN_MODE, 1, uint64(i))
			}
		}
		if mode == nil {
			return wrong()
		}
		inet6.AddNested(unix.AF_INET6, mode)
		s.AddNested(unix.IFLA_AF_SPEC, inet6)
	case "dev":
		if s.device != "" {
			return bad("dev is there twice")
		}
		s.device = value
	}
	return nil
}

// openNetns opens the namespace that a word means: a file, a name or a pid. It
// stays open as long as the command lasts.
func (c *command) openNetns(word string) (int, error) {
	path, err := netns.Find(word)
	if err != nil {
		return -1, &cli.Failure{Status: misused, Err: err}
	}
	fd, err := netns.OpenPath(path)
	if err != nil {
		return -1, err
	}
	c.held = append(c.held, fd)
	return fd, nil
}

// linkModify makes, changes or deletes a device.
func (c *command) linkModify(w *words, flags int) error {
	s := &linkSpec{}
	if err := c.readLink(s, w); err != nil {
		return err
	}
	creates := flags != deletes && flags&unix.NLM_F_CREATE != 0
	switch {
	case creates && s.kind == "":
		return fault.Op(nil, "say, behind type, what kind of device it is to be")
	case !creates && s.Index != 0:
		return bad("index is only for a device that is made")
	case !creates && s.device == "" && !s.grouped:
		return bad("say which device")
	}
	net, err := c.network()
	if err != nil {
		return err
	}
	if !creates && s.device != "" {
		i, err := c.index(s.device)
		if err != nil {
			return err
		}
		s.Index = int32(i)
	}
	if s.on != "" {
		i, err := c.index(s.on)
		if err != nil {
			return err
		}
		s.AddUint32(unix.IFLA_LINK, i)
	}
	if s.name != "" && (creates || s.name != s.device) {
		if err := link.CheckNewName(s.name); err != nil {
			return err
		}
		s.AddString(unix.IFLA_IFNAME, s.name)
	}
	if !creates && s.device != "" {
		if err := c.checkHardware(s); err != nil {
			return err
		}
	}
	if s.kind != "" {
		if err := c.addKind(s); err != nil {
			return err
		}
	}
	if flags == deletes {
		return answer(net.DeleteLink(&s.Link))
	}
	err = net.SetLink(&s.Link, flags)
	if errors.Is(err, unix.EEXIST) && s.name != "" {
		err = fault.Op(err, "there is a network device %s already", s.name)
	}
	return answer(err)
}

// checkHardware makes sure that an address has the length that the device's
// has: of one that is too long the kernel takes the beginning.
func (c *command) checkHardware(s *linkSpec) error {
	b := s.Get(unix.IFLA_ADDRESS)
	if b == nil {
		b = s.Get(unix.IFLA_BROADCAST)
	}
	if b == nil {
		return nil
	}
	l, err := c.net.Link(s.device, false)
	if err != nil {
		return answer(err)
	}
	if has := l.Get(unix.IFLA_ADDRESS); has != nil && len(has) != len(b) {
		return fault.Op(nil, "an address of %s has %d bytes, not %d", s.device, len(has), len(b))
	}
	return nil
}

// addKind adds the type and its options.
func (c *command) addKind(s *linkSpec) error {
	name, slave := strings.CutSuffix(s.kind, "_slave")
	kindAttr, dataAttr := uint16(unix.IFLA_INFO_KIND), uint16(unix.IFLA_INFO_DATA)
	if slave {
		kindAttr, dataAttr = unix.IFLA_INFO_SLAVE_KIND, unix.IFLA_INFO_SLAVE_DATA
	}
	var info rtnl.Attrs
	info.Add(kindAttr, []byte(name))
	if k := kindOf(s.kind); k != nil {
		data, err := c.readOptions(k, s.options)
		if err != nil {
			return err
		}
		if data != nil {
			info.AddNested(dataAttr, data)
		}
	} else if s.options.more() {
		return bad("%s: option %q is not known", s.kind, s.options.word())
	}
	s.AddNested(unix.IFLA_LINKINFO, info)
	return nil
}

// linkProperty gives a device other names, or takes them.
func (c *command) linkProperty(w *words) error {
	word, err := w.next()
	if err != nil {
		return err
	}
	do := pick(word, "add", "delete")
	if do == "" {
		return bad("%q is neither add nor del", word)
	}
	l := &link.Link{}
	var names rtnl.Attrs
	device := ""
	for w.more() {
		word := w.word()
		if word == "altname" {
			name, err := w.next()
			if err != nil {
				return err
			}
			names.AddString(unix.IFLA_ALT_IFNAME, name)
			continue
		}
		if word == "dev" {
			if word, err = w.next(); err != nil {
				return err
			}
		}
		if device != "" {
			return bad("%q is neither altname nor the first device", word)
		}
		device = word
	}
	if device == "" || names == nil {
		return bad("say the device and, behind altname, its other names")
	}
	i, err := c.index(device)
	if err != nil {
		return err
	}
	l.Index = int32(i)
	l.AddNested(unix.IFLA_PROP_LIST, names)
	net, err := c.network()
	if err != nil {
		return err
	}
	return answer(net.SetAltNames(l, do == "add"))
}
