package ip

import (
	"errors"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/link"
)

// routeFilter is what a list is to be of. What it asks for exactly has a value
// in numbers, and is not shown.
type routeFilter struct {
	family  uint8
	table   uint32 // 0 for all
	cloned  bool
	numbers []number
	via     *prefix
	prefsrc *prefix
	to      destination
	from    destination
}

// number is a field that has to have a value.
type number struct {
	name  string
	value uint32
	mask  uint32
}

// destination is within root, and holds match.
type destination struct{ root, match *prefix }

func (f *routeFilter) has(name string) bool {
	return slices.ContainsFunc(f.numbers, func(n number) bool { return n.name == name && n.mask == ^uint32(0) })
}

// value is the field of a route.
func (n *number) of(r *link.Route) uint32 {
	attr := uint16(0)
	switch n.name {
	case "tos":
		return uint32(r.Tos)
	case "proto":
		return uint32(r.Protocol)
	case "scope":
		return uint32(r.Scope)
	case "type":
		return uint32(r.Type)
	case "dev":
		attr = unix.RTA_OIF
	case "iif":
		attr = unix.RTA_IIF
	case "mark":
		attr = unix.RTA_MARK
	case "realm":
		attr = unix.RTA_FLOW
	case "metric":
		attr = unix.RTA_PRIORITY
	}
	v, _ := r.Uint32(attr)
	return v
}

func (d *destination) matches(family uint8, addr []byte, bits int) bool {
	if p := d.root; p != nil && (p.family != unix.AF_UNSPEC && p.family != family || p.bits > bits || !p.holds(addr, p.bits)) {
		return false
	}
	p := d.match
	return p == nil || (p.family == unix.AF_UNSPEC || p.family == family) && p.bits >= bits && p.holds(addr, bits)
}

func (f *routeFilter) matches(r *link.Route) bool {
	if f.family != unix.AF_UNSPEC && f.family != r.Family || f.cloned != (r.Flags&unix.RTM_F_CLONED != 0) {
		return false
	}
	if f.table != 0 && f.table != r.TableID() {
		return false
	}
	for i := range f.numbers {
		if n := &f.numbers[i]; (n.of(r)^n.value)&n.mask != 0 {
			return false
		}
	}
	if !f.to.matches(r.Family, r.Get(unix.RTA_DST), int(r.Dst_len)) || !f.from.matches(r.Family, r.Get(unix.RTA_SRC), int(r.Src_len)) {
		return false
	}
	if p := f.prefsrc; p != nil && (p.family != unix.AF_UNSPEC && p.family != r.Family || !p.holds(r.Get(unix.RTA_PREFSRC), p.bits)) {
		return false
	}
	if p := f.via; p != nil {
		family, addr := r.Family, r.Get(unix.RTA_GATEWAY)
		if via := r.Get(unix.RTA_VIA); len(via) > 2 {
			family, addr = via[0]|via[1], via[2:] // a number below 256 of two bytes
		}
		if p.family != unix.AF_UNSPEC && p.family != family || !p.holds(addr, p.bits) {
			return false
		}
	}
	return true
}

// readFilter reads the words of a list or of a flush.
func (c *command) readFilter(w *words) (*routeFilter, error) {
	f := &routeFilter{family: c.family, table: unix.RT_TABLE_MAIN}
	for w.more() {
		if err := c.readSelector(f, w); err != nil {
			return nil, err
		}
	}
	if f.family == unix.AF_UNSPEC && f.table != 0 {
		f.family = unix.AF_INET
	}
	return f, nil
}

// selectors are the words that a list knows, in ip's order.
var selectors = []string{"table", "=vrf", "cached", "cloned", "=tos", "dsfield", "protocol", "scope", "type", "=dev", "=oif", "=iif", "=mark", "metric", "priority",
	"=via", "=src", "realms", "from", "to", "root", "match", "exact"}

func (c *command) readSelector(f *routeFilter, w *words) error {
	what := pick(w.rest[0], selectors...)
	switch what {
	case "":
		return c.readDestination(&f.to, f, w)
	case "root", "match", "exact":
		return c.readDestination(&f.to, f, w)
	}
	w.word()
	switch what {
	case "cached", "cloned":
		f.cloned = true
		return nil
	case "to":
		return c.readDestination(&f.to, f, w)
	case "from":
		return c.readDestination(&f.from, f, w)
	}
	value, err := w.next()
	if err != nil {
		return err
	}
	exact := func(name string, n *naming) error {
		v, ok := n.number(value)
		if n == &types {
			v, ok = readType(value)
		}
		switch {
		case !ok && value == "all" && name != "tos" && name != "type":
			f.numbers = append(f.numbers, number{name: name})
		case !ok:
			return bad("%q is no value of %s", value, name)
		default:
			f.numbers = append(f.numbers, number{name, v, ^uint32(0)})
		}
		return nil
	}
	switch what {
	case "table":
		return f.readTable(value)
	case "tos", "dsfield":
		return exact("tos", &fields)
	case "protocol":
		return exact("proto", &protos)
	case "scope":
		return exact("scope", &scopes)
	case "type":
		return exact("type", &types)
	case "dev", "oif", "iif":
		if what == "oif" {
			what = "dev"
		}
		i, err := c.index(value)
		f.numbers = append(f.numbers, number{what, i, ^uint32(0)})
		return err
	case "vrf":
		return c.readVRF(f, value)
	case "mark", "metric", "priority":
		v, err := strconv.ParseUint(value, 0, 32)
		if err != nil {
			return bad("%q is no value of %s", value, what)
		}
		if what == "priority" {
			what = "metric"
		}
		f.numbers = append(f.numbers, number{what, uint32(v), ^uint32(0)})
	case "via":
		family := familyOf(value)
		if family == unix.AF_UNSPEC {
			family = c.family
		} else if value, err = w.next(); err != nil {
			return err
		}
		p, err := readPrefix(value, family)
		f.via = &p
		return err
	case "src":
		p, err := readPrefix(value, c.family)
		f.prefsrc = &p
		return err
	case "realms":
		return f.readRealms(value)
	}
	return nil
}

