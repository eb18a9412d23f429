package ip

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/link"
)

// An addressFlag is an IFA_F_ flag by its name, and whether a user may set it.
type addressFlag struct {
	bit
	set bool
}

// addressFlags are in the order in which they are shown.
var addressFlags = [...]addressFlag{
	{bit{unix.IFA_F_SECONDARY, "secondary"}, false}, {bit{unix.IFA_F_TEMPORARY, "temporary"}, false}, {bit{unix.IFA_F_NODAD, "nodad"}, true},
	{bit{unix.IFA_F_OPTIMISTIC, "optimistic"}, true}, {bit{unix.IFA_F_DADFAILED, "dadfailed"}, false}, {bit{unix.IFA_F_HOMEADDRESS, "home"}, true},
	{bit{unix.IFA_F_DEPRECATED, "deprecated"}, false}, {bit{unix.IFA_F_TENTATIVE, "tentative"}, false}, {bit{unix.IFA_F_PERMANENT, "permanent"}, false},
	{bit{unix.IFA_F_MANAGETEMPADDR, "mngtmpaddr"}, true}, {bit{unix.IFA_F_NOPREFIXROUTE, "noprefixroute"}, true},
	{bit{unix.IFA_F_MCAUTOJOIN, "autojoin"}, true}, {bit{unix.IFA_F_STABLE_PRIVACY, "stable-privacy"}, false},
}

// readFlag reads a flag that addresses are to have, or with "-" not to have.
func (f *linkFilter) readFlag(word string) bool {
	word, without := strings.CutPrefix(word, "-")
	if !without && (word == "dynamic" || word == "primary") {
		without = true
		word = map[string]string{"dynamic": "permanent", "primary": "secondary"}[word]
	}
	for _, a := range addressFlags {
		if a.name == word {
			f.flagMask |= a.bit.bit
			f.flags &^= a.bit.bit
			if !without {
				f.flags |= a.bit.bit
			}
			return true
		}
	}
	return false
}

// wants says whether an address is one that the filter lets through, but for
// its device.
func (f *linkFilter) wants(a *link.Address, device string) bool {
	local := localOf(a)
	switch {
	case f.family != unix.AF_UNSPEC && f.family != a.Family, f.scoped && f.scope != uint32(a.Scope), (f.flags^a.AllFlags())&f.flagMask != 0:
	case f.to != nil && f.to.family != unix.AF_UNSPEC && local != nil && (f.to.family != a.Family || !f.to.holds(local, f.to.bits)):
	case f.label != "" && !glob(f.label, labelOf(a, device)):
	default:
		return true
	}
	return false
}

// holds says whether a device is in a list of addresses: one that has an
// address that is wanted, or none at all where any will do.
func (f *linkFilter) holds(l *link.Link, all []link.Address) bool {
	none := f.family == unix.AF_UNSPEC
	for i := range all {
		a := &all[i]
		if a.Index != uint32(l.Index) {
			continue
		}
		if f.wants(a, l.Name()) {
			return true
		}
		none = false
	}
	return none
}

// localOf is the address of the device itself.
func localOf(a *link.Address) []byte {
	if b := a.Get(unix.IFA_LOCAL); b != nil {
		return b
	}
	return a.Get(unix.IFA_ADDRESS)
}

func labelOf(a *link.Address, device string) string {
	if a.Get(unix.IFA_LABEL) != nil {
		return a.String(unix.IFA_LABEL)
	}
	return device
}

// showAddresses are those of a device. In JSON one that is not wanted is an
// empty object, as iproute2 has it.
func (c *command) showAddresses(l *link.Link, all []link.Address, f *linkFilter) error {
	c.array("addr_info")
	for i := range all {
		a := &all[i]
		if a.Index != uint32(l.Index) || f.family != unix.AF_UNSPEC && f.family != a.Family || f.up && l.Flags&unix.IFF_UP == 0 {
			continue
		}
		c.open("")
		if f.wants(a, l.Name()) {
			c.showAddress(a, l.Name(), c.oneline)
		}
		c.close()
	}
	c.endArray()
	if c.brief {
		c.text("\n")
	}
	return nil
}

func (c *command) showAddress(a *link.Address, device string, line bool) {
	if !c.brief {
		if line {
			if c.json {
				c.num("index", "", int64(a.Index))
				c.str("dev", "", device)
			} else {
				c.text("%d: %s", a.Index, device)
			}
		}
		c.str("family", "    %s ", familyName(a.Family))
	}
	if local := localOf(a); local != nil {
		c.str("local", "%s", host(local))
		if far := a.Get(unix.IFA_ADDRESS); far != nil && string(far) != string(local) {
			c.str("address", " peer %s", host(far))
		}
		c.num("prefixlen", "/%d ", int64(a.Prefixlen))
		c.number(a.Attrs, unix.IFA_RT_PRIORITY, "metric", "metric %d ")
	}
	if c.brief {
		return
	}
	if b := a.Get(unix.IFA_BROADCAST); b != nil {
		c.str("broadcast", "brd %s ", host(b))
	}
	if b := a.Get(unix.IFA_ANYCAST); b != nil {
		c.str("anycast", "any %s ", host(b))
	}
	c.str("scope", "scope %s ", scopes.text(uint32(a.Scope), c.numeric))
	c.showAddressFlags(a)
	if a.Get(unix.IFA_LABEL) != nil {
		c.str("label", "%s", a.String(unix.IFA_LABEL))
	}
	if life, ok := a.Lifetimes(); ok {
		c.newline()
		c.text("       valid_lft ")
		c.showLifetime("valid_life_time", life.Valid, false)
		c.text(" preferred_lft ")
		c.showLifetime("preferred_life_time", life.Prefered, a.AllFlags()&unix.IFA_F_DEPRECATED != 0)
	}
	c.text("\n")
}

