package ip

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"ocibox/core/link"
	"ocibox/core/proc"
	"ocibox/core/rtnl"
)

// metrics are the names of RTAX_MTU and those that follow.
var metrics = [...]string{
	unix.RTAX_MTU: "mtu", unix.RTAX_WINDOW: "window", unix.RTAX_RTT: "rtt", unix.RTAX_RTTVAR: "rttvar", unix.RTAX_SSTHRESH: "ssthresh",
	unix.RTAX_CWND: "cwnd", unix.RTAX_ADVMSS: "advmss", unix.RTAX_REORDERING: "reordering", unix.RTAX_HOPLIMIT: "hoplimit",
	unix.RTAX_INITCWND: "initcwnd", unix.RTAX_FEATURES: "features", unix.RTAX_RTO_MIN: "rto_min", unix.RTAX_INITRWND: "initrwnd",
	unix.RTAX_QUICKACK: "quickack", unix.RTAX_CC_ALGO: "congctl", unix.RTAX_FASTOPEN_NO_COOKIE: "fastopen_no_cookie",
}

// bit is a flag by its name.
type bit struct {
	bit  uint32
	name string
}

// routeFlags are those of a route and of its next hops.
var routeFlags = [...]bit{
	{unix.RTNH_F_DEAD, "dead"}, {unix.RTNH_F_ONLINK, "onlink"}, {unix.RTNH_F_PERVASIVE, "pervasive"}, {unix.RTNH_F_OFFLOAD, "offload"},
	{unix.RTNH_F_TRAP, "trap"}, {unix.RTM_F_NOTIFY, "notify"}, {unix.RTNH_F_LINKDOWN, "linkdown"}, {unix.RTNH_F_UNRESOLVED, "unresolved"},
	{unix.RTM_F_OFFLOAD, "rt_offload"}, {unix.RTM_F_TRAP, "rt_trap"}, {unix.RTM_F_OFFLOAD_FAILED, "rt_offload_failed"},
}

// cacheFlags are RTCF_ flags, linux/in_route.h.
var cacheFlags = [...]bit{
	{0x80000000, "local"}, {0x40000000, "reject"}, {0x20000000, "mc"}, {0x10000000, "brd"}, {0x08000000, "dst-nat"},
	{0x00800000, "src-nat"}, {0x00400000, "masq"}, {0x00020000, "dst-direct"}, {0x04000000, "src-direct"}, {0x00040000, "redirected"},
	{0x01000000, "redirect"}, {0x00200000, "fastroute"}, {0x00010000, "notify"}, {0x00080000, "proxy"},
}

