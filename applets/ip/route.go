package ip

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/link"
)

// route is "ip route".
func (c *command) route(args []string) error {
	if len(args) == 0 {
		c.object = "list"
		return c.routeList(&words{})
	}
	w := &words{args[1:]}
	c.object = pick(args[0], "add", "change", "chg", "replace", "prepend", "append", "test", "delete", "list", "show", "lst", "get", "flush")
	switch c.object {
	case "add":
		return c.routeModify(w, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	case "change", "chg":
		return c.routeModify(w, unix.NLM_F_REPLACE)
	case "replace":
		return c.routeModify(w, unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
	case "prepend":
		return c.routeModify(w, unix.NLM_F_CREATE)
	case "append":
		return c.routeModify(w, unix.NLM_F_CREATE|unix.NLM_F_APPEND)
	case "test":
		return c.routeModify(w, unix.NLM_F_EXCL)
	case "delete":
		return c.routeModify(w, deletes)
	case "list", "show", "lst":
		return c.routeList(w)
	case "get":
		return c.routeGet(w)
	case "flush":
		return c.routeFlush(w)
	}
	return bad("command %q is not known; there are: add, append, change, delete, flush, get, list, prepend, replace, show, test", args[0])
}

// deletes stands for the flags of a request that deletes.
const deletes = -1

// routeSpec is a route as a command line describes it.
type routeSpec struct {
	link.Route
	metrics            link.Attrs
	locks              uint32
	to, scoped, tabled bool
	gateway            bool
	hops               []link.Nexthop
	device             string
}

// routeModify makes, changes or deletes a route.
func (c *command) routeModify(w *words, flags int) error {
	s := &routeSpec{}
	s.Family, s.Table = c.family, unix.RT_TABLE_MAIN
	s.Scope = unix.RT_SCOPE_NOWHERE
	if flags != deletes {
		s.Protocol, s.Scope, s.Type = unix.RTPROT_BOOT, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST
	}
	for w.more() {
		if err := c.readRoute(s, w); err != nil {
			return err
		}
	}
	if !s.to {
		return bad("say where the route leads to: a prefix, or default")
	}
	if s.device != "" {
		i, err := c.index(s.device)
		if err != nil {
			return err
		}
		s.AddUint32(unix.RTA_OIF, i)
	}
	s.complete(flags == deletes)
	net, err := c.network()
	if err != nil {
		return err
	}
	if flags == deletes {
		return answer(net.DeleteRoute(&s.Route))
	}
	return answer(net.AddRoute(&s.Route, flags))
}

// complete fills in what was not said.
func (s *routeSpec) complete(deleting bool) {
	if len(s.metrics) > 0 {
		if s.locks != 0 {
			s.metrics.AddUint32(unix.RTAX_LOCK, s.locks)
		}
		s.Add(unix.RTA_METRICS, s.metrics.Bytes())
	}
	if len(s.hops) > 0 {
		s.SetNexthops(s.hops)
	}
	if s.Family == unix.AF_UNSPEC {
		s.Family = unix.AF_INET
	}
	local := s.Type == unix.RTN_LOCAL || s.Type == unix.RTN_NAT
	near := s.Type == unix.RTN_BROADCAST || s.Type == unix.RTN_ANYCAST
	if !s.tabled && (local || near) {
		s.Table = unix.RT_TABLE_LOCAL
	}
	switch {
	case s.scoped:
	case s.Family == unix.AF_INET6:
		s.Scope = unix.RT_SCOPE_UNIVERSE
	case local:
		s.Scope = unix.RT_SCOPE_HOST
	case near, s.Type == unix.RTN_MULTICAST:
		s.Scope = unix.RT_SCOPE_LINK
	case (s.Type == unix.RTN_UNICAST || s.Type == unix.RTN_UNSPEC) && !deleting && !s.gateway && len(s.hops) == 0:
		s.Scope = unix.RT_SCOPE_LINK
	}
}

// take sets the family from an address, if none is set yet.
func (s *routeSpec) take(p prefix) {
	if s.Family == unix.AF_UNSPEC {
		s.Family = p.family
	}
}

// routeWords are those of a route, in ip's order. A word that none of these
// begins with is the prefix.
var routeWords = []string{"=src", "=as", "=via", "=from", "=tos", "dsfield", "expires", "metric", "priority", "=preference", "=scope", "=mtu", "=hoplimit",
	"=advmss", "reordering", "=rtt", "=rto_min", "window", "cwnd", "initcwnd", "initrwnd", "features", "quickack", "congctl", "rttvar", "ssthresh", "realms",
	"=onlink", "=nexthop", "=nhid", "protocol", "table", "=vrf", "=dev", "=oif", "pref", "ttl-propagate", "fastopen_no_cookie", "=encap"}

func (c *command) readRoute(s *routeSpec, w *words) error {
	word := w.word()
	what := pick(word, routeWords...)
	switch what {
	case "":
		return c.readTarget(s, word, w)
	case "onlink":
		s.Flags |= unix.RTNH_F_ONLINK
		return nil
	case "nexthop":
		return c.readNexthop(s, w)
	case "encap":
		return bad("encap is not known")
	}
	value, err := w.next()
	if err != nil {
		return err
	}
	wrong := func() error { return bad("%q is no value of %s", value, what) }
	named := func(n *naming) (uint8, error) {
		v, ok := n.number(value)
		if !ok {
			return 0, wrong()
		}
		return uint8(v), nil
	}
	switch what {
	case "src", "as":
		if what == "as" && value == "to" {
			if value, err = w.next(); err != nil {
				return err
			}
		}
		p, err := readAddress(value, s.Family)
		if err != nil {
			return err
		}
		s.take(p)
		kind := uint16(unix.RTA_PREFSRC)
		if what == "as" {
			kind = unix.RTA_NEWDST
		}
		s.Add(kind, p.addr)
	case "via":
		s.gateway = true
		return readGateway(&s.Route, &s.Attrs, value, w)
	case "from":
		p, err := readPrefix(value, s.Family)
		if err != nil {
			return err
		}
		s.take(p)
		if p.addr != nil {
			s.Add(unix.RTA_SRC, p.addr)
		}
		s.Src_len = uint8(p.bits)
	case "tos", "dsfield":
		s.Tos, err = named(&fields)
	case "scope":
		s.scoped = true
		s.Scope, err = named(&scopes)
	case "protocol":
		s.Protocol, err = named(&protos)
	case "expires", "metric", "priority", "preference", "nhid":
		v, err := strconv.ParseUint(value, 0, 32)
		if err != nil {
			return wrong()
		}
		kind := uint16(unix.RTA_PRIORITY)
		switch what {
		case "expires":
			kind = unix.RTA_EXPIRES
		case "nhid":
			kind = rtaNHID
		}
		s.AddUint32(kind, uint32(v))
	case "table", "vrf":
		s.tabled = true
		return c.readTableOf(s, what, value)
	case "dev", "oif":
		s.device = value
	case "realms":
		v, ok := readRealms(value)
		if !ok {
			return wrong()
		}
		s.AddUint32(unix.RTA_FLOW, v)
	case "pref":
		p, ok := readPreference(value)
		if !ok {
			return wrong()
		}
		s.Add(unix.RTA_PREF, []byte{p})
	case "ttl-propagate":
		if value != "enabled" && value != "disabled" {
			return wrong()
		}
		on := byte(0)
		if value == "enabled" {
			on = 1
		}
		s.Add(unix.RTA_TTL_PROPAGATE, []byte{on})
	default:
		return s.readMetric(what, value, w)
	}
	return err
}

// readTarget reads the prefix, and the type of route that may stand before it.
func (c *command) readTarget(s *routeSpec, word string, w *words) (err error) {
	if word == "to" {
		if word, err = w.next(); err != nil {
			return err
		}
	}
	if word != "" && (word[0] < '0' || word[0] > '9') {
		if t, ok := readType(word); ok {
			s.Type = uint8(t)
			if word, err = w.next(); err != nil {
				return err
			}
		}
	}
	if s.to {
		return bad("%q is neither a word of a route nor its first prefix", word)
	}
	p, err := readPrefix(word, s.Family)
	if err != nil {
		return err
	}
	s.to = true
	s.take(p)
	s.Dst_len = uint8(p.bits)
	if p.addr != nil {
		s.Add(unix.RTA_DST, p.addr)
	}
	return nil
}

// readType reads a type of route by its name, most of which may be shortened,
// or its number.
func readType(word string) (uint32, bool) {
	full := pick(word, "=local", "=nat", "broadcast", "=brd", "anycast", "multicast", "prohibit", "unreachable", "blackhole", "xresolve", "unicast", "throw")
	if full != "" {
		word = full
	}
	return types.number(word)
}

// readGateway reads the address behind "via", which may be of another family
// than the route.
func readGateway(r *link.Route, a *link.Attrs, value string, w *words) (err error) {
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

// routeGet asks which way a packet would take.
func (c *command) routeGet(w *words) error {
	var r link.Route
	r.Family = c.family
	var to, connected, from bool
	for w.more() {
		word := w.word()
		what := pick(word, "=tos", "dsfield", "from", "iif", "mark", "oif", "=dev", "notify", "connected", "=vrf", "uid", "fibmatch", "=to", "=ipproto", "=sport", "=dport")
		switch what {
		case "notify":
			r.Flags |= unix.RTM_F_NOTIFY
			continue
		case "connected":
			connected = true
			continue
		case "fibmatch":
			r.Flags |= unix.RTM_F_FIB_MATCH
			continue
		}
		value := word
		if what != "" {
			var err error
			if value, err = w.next(); err != nil {
				return err
			}
		}
		switch what {
		case "", "to", "from":
			p, err := readPrefix(value, r.Family)
			if err != nil {
				return err
			}
			if r.Family == unix.AF_UNSPEC {
				r.Family = p.family
			}
			if full := 8 * len(p.addr); p.bits != full {
				fmt.Fprintf(c.Err, "ip route get: a packet goes to an address: of %q, the length is left out\n", value)
				p.bits = full
			}
			kind, length := uint16(unix.RTA_DST), &r.Dst_len
			if what == "from" {
				from, kind, length = true, unix.RTA_SRC, &r.Src_len
			} else {
				to = true
			}
			if p.addr != nil {
				r.Add(kind, p.addr)
			}
			*length = uint8(p.bits)
		case "tos", "dsfield":
			v, ok := fields.number(value)
			if !ok {
				return bad("%q is no value of tos", value)
			}
			r.Tos = uint8(v)
		case "iif", "oif", "dev", "vrf":
			i, err := c.index(value)
			if err != nil {
				return err
			}
			kind := uint16(unix.RTA_OIF)
			if what == "iif" {
				kind = unix.RTA_IIF
			}
			r.AddUint32(kind, i)
		case "ipproto":
			v, ok := ipProtocols.number(value)
			if !ok {
				return bad("%q is no value of ipproto", value)
			}
			r.Add(unix.RTA_IP_PROTO, []byte{uint8(v)})
		case "sport", "dport":
			v, err := strconv.ParseUint(value, 0, 16)
			if err != nil {
				return bad("%q is no port", value)
			}
			kind := uint16(unix.RTA_SPORT)
			if what == "dport" {
				kind = unix.RTA_DPORT
			}
			r.Add(kind, []byte{byte(v >> 8), byte(v)})
		case "mark", "uid":
			v, err := strconv.ParseUint(value, 0, 32)
			if err != nil {
				return bad("%q is no value of %s", value, what)
			}
			kind := uint16(unix.RTA_MARK)
			if what == "uid" {
				kind = unix.RTA_UID
			}
			r.AddUint32(kind, uint32(v))
		}
	}
	if !to {
		return fault.Op(nil, "say where the packet goes to")
	}
	if r.Family == unix.AF_UNSPEC {
		r.Family = unix.AF_INET
	}
	if r.Family == unix.AF_INET { // of IPv6, the table is always told
		r.Flags |= unix.RTM_F_LOOKUP_TABLE
	}
	c.list()
	got, err := c.lookUp(&r)
	if err != nil || !connected || from {
		return err
	}
	// Once more, as the socket that is connected now would.
	src := got.Get(unix.RTA_PREFSRC)
	if src == nil {
		return fault.Op(nil, "no address was chosen to connect from")
	}
	r.Src_len = uint8(8 * len(src))
	r.Add(unix.RTA_SRC, src)
	_, err = c.lookUp(&r)
	return err
}

func (c *command) lookUp(r *link.Route) (*link.Route, error) {
	net, err := c.network()
	if err != nil {
		return nil, err
	}
	got, err := net.GetRoute(r)
	if err == nil && len(got) != 1 {
		err = fault.Op(nil, "RTM_GETROUTE got %d answers, not 1", len(got))
	}
	if err != nil {
		return nil, answer(err)
	}
	return &got[0], c.showRoute(&got[0], &routeFilter{})
}
