package ip

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/link"
	"ocibox/core/rtnl"
)

// readGateway reads the address behind "via", which may be of another family
// than the route.
func readGateway(r *link.Route, a *rtnl.Attrs, value string, w *words) (err error) {
	family := familyOf(value)
	if family == unix.AF_UNSPEC {
		family = r.Family
	} else if value, err = w.next(); err != nil {
		return err
	}
	p, err := readAddress(value, family)
	if err != nil {
		return err
	}
	if r.Family == unix.AF_UNSPEC {
		r.Family = p.family
	}
	if p.family == r.Family {
		a.Add(unix.RTA_GATEWAY, p.addr)
	} else {
		a.Add(unix.RTA_VIA, append(link.Family(p.family), p.addr...))
	}
	return nil
}

// readNexthop reads what is behind "nexthop", up to the next of them.
func (c *command) readNexthop(s *routeSpec, w *words) error {
	if !w.more() {
		return bad("the command line ends too early")
	}
	var h link.Nexthop
	for w.more() && w.rest[0] != "nexthop" {
		word := w.word()
		if word == "onlink" {
			h.Flags |= unix.RTNH_F_ONLINK
			continue
		}
		what := pick(word, "=via", "=dev", "=weight", "realms")
		if what == "" {
			return bad("%q is no word of a next hop", word)
		}
		value, err := w.next()
		if err != nil {
			return err
		}
		switch what {
		case "via":
			if err := readGateway(&s.Route, &h.Attrs, value, w); err != nil {
				return err
			}
		case "dev":
			i, err := c.index(value)
			if err != nil {
				return err
			}
			h.Ifindex = int32(i)
		case "weight":
			n, err := strconv.ParseUint(value, 0, 16)
			if err != nil || n == 0 || n > 256 {
				return bad("%q is no value of weight", value)
			}
			h.Hops = uint8(n - 1)
		case "realms":
			v, ok := readRealms(value)
			if !ok {
				return bad("%q is no value of realms", value)
			}
			h.AddUint32(unix.RTA_FLOW, v)
		}
	}
	s.hops = append(s.hops, h)
	return nil
}

func (c *command) readTableOf(s *routeSpec, what, value string) error {
	if what == "vrf" {
		net, err := c.network()
		if err != nil {
			return err
		}
		t, err := net.VRFTable(value)
		if err != nil {
			return err
		}
		s.SetTable(t)
		return nil
	}
	t, ok := tables.number(value)
	if !ok {
		return bad("%q is no routing table", value)
	}
	s.SetTable(t)
	return nil
}

// readMetric reads one of RTA_METRICS, which may be locked: path MTU discovery
// and its like then do not change it.
func (s *routeSpec) readMetric(what, value string, w *words) (err error) {
	kind := uint16(0)
	for i, name := range metrics {
		if name == what {
			kind = uint16(i)
		}
	}
	if value == "lock" || kind == unix.RTAX_RTO_MIN {
		s.locks |= 1 << kind
	}
	if value == "lock" {
		if value, err = w.next(); err != nil {
			return err
		}
	}
	wrong := bad("%q is no value of %s", value, what)
	var v uint32
	switch kind {
	case unix.RTAX_CC_ALGO:
		s.metrics.Add(kind, []byte(value))
		return nil
	case unix.RTAX_FEATURES:
		if value != "ecn" {
			return wrong
		}
		v = unix.RTAX_FEATURE_ECN
	case unix.RTAX_RTT, unix.RTAX_RTTVAR, unix.RTAX_RTO_MIN:
		var ok bool
		if v, ok = readTime(value, unitsOf(kind)); !ok {
			return wrong
		}
	default:
		n, err := strconv.ParseUint(value, 0, 32)
		if err != nil || kind == unix.RTAX_HOPLIMIT && n > 255 || (kind == unix.RTAX_QUICKACK || kind == unix.RTAX_FASTOPEN_NO_COOKIE) && n > 1 {
			return wrong
		}
		v = uint32(n)
	}
	s.metrics.AddUint32(kind, v)
	return nil
}

// timeUnits are in milliseconds.
var timeUnits = [...]struct {
	name   string
	factor float64
}{{"msecs", 1}, {"msec", 1}, {"ms", 1}, {"secs", 1000}, {"sec", 1000}, {"s", 1000}}

// readTime reads a time with its unit, or a number of the kernel's own, of which
// there are units in a millisecond.
func readTime(value string, units uint32) (uint32, bool) {
	factor := 1.0
	for _, u := range timeUnits {
		if rest, ok := strings.CutSuffix(value, u.name); ok {
			value, factor = rest, u.factor*float64(units)
			break
		}
	}
	f, err := strconv.ParseFloat(value, 64)
	f *= factor
	return uint32(f), err == nil && f >= 0 && f < 1<<32
}

// readRealms reads FROM/TO or TO.
func readRealms(value string) (uint32, bool) {
	if v, err := strconv.ParseUint(value, 0, 32); err == nil {
		return uint32(v), true
	}
	from, to, both := strings.Cut(value, "/")
	if !both {
		from, to = "", value
	}
	var realm [2]uint32
	for i, word := range []string{from, to} {
		if word == "" {
			continue
		}
		v, ok := realms.number(word)
		if !ok {
			return 0, false
		}
		realm[i] = v
	}
	return realm[0]<<16 | realm[1], true
}

func readPreference(value string) (uint8, bool) {
	for i, name := range preferences {
		if name == value {
			return uint8(i), true
		}
	}
	v, err := strconv.ParseUint(value, 0, 8)
	return uint8(v), err == nil
}