// showRoute prints a route; what f asks for is not repeated in each.
func (c *command) showRoute(r *link.Route, f *routeFilter) error {
	c.open("")
	if r.Type != unix.RTN_UNICAST || c.details > 0 {
		c.str("type", "%s ", types.text(uint32(r.Type), c.numeric))
	}
	full := hostBits(r.Family)
	c.str("dst", "%s ", network(r.Get(unix.RTA_DST), int(r.Dst_len), full, "default"))
	if src := r.Get(unix.RTA_SRC); src != nil {
		c.str("from", "from %s ", network(src, int(r.Src_len), full, ""))
	} else if r.Src_len > 0 {
		c.str("src", "from %s ", fmt.Sprintf("0/%d", r.Src_len))
	}
	if to := r.Get(unix.RTA_NEWDST); to != nil {
		c.str("to", "as to %s ", host(to))
	}
	if r.Tos != 0 && !f.has("tos") {
		c.str("tos", "tos %s ", fields.text(uint32(r.Tos), c.numeric))
	}
	if id, ok := r.Uint32(rtnl.RTA_NH_ID); ok {
		c.num("nhid", "nhid %d ", int64(id))
	}
	c.showWay(r.Attrs, f)
	if oif, ok := r.Uint32(unix.RTA_OIF); ok && !f.has("dev") {
		if err := c.showDevice("dev", oif); err != nil {
			return err
		}
	}
	if t := r.TableID(); t != 0 && (t != unix.RT_TABLE_MAIN || c.details > 0) && f.table == 0 {
		c.str("table", "table %s ", tables.text(t, c.numeric))
	}
	if r.Flags&unix.RTM_F_CLONED == 0 {
		if (r.Protocol != unix.RTPROT_BOOT || c.details > 0) && !f.has("proto") {
			c.str("protocol", "proto %s ", protos.text(uint32(r.Protocol), c.numeric))
		}
		if (r.Scope != unix.RT_SCOPE_UNIVERSE || c.details > 0) && !f.has("scope") {
			c.str("scope", "scope %s ", scopes.text(uint32(r.Scope), c.numeric))
		}
	}
	if src := r.Get(unix.RTA_PREFSRC); src != nil && !(f.prefsrc != nil && f.prefsrc.bits == full) {
		c.str("prefsrc", "src %s ", host(src))
	}
	if m, ok := r.Uint32(unix.RTA_PRIORITY); ok && !f.has("metric") {
		c.num("metric", "metric %d ", int64(m))
	}
	c.showFlags(r.Flags)
	if m, _ := r.Uint32(unix.RTA_MARK); m >= 16 {
		c.num("mark", "mark 0x%x ", int64(m))
	} else if m != 0 {
		c.num("mark", "mark %d ", int64(m))
	}
	if flow, ok := r.Uint32(unix.RTA_FLOW); ok && !f.has("realm") {
		c.showRealms(flow)
	}
	if uid, ok := r.Uint32(unix.RTA_UID); ok {
		c.num("uid", "uid %d ", int64(uid))
	}
	if r.Flags&unix.RTM_F_CLONED != 0 && r.Family == unix.AF_INET {
		c.showCache(r.Flags)
	}
	c.showCacheInfo(r.Get(unix.RTA_CACHEINFO))
	if err := c.showMetrics(r.Get(unix.RTA_METRICS)); err != nil {
		return err
	}
	if iif, ok := r.Uint32(unix.RTA_IIF); ok && !f.has("iif") {
		if err := c.showDevice("iif", iif); err != nil {
			return err
		}
	}
	if pref := r.Get(unix.RTA_PREF); len(pref) > 0 {
		c.str("pref", "pref %s", preference(pref[0]))
	}
	if ttl := r.Get(unix.RTA_TTL_PROPAGATE); len(ttl) > 0 {
		on := "disabled"
		if ttl[0] != 0 {
			on = "enabled"
		}
		c.str("ttl-propogate", "ttl-propagate %s", on) // so it is spelt in ip's JSON
	}
	err := c.showNexthops(r)
	c.text("\n")
	c.close()
	return err
}

// network is the address of a prefix, with its length unless it is a host's.
func network(addr []byte, bits, full int, none string) string {
	switch {
	case addr == nil && bits == 0:
		return none
	case addr == nil:
		return fmt.Sprintf("0/%d", bits)
	case bits == full:
		return host(addr)
	}
	return fmt.Sprintf("%s/%d", host(addr), bits)
}

// showWay prints where the route leads next.
func (c *command) showWay(a rtnl.Attrs, f *routeFilter) {
	if gw := a.Get(unix.RTA_GATEWAY); gw != nil && !(f.via != nil && f.via.bits == 8*len(gw)) {
		c.str("gateway", "via %s ", host(gw))
	}
	if via := a.Get(unix.RTA_VIA); len(via) > 2 {
		c.open("via")
		c.str("family", "via %s ", familyName(uint8(binary.NativeEndian.Uint16(via))))
		c.str("host", "%s ", host(via[2:]))
		c.close()
	}
}

func (c *command) showDevice(key string, index uint32) error {
	name, err := c.device(index)
	c.str(key, key+" %s ", name)
	return err
}

func (c *command) showFlags(flags uint32) {
	c.array("flags")
	for _, b := range routeFlags {
		if flags&b.bit != 0 {
			c.str("", "%s ", b.name)
		}
	}
	c.endArray()
}

func (c *command) showRealms(flow uint32) {
	c.open("flow")
	c.text("realm")
	if from := flow >> 16; from != 0 {
		c.str("from", "s %s/", realms.text(from, c.numeric))
	} else {
		c.text(" ")
	}
	c.str("to", "%s ", realms.text(flow&0xffff, c.numeric))
	c.close()
}

func (c *command) showCache(flags uint32) {
	c.newline()
	c.text("    cache ")
	c.array("cache")
	left := flags &^ 0xffff
	sign := "<"
	for _, b := range cacheFlags {
		if left&b.bit == 0 {
			continue
		}
		left &^= b.bit
		c.str("", sign+"%s", b.name)
		sign = ","
	}
	if left != 0 {
		c.str("", sign+"%s", fmt.Sprintf("%x", left))
		sign = ","
	}
	if sign == "," {
		c.text("> ")
	}
	c.endArray()
}

