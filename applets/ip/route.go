package ip

import (
	"strconv"

	"golang.org/x/sys/unix"

	"ocibox/core/link"
	"ocibox/core/rtnl"
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
	metrics            rtnl.Attrs
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
			kind = rtnl.RTA_NH_ID
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
