package ip

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/link"
)

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