func (f *routeFilter) readTable(value string) error {
	switch t, ok := tables.number(value); {
	case value == "all" || ok && t == 0:
		f.table = 0
	case value == "cache":
		f.cloned = true
	case !ok:
		return bad("%q is no routing table", value)
	default:
		f.table = t
	}
	return nil
}

// readVRF takes the table of a VRF device, which is known by its number.
func (c *command) readVRF(f *routeFilter, name string) error {
	net, err := c.network()
	if err != nil {
		return err
	}
	t, err := net.VRFTable(name)
	f.table = t
	return err
}

// readRealms takes "5", "5/" or "/5": a side that is not named may be any.
func (f *routeFilter) readRealms(value string) error {
	v, ok := readRealms(value)
	if !ok {
		return bad("%q are no realms", value)
	}
	n := number{"realm", v, ^uint32(0)}
	if v&0xffff == 0 && value[len(value)-1] == '/' {
		n.mask &^= 0xffff
	}
	if v>>16 == 0 {
		n.mask &^= 0xffff0000
	}
	f.numbers = append(f.numbers, n)
	return nil
}

func (c *command) readDestination(d *destination, f *routeFilter, w *words) error {
	value, err := w.next()
	if err != nil {
		return err
	}
	kind := pick(value, "root", "match", "exact")
	if kind != "" {
		if value, err = w.next(); err != nil {
			return err
		}
	}
	p, err := readPrefix(value, c.family)
	if err != nil {
		return err
	}
	if kind != "match" {
		d.root = &p
	}
	if kind != "root" {
		d.match = &p
	}
	if f.family == unix.AF_UNSPEC {
		f.family = p.family
	}
	return nil
}

// listed are the routes that the filter lets through.
func (c *command) listed(f *routeFilter) ([]link.Route, error) {
	net, err := c.network()
	if err != nil {
		return nil, err
	}
	list, err := net.Routes(f.family, f.table, f.cloned)
	if err != nil {
		return nil, answer(fault.Op(err, "list routes"))
	}
	return slices.DeleteFunc(list, func(r link.Route) bool { return !f.matches(&r) }), nil
}

func (c *command) routeList(w *words) error {
	f, err := c.readFilter(w)
	if err != nil {
		return err
	}
	list, err := c.listed(f)
	if err != nil {
		return err
	}
	c.list()
	for i := range list {
		if err := c.showRoute(&list[i], f); err != nil {
			return err
		}
	}
	return nil
}

// maxRounds bounds a flush of what others make again.
const maxRounds = 10

func (c *command) routeFlush(w *words) error {
	if !w.more() {
		return fault.Op(nil, "say which routes are to go: table, root, match, dev, …")
	}
	f, err := c.readFilter(w)
	if err != nil {
		return err
	}
	net, err := c.network()
	if err != nil {
		return err
	}
	if f.cloned && f.family != unix.AF_INET6 {
		if err := net.FlushRouteCache(); err != nil {
			return err
		}
		if c.stats > 0 {
			c.text("*** IPv4 routing cache is flushed.\n")
		}
		if f.family == unix.AF_INET {
			return nil
		}
	}
	return c.flushed("entries", false, func() (int, error) {
		list, err := c.listed(f)
		gone := 0
		for i := range list {
			r := &list[i]
			if p, _ := r.Uint32(unix.RTA_PRIORITY); r.Family == unix.AF_INET6 && r.Dst_len == 0 && r.Type == unix.RTN_UNREACHABLE && p == ^uint32(0) {
				continue // the kernel's own, that is always there
			}
			gone++
			if c.stats > 1 {
				if err := c.showRoute(r, f); err != nil {
					return 0, err
				}
			}
			// Somebody else may have deleted it.
			if err := net.DeleteRoute(r); err != nil && !errors.Is(err, unix.ESRCH) {
				return 0, answer(fault.Op(err, "delete a route"))
			}
		}
		return gone, err
	})
}

// flushed deletes in rounds until nothing is left, or once.
func (c *command) flushed(what string, once bool, round func() (int, error)) error {
	for n := 0; ; n++ {
		gone, err := round()
		switch {
		case err != nil:
			return err
		case n == maxRounds && gone > 0:
			return fault.Op(nil, "after %d rounds %d were there again", n, gone)
		case gone > 0:
			if c.stats > 0 {
				c.text("\n*** Round %d, deleting %d %s ***\n", n+1, gone, what)
			}
			if !once {
				continue
			}
			if c.stats > 0 {
				c.text("*** Flush is complete after 1 round ***\n")
			}
		case c.stats == 0:
		case n == 0:
			c.text("Nothing to flush.\n")
		case n == 1:
			c.text("*** Flush is complete after 1 round ***\n")
		default:
			c.text("*** Flush is complete after %d rounds ***\n", n)
		}
		return nil
	}
}