// showLifetime prints one in seconds; that of an address that is deprecated has
// passed.
func (c *command) showLifetime(key string, seconds uint32, passed bool) {
	switch {
	case seconds == ^uint32(0) && !c.json:
		c.text("forever")
	case passed && seconds != ^uint32(0):
		c.num(key, "%dsec", int64(int32(seconds)))
	default:
		c.num(key, "%dsec", int64(seconds))
	}
}

func (c *command) showAddressFlags(a *link.Address) {
	flags := a.AllFlags()
	for _, b := range addressFlags {
		name, has := b.name, flags&b.bit.bit != 0
		switch {
		case b.bit.bit == unix.IFA_F_PERMANENT:
			name, has = "dynamic", !has
		case b.bit.bit == unix.IFA_F_SECONDARY && a.Family == unix.AF_INET6:
			name = "temporary"
		}
		flags &^= b.bit.bit
		if has {
			c.truth(name, name+" ", true)
		}
	}
	if flags != 0 {
		text := strconv.FormatUint(uint64(flags), 16)
		if len(text) < 2 {
			text = "0" + text
		}
		c.str("ifa_flags", "flags %s ", text)
	}
}

// address is "ip address".
func (c *command) address(args []string) error {
	if len(args) == 0 {
		c.object = "show"
		return c.linkList(&words{}, true)
	}
	w := &words{args[1:]}
	c.object = pick(args[0], "add", "change", "chg", "replace", "delete", "show", "lst", "list", "flush")
	switch c.object {
	case "add":
		return c.addressModify(w, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	case "change", "chg":
		return c.addressModify(w, unix.NLM_F_REPLACE)
	case "replace":
		return c.addressModify(w, unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
	case "delete":
		return c.addressModify(w, deletes)
	case "show", "lst", "list":
		return c.linkList(w, true)
	case "flush":
		return c.addressFlush(w)
	}
	return bad("command %q is not known; there are: add, change, delete, flush, list, replace, show", args[0])
}

// addressSpec is an address as a command line describes it.
type addressSpec struct {
	link.Address
	device      string
	local, peer *prefix
	lengthGiven bool
	broadcast   string
	scoped      bool
	flags       uint32
	life        link.Lifetimes
	lived       bool
}

var addressWords = []string{"=peer", "=remote", "broadcast", "=brd", "=anycast", "=scope", "=dev", "=label", "metric", "priority", "preference", "valid_lft", "preferred_lft", "=local"}

func (c *command) addressModify(w *words, flags int) error {
	s := &addressSpec{life: link.Lifetimes{Valid: ^uint32(0), Prefered: ^uint32(0)}}
	s.Family = c.family
	for w.more() {
		if err := c.readAddressWord(s, w); err != nil {
			return err
		}
	}
	if s.device == "" {
		return fault.Op(nil, "say, behind dev, which device")
	}
	if s.local == nil && s.peer == nil {
		return fault.Op(nil, "say which address")
	}
	if err := s.complete(flags == deletes); err != nil {
		return err
	}
	i, err := c.index(s.device)
	if err != nil {
		return err
	}
	s.Index = i
	if flags == deletes {
		return answer(c.net.DeleteAddress(&s.Address))
	}
	return answer(c.net.SetAddress(&s.Address, flags))
}

func (c *command) readAddressWord(s *addressSpec, w *words) error {
	word := w.word()
	for _, f := range addressFlags {
		if f.name == word {
			if !f.set {
				return bad("%s is what the kernel says of an address, and cannot be set", word)
			}
			s.flags |= f.bit.bit
			return nil
		}
	}
	what, value := pick(word, addressWords...), word
	if what != "" {
		var err error
		if value, err = w.next(); err != nil {
			return err
		}
	}
	wrong := func() error { return bad("%q is no value of %s", value, what) }
	switch what {
	case "", "local":
		if s.local != nil {
			return bad("%q is neither a word of an address nor the first one", value)
		}
		return s.readPrefix(&s.local, value)
	case "peer", "remote":
		if s.peer != nil {
			return bad("peer is there twice")
		}
		return s.readPrefix(&s.peer, value)
	case "broadcast", "brd":
		if s.broadcast != "" {
			return bad("broadcast is there twice")
		}
		s.broadcast = value
		if value == "+" || value == "-" {
			return nil
		}
		return s.addAddress(unix.IFA_BROADCAST, value)
	case "anycast":
		return s.addAddress(unix.IFA_ANYCAST, value)
	case "scope":
		v, ok := scopes.number(value)
		if !ok {
			return wrong()
		}
		s.scoped, s.Scope = true, uint8(v)
	case "dev":
		s.device = value
	case "label":
		if err := link.CheckLabel(value); err != nil {
			return err
		}
		s.AddString(unix.IFA_LABEL, value)
	case "metric", "priority", "preference":
		v, err := strconv.ParseUint(value, 0, 32)
		if err != nil {
			return wrong()
		}
		s.AddUint32(unix.IFA_RT_PRIORITY, uint32(v))
	case "valid_lft", "preferred_lft":
		v := uint64(^uint32(0))
		if value != "forever" {
			var err error
			if v, err = strconv.ParseUint(value, 0, 32); err != nil {
				return wrong()
			}
		}
		s.lived = true
		if what == "valid_lft" {
			s.life.Valid = uint32(v)
		} else {
			s.life.Prefered = uint32(v)
		}
	}
	return nil
}

func (s *addressSpec) readPrefix(to **prefix, value string) error {
	p, err := readPrefix(value, s.Family)
	if err == nil && p.addr == nil {
		err = fault.Op(nil, "%s address is expected rather than %q", familyName(s.Family), value)
	}
	if err != nil {
		return err
	}
	s.Family = p.family
	s.lengthGiven = s.lengthGiven || strings.Contains(value, "/")
	*to = &p
	return nil
}

func (s *addressSpec) addAddress(attr uint16, value string) error {
	p, err := readAddress(value, s.Family)
	if err != nil {
		return err
	}
	s.Family = p.family
	s.Add(attr, p.addr)
	return nil
}

// complete fills in what was not said.
func (s *addressSpec) complete(deleting bool) error {
	if s.local != nil {
		s.Add(unix.IFA_LOCAL, s.local.addr)
		s.Prefixlen = uint8(s.local.bits)
	}
	far := s.local
	if s.peer != nil {
		far = s.peer
		s.Prefixlen = uint8(far.bits)
	}
	// By an IPv4 address without a length, any of that address goes.
	if s.peer != nil || !deleting || s.Family != unix.AF_INET || s.lengthGiven {
		s.Add(unix.IFA_ADDRESS, far.addr)
	}
	if deleting {
		return nil
	}
	if s.broadcast == "+" || s.broadcast == "-" {
		if s.Family != unix.AF_INET {
			return fault.Op(nil, "broadcast is of IPv4 only")
		}
		b := append([]byte{}, far.addr...)
		for i := int(s.Prefixlen); i < 32 && s.Prefixlen <= 30; i++ {
			bit := byte(0x80) >> (i % 8)
			b[i/8] &^= bit
			if s.broadcast == "+" {
				b[i/8] |= bit
			}
		}
		if s.Prefixlen <= 30 {
			s.Add(unix.IFA_BROADCAST, b)
		}
	}
	if !s.scoped && s.local != nil && s.Family == unix.AF_INET && s.local.addr[0] == 127 {
		s.Scope = unix.RT_SCOPE_HOST
	}
	if s.lived {
		switch {
		case s.life.Valid == 0:
			return fault.Op(nil, "valid_lft is 0")
		case s.life.Valid < s.life.Prefered:
			return fault.Op(nil, "preferred_lft is greater than valid_lft")
		}
		s.SetLifetimes(s.life)
	}
	if s.flags > 0xff {
		s.AddUint32(unix.IFA_FLAGS, s.flags)
	} else {
		s.Flags = uint8(s.flags)
	}
	return nil
}

func (c *command) addressFlush(w *words) error {
	if !w.more() {
		return fault.Op(nil, "say which addresses are to go: dev, to, scope, label, …")
	}
	f, err := c.readLinkFilter(w, true)
	if err != nil {
		return err
	}
	if f.family == unix.AF_PACKET {
		return fault.Op(nil, "link-layer addresses cannot be flushed")
	}
	net, err := c.network()
	if err != nil {
		return err
	}
	// A secondary address may be primary once the first has gone.
	once := f.flagMask&unix.IFA_F_SECONDARY != 0 && f.flags&unix.IFA_F_SECONDARY == 0
	return c.flushed("addresses", once, func() (int, error) {
		list, err := net.Addresses(f.family, uint32(f.index))
		if err != nil {
			return 0, answer(fault.Op(err, "list addresses"))
		}
		gone := 0
		for i := range list {
			a := &list[i]
			device, err := c.device(a.Index)
			if err != nil {
				return 0, err
			}
			if f.index != 0 && uint32(f.index) != a.Index || !f.wants(a, device) {
				continue
			}
			gone++
			if c.stats > 1 {
				c.showAddress(a, device, true)
			}
			// With the first, the kernel takes those that are secondary to it.
			if err := net.DeleteAddress(a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
				return 0, answer(fault.Op(err, "delete an address"))
			}
		}
		return gone, nil
	})
}