// showCacheInfo prints a struct rta_cacheinfo, linux/rtnetlink.h.
func (c *command) showCacheInfo(b []byte) {
	if len(b) < 32 {
		return
	}
	word := func(i int) int64 { return int64(binary.NativeEndian.Uint32(b[4*i:])) }
	field := func(key, format string, v int64) {
		if v != 0 {
			c.num(key, format, v)
		}
	}
	seconds := func(key, format string, ticks int64) {
		if ticks != 0 {
			c.num(key, format, ticks/proc.UserHZ)
		}
	}
	seconds("expires", "expires %dsec ", int64(int32(word(2))))
	field("error", "error %d ", word(3))
	if c.stats > 0 {
		field("users", "users %d ", word(0))
		field("used", "used %d ", word(4))
		seconds("age", "age %dsec ", word(1))
	}
	if id := word(5); id != 0 {
		c.str("ipid", "ipid %s ", fmt.Sprintf("0x%04x", id))
	}
	if ts, age := word(6), word(7); ts != 0 || age != 0 {
		c.str("ts", "ts %s", fmt.Sprintf("0x%x", ts))
		c.num("tsage", "tsage %dsec ", age)
	}
}

func (c *command) showMetrics(b []byte) error {
	if b == nil {
		return nil
	}
	list, err := rtnl.ParseAttrs(b)
	if err != nil {
		return err
	}
	locks, _ := list.Uint32(unix.RTAX_LOCK)
	c.array("metrics")
	c.open("")
	for kind := uint16(unix.RTAX_MTU); int(kind) < len(metrics); kind++ {
		value := list.Get(kind)
		v, ok := list.Uint32(kind)
		name := metrics[kind]
		lock := ""
		if locks&(1<<kind) != 0 {
			lock = "lock "
		}
		switch {
		case value == nil || !ok && kind != unix.RTAX_CC_ALGO || kind == unix.RTAX_HOPLIMIT && int32(v) == -1:
		case kind == unix.RTAX_CC_ALGO:
			c.str("congestion", name+" "+lock+"%s ", unix.ByteSliceToString(value))
		case kind == unix.RTAX_FEATURES:
			c.text("%s %s", name, lock)
			if v&unix.RTAX_FEATURE_ECN != 0 {
				c.null("ecn", "ecn ")
			}
			if left := v &^ unix.RTAX_FEATURE_ECN; left != 0 {
				c.str(name, "%s ", fmt.Sprintf("0x%x", left))
			}
		case kind == unix.RTAX_RTT || kind == unix.RTAX_RTTVAR || kind == unix.RTAX_RTO_MIN:
			c.showTime(name, lock, v/unitsOf(kind))
		default:
			c.num(name, name+" "+lock+"%d ", int64(v))
		}
	}
	c.close()
	c.endArray()
	return nil
}

// unitsOf is how many of the kernel's units of a time make a millisecond.
func unitsOf(metric uint16) uint32 {
	switch metric {
	case unix.RTAX_RTT:
		return 8
	case unix.RTAX_RTTVAR:
		return 4
	}
	return 1
}

func (c *command) showTime(name, lock string, ms uint32) {
	if c.json || ms < 1000 {
		c.num(name, name+" "+lock+"%dms ", int64(ms))
		return
	}
	c.text("%s %s%gs ", name, lock, float64(ms)/1000)
}

// preferences are those of a router, RFC 4191, by their numbers.
var preferences = [...]string{"medium", "high", "2", "low"}

func preference(p uint8) string {
	if int(p) < len(preferences) {
		return preferences[p]
	}
	return fmt.Sprint(p)
}

func (c *command) showNexthops(r *link.Route) error {
	hops, err := r.Nexthops()
	if err != nil || len(hops) == 0 {
		return err
	}
	c.array("nexthops")
	for _, h := range hops {
		c.open("")
		c.newline()
		c.text("\tnexthop ")
		if to := h.Get(unix.RTA_NEWDST); to != nil {
			c.str("to", "as to %s ", host(to))
		}
		c.showWay(h.Attrs, &routeFilter{})
		if flow, ok := h.Uint32(unix.RTA_FLOW); ok {
			c.showRealms(flow)
		}
		if err := c.showDevice("dev", uint32(h.Ifindex)); err != nil {
			return err
		}
		c.num("weight", "weight %d ", int64(h.Hops)+1)
		c.showFlags(uint32(h.Flags))
		c.close()
	}
	c.endArray()
	return nil
}
