package ip

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/fault"
	"ocibox/core/link"
	"ocibox/core/rtnl"
)

// linkFilter is what a list is to be of.
type linkFilter struct {
	family      uint8
	device      string
	index       int32
	up          bool
	grouped     bool
	group       uint32
	master      uint32 // 0 for any
	free        bool   // those without a master
	kind, slave string

	// Of addresses.
	to        *prefix
	scope     uint32
	scoped    bool
	flags     uint32
	flagMask  uint32
	label     string
	addresses bool
}

func (f *linkFilter) matches(l *link.Link) bool {
	group, _ := l.Uint32(unix.IFLA_GROUP)
	master, _ := l.Uint32(unix.IFLA_MASTER)
	info := l.Nested(unix.IFLA_LINKINFO)
	switch {
	case f.index != 0 && f.index != l.Index, f.up && l.Flags&unix.IFF_UP == 0, f.grouped && l.Get(unix.IFLA_GROUP) != nil && f.group != group:
	case f.master != 0 && f.master != master, f.free && master != 0:
	case f.kind != "" && info.String(unix.IFLA_INFO_KIND) != f.kind, f.slave != "" && info.String(unix.IFLA_INFO_SLAVE_KIND) != f.slave:
	case f.label != "" && (f.family == unix.AF_UNSPEC || f.family == unix.AF_PACKET) && !glob(f.label, l.Name()):
	default:
		return true
	}
	return false
}

// readLinkFilter reads the words of a list of devices or of addresses.
func (c *command) readLinkFilter(w *words, addresses bool) (*linkFilter, error) {
	f := &linkFilter{family: c.family, addresses: addresses}
	if !addresses {
		f.family = unix.AF_PACKET
	}
	for w.more() {
		word := w.word()
		switch word {
		case "up":
			f.up = true
			continue
		case "nomaster":
			f.free = true
			continue
		case "to", "scope", "label", "group", "master", "vrf", "type", "dev":
		default:
			if f.readFlag(word) {
				continue
			}
			if f.device != "" {
				return nil, bad("%q is neither a word of this list nor its first device", word)
			}
			f.device = word
			continue
		}
		value, err := w.next()
		if err != nil {
			return nil, err
		}
		if err := c.readLinkSelector(f, word, value); err != nil {
			return nil, err
		}
	}
	if f.device != "" {
		i, err := c.index(f.device)
		f.index = int32(i)
		return f, err
	}
	return f, nil
}

func (c *command) readLinkSelector(f *linkFilter, word, value string) error {
	var ok bool
	switch word {
	case "to":
		if f.family == unix.AF_PACKET {
			return fault.Op(nil, "a prefix is of no link-layer address")
		}
		p, err := readPrefix(value, f.family)
		f.to = &p
		if f.family == unix.AF_UNSPEC {
			f.family = p.family
		}
		return err
	case "scope":
		f.scope, f.scoped = scopes.number(value)
		if !f.scoped && value != "all" {
			return bad("%q is no value of scope", value)
		}
	case "label":
		f.label = value
	case "group":
		if f.group, ok = groups.number(value); !ok {
			return bad("%q is no value of group", value)
		}
		f.grouped = true
	case "master", "vrf":
		i, err := c.index(value)
		if err == nil && word == "vrf" {
			_, err = c.net.VRFTable(value)
		}
		if err != nil {
			return &cli.Failure{Status: misused, Err: err}
		}
		f.master = i
	case "type":
		if kind, is := strings.CutSuffix(value, "_slave"); is {
			f.slave = kind
		} else {
			f.kind = value
		}
	case "dev":
		if f.device != "" {
			return bad("dev is there twice")
		}
		f.device = value
	}
	return nil
}

// glob says whether a pattern matches a name, fnmatch(3) without brackets.
func glob(pattern, name string) bool {
	for i := 0; i < len(pattern); i++ {
		switch {
		case pattern[i] == '*':
			for n := len(name); n >= 0; n-- {
				if glob(pattern[i+1:], name[len(name)-n:]) {
					return true
				}
			}
			return false
		case name == "" || pattern[i] != '?' && pattern[i] != name[0]:
			return false
		}
		name = name[1:]
	}
	return name == ""
}

// linkList is "ip link show", and with addresses "ip address show".
func (c *command) linkList(w *words, addresses bool) error {
	f, err := c.readLinkFilter(w, addresses)
	if err != nil {
		return err
	}
	net, err := c.network()
	if err != nil {
		return err
	}
	var list []link.Link
	if f.device != "" {
		var one *link.Link
		if one, err = net.Link(f.device, c.stats > 0); err == nil {
			list = append(list, *one)
		}
	} else {
		// With no family of their own, as of ip link, devices are told of whole.
		var of rtnl.Attrs
		if f.master != 0 {
			of.AddUint32(unix.IFLA_MASTER, f.master)
		}
		if f.free {
			of.AddUint32(unix.IFLA_MASTER, ^uint32(0)) // as the kernel's link_master_filtered has it
		}
		if f.kind != "" {
			var info rtnl.Attrs
			info.Add(unix.IFLA_INFO_KIND, []byte(f.kind))
			of.AddNested(unix.IFLA_LINKINFO, info)
		}
		family := c.family
		if !addresses {
			family = unix.AF_PACKET
		}
		list, err = net.Links(family, c.stats > 0, of)
	}
	if err != nil {
		return answer(fault.Op(err, "list network devices"))
	}
	c.see(list, f)
	var all []link.Address
	if f.family != unix.AF_PACKET {
		if all, err = net.Addresses(f.family, uint32(f.index)); err != nil {
			return answer(fault.Op(err, "list addresses"))
		}
		list = slices.DeleteFunc(list, func(l link.Link) bool { return !f.holds(&l, all) })
	}
	c.list()
	for i := range list {
		if err := c.showOne(&list[i], all, f); err != nil {
			return err
		}
	}
	return nil
}
