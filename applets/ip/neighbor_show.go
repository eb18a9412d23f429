package ip

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/link"
	"ocibox/core/proc"
	"ocibox/core/rtnl"
)

// neighborFilter is what a list is to be of.
type neighborFilter struct {
	family uint8
	flags  uint8
	index  uint32
	states uint32
	unused bool
	to     *prefix
	of     rtnl.Attrs
}

func (f *neighborFilter) matches(e *link.Neighbor) bool {
	if f.family != unix.AF_UNSPEC && f.family != e.Family || f.index != 0 && f.index != uint32(e.Ifindex) {
		return false
	}
	always := e.Flags&(unix.NTF_PROXY|unix.NTF_EXT_LEARNED) != 0
	if f.states&uint32(e.State) == 0 && !always && (e.State != 0 || f.states&noState == 0) {
		return false
	}
	if dst := e.Get(unix.NDA_DST); f.to != nil && dst != nil && !f.to.holds(dst, f.to.bits) {
		return false
	}
	// struct nda_cacheinfo: confirmed, used, updated, refcnt.
	info := e.Get(unix.NDA_CACHEINFO)
	return !f.unused || len(info) < 16 || binary.NativeEndian.Uint32(info[12:]) == 0
}

// readNeighborFilter reads the words of a list or of a flush, of what is in
// one of these states unless they say more.
func (c *command) readNeighborFilter(w *words, states uint32, flush bool) (*neighborFilter, error) {
	f := &neighborFilter{family: c.family, states: states}
	given := false
	for w.more() {
		word := w.word()
		switch word {
		case "unused":
			f.unused = true
			continue
		case "proxy":
			f.flags = unix.NTF_PROXY
			continue
		case "nomaster":
			f.of.AddUint32(unix.NDA_MASTER, 0)
			continue
		}
		value := word
		if word == "dev" || word == "nud" || word == "to" || word == "master" || word == "vrf" {
			var err error
			if value, err = w.next(); err != nil {
				return nil, err
			}
		}
		switch word {
		case "dev", "master", "vrf":
			i, err := c.index(value)
			if err != nil {
				return nil, err
			}
			if word == "dev" {
				f.index = i
				f.of.AddUint32(unix.NDA_IFINDEX, i)
			} else {
				f.of.AddUint32(unix.NDA_MASTER, i)
			}
		case "nud":
			v, ok := readState(value)
			state := uint32(v)
			switch {
			case !ok && value != "all":
				return nil, bad("%q is no value of nud", value)
			case !ok && flush:
				state = ^uint32(unix.NUD_NOARP)
			case !ok:
				state = ^uint32(0)
			case state == 0:
				state = noState
			}
			if !given {
				f.states = 0
			}
			given = true
			f.states |= state
		default:
			p, err := readPrefix(value, f.family)
			if err != nil {
				return nil, err
			}
			f.to = &p
			if f.family == unix.AF_UNSPEC {
				f.family = p.family
			}
		}
	}
	return f, nil
}

func (c *command) neighbors(f *neighborFilter) ([]link.Neighbor, error) {
	net, err := c.network()
	if err != nil {
		return nil, err
	}
	list, err := net.Neighbors(f.family, f.flags, f.of)
	if err != nil {
		return nil, answer(fault.Op(err, "list neighbors"))
	}
	return slices.DeleteFunc(list, func(e link.Neighbor) bool { return !f.matches(&e) }), nil
}

func (c *command) neighborList(w *words) error {
	f, err := c.readNeighborFilter(w, 0xff&^unix.NUD_NOARP, false)
	if err != nil {
		return err
	}
	list, err := c.neighbors(f)
	if err != nil {
		return err
	}
	c.list()
	for i := range list {
		if err := c.showNeighbor(&list[i], f); err != nil {
			return err
		}
	}
	return nil
}

func (c *command) neighborFlush(w *words) error {
	if !w.more() {
		return fault.Op(nil, "say which neighbors are to go: dev, to, nud, all, …")
	}
	f, err := c.readNeighborFilter(w, ^uint32(unix.NUD_PERMANENT|unix.NUD_NOARP), true)
	if err != nil {
		return err
	}
	net, err := c.network()
	if err != nil {
		return err
	}
	return c.flushed("entries", false, func() (int, error) {
		list, err := c.neighbors(f)
		for i := range list {
			e := &list[i]
			if c.stats > 1 {
				if err := c.showNeighbor(e, f); err != nil {
					return 0, err
				}
			}
			// Somebody else may have deleted it.
			if err := net.DeleteNeighbor(e); err != nil && !errors.Is(err, unix.ENOENT) {
				return 0, answer(fault.Op(err, "delete a neighbor"))
			}
		}
		return len(list), err
	})
}

// showNeighbor prints an entry; the device that f asks for is not repeated.
func (c *command) showNeighbor(e *link.Neighbor, f *neighborFilter) error {
	c.open("")
	wide := func(key, format, brief, value string) {
		if c.brief {
			format = brief
		}
		c.str(key, format, value)
	}
	if dst := e.Get(unix.NDA_DST); dst != nil {
		wide("dst", "%s ", "%-39s ", host(dst))
	}
	if f.index == 0 && e.Ifindex != 0 {
		name, err := c.device(uint32(e.Ifindex))
		if err != nil {
			return err
		}
		wide("dev", "dev %s ", "%-16s ", name)
	}
	if ll := e.Get(unix.NDA_LLADDR); ll != nil {
		wide("lladdr", "lladdr %s ", "%s", hardware(ll))
	}
	if !c.brief {
		c.showNeighborState(e)
	}
	c.text("\n")
	c.close()
	return nil
}

func (c *command) showNeighborState(e *link.Neighbor) {
	for _, b := range [...]struct {
		is   bool
		name string
	}{
		{e.Flags&unix.NTF_ROUTER != 0, "router"},
		{e.Flags&unix.NTF_PROXY != 0, "proxy"},
		{e.Flags&unix.NTF_EXT_LEARNED != 0, "extern_learn"},
		{e.Flags&unix.NTF_OFFLOADED != 0, "offload"},
		{e.FlagsExt()&rtnl.NTF_EXT_MANAGED != 0, "managed"},
		{e.FlagsExt()&rtnl.NTF_EXT_LOCKED != 0, "locked"},
	} {
		if b.is {
			c.null(b.name, b.name+" ")
		}
	}
	if c.stats > 0 {
		if info := e.Get(unix.NDA_CACHEINFO); len(info) >= 16 {
			word := func(i int) int64 { return int64(binary.NativeEndian.Uint32(info[4*i:])) }
			if refs := word(3); refs != 0 {
				c.num("refcnt", " ref %d", refs)
			}
			c.num("used", " used %d", word(1)/proc.UserHZ)
			c.num("confirmed", "/%d", word(0)/proc.UserHZ)
			c.num("updated", "/%d", word(2)/proc.UserHZ)
		}
		if probes, ok := e.Uint32(unix.NDA_PROBES); ok {
			c.num("probes", "probes %d ", int64(probes))
		}
	}
	if e.State != 0 {
		c.array("state")
		left := uint32(e.State)
		for _, s := range states {
			if left&s.bit != 0 {
				left &^= s.bit
				c.str("", "%s", s.name)
				c.text("%s", strings.Repeat(",", min(1, int(left))))
			}
		}
		c.text(" ")
		c.endArray()
	}
	if p := e.Get(rtnl.NDA_PROTOCOL); len(p) > 0 {
		c.str("protocol", "proto %s ", protos.text(uint32(p[0]), c.numeric))
	}
}
