package ip

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/link"
	"ocibox/core/rtnl"
)

// states of a neighbor, in the order in which they are shown.
var states = [...]bit{
	{unix.NUD_INCOMPLETE, "INCOMPLETE"}, {unix.NUD_REACHABLE, "REACHABLE"}, {unix.NUD_STALE, "STALE"}, {unix.NUD_DELAY, "DELAY"},
	{unix.NUD_PROBE, "PROBE"}, {unix.NUD_FAILED, "FAILED"}, {unix.NUD_NOARP, "NOARP"}, {unix.NUD_PERMANENT, "PERMANENT"},
}

// noState stands in a filter for entries that have none.
const noState = 0x100

// readState reads a state by its name, of which a few may be shortened, or its
// number.
func readState(word string) (uint16, bool) {
	switch full := pick(word, "permanent", "reachable", "failed"); {
	case full != "":
		word = full
	case word == "none":
		return unix.NUD_NONE, true
	}
	for _, s := range states {
		if strings.EqualFold(s.name, word) && strings.ToLower(word) == word {
			return uint16(s.bit), true
		}
	}
	v, err := strconv.ParseUint(word, 0, 8)
	return uint16(v), err == nil && v&(v-1) == 0
}

// neighbor is "ip neighbor".
func (c *command) neighbor(args []string) error {
	if len(args) == 0 {
		c.object = "show"
		return c.neighborList(&words{})
	}
	w := &words{args[1:]}
	c.object = pick(args[0], "add", "change", "chg", "replace", "delete", "get", "show", "lst", "list", "flush")
	switch c.object {
	case "add":
		return c.neighborModify(w, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	case "change", "chg":
		return c.neighborModify(w, unix.NLM_F_REPLACE)
	case "replace":
		return c.neighborModify(w, unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
	case "delete":
		return c.neighborModify(w, deletes)
	case "get":
		return c.neighborGet(w)
	case "show", "lst", "list":
		return c.neighborList(w)
	case "flush":
		return c.neighborFlush(w)
	}
	return bad("command %q is not known; there are: add, change, delete, flush, get, list, replace, show", args[0])
}

// neighborSpec is an entry as a command line describes it.
type neighborSpec struct {
	link.Neighbor
	device   string
	to       bool
	hardware bool
	ext      uint32
}

func (c *command) readNeighbor(s *neighborSpec, w *words) error {
	word := w.word()
	what := pick(word, "lladdr", "=nud", "proxy", "router", "use", "managed", "extern_learn", "=dev", "protocol")
	switch what {
	case "router":
		s.Flags |= unix.NTF_ROUTER
		return nil
	case "use":
		s.Flags |= unix.NTF_USE
		return nil
	case "extern_learn":
		s.Flags |= unix.NTF_EXT_LEARNED
		return nil
	case "managed":
		s.ext |= rtnl.NTF_EXT_MANAGED
		return nil
	}
	value := word
	if what != "" || word == "to" {
		var err error
		if value, err = w.next(); err != nil {
			return err
		}
	}
	switch what {
	case "lladdr":
		if s.hardware {
			return bad("lladdr is there twice")
		}
		s.hardware = true
		if value == "null" {
			return nil
		}
		b, err := readHardware(value)
		s.Add(unix.NDA_LLADDR, b)
		return err
	case "nud":
		v, ok := readState(value)
		if !ok {
			return bad("%q is no value of nud", value)
		}
		s.State = v
		return nil
	case "dev":
		s.device = value
		return nil
	case "protocol":
		v, ok := protos.number(value)
		if !ok {
			return bad("%q is no value of protocol", value)
		}
		s.Add(rtnl.NDA_PROTOCOL, []byte{uint8(v)})
		return nil
	case "proxy":
		s.Flags |= unix.NTF_PROXY
	}
	if s.to {
		return bad("%q is neither a word of a neighbor nor its first address", value)
	}
	p, err := readAddress(value, c.family)
	if err != nil {
		return err
	}
	s.to = true
	s.Family = p.family
	s.Add(unix.NDA_DST, p.addr)
	return nil
}

// readEntry reads the words of one entry, which is of a device.
func (c *command) readEntry(s *neighborSpec, w *words) error {
	for w.more() {
		if err := c.readNeighbor(s, w); err != nil {
			return err
		}
	}
	if !s.to || s.device == "" {
		return bad("say the address and, behind dev, the device")
	}
	i, err := c.index(s.device)
	s.Ifindex = int32(i)
	return err
}

func (c *command) neighborModify(w *words, flags int) error {
	s := &neighborSpec{}
	s.State = unix.NUD_PERMANENT
	if err := c.readEntry(s, w); err != nil {
		return err
	}
	if s.ext != 0 {
		s.SetFlagsExt(s.ext)
	}
	net, err := c.network()
	if err != nil {
		return err
	}
	if flags == deletes {
		return answer(net.DeleteNeighbor(&s.Neighbor))
	}
	return answer(net.AddNeighbor(&s.Neighbor, flags))
}

func (c *command) neighborGet(w *words) error {
	s := &neighborSpec{}
	if err := c.readEntry(s, w); err != nil {
		return err
	}
	net, err := c.network()
	if err != nil {
		return err
	}
	got, err := net.GetNeighbor(&s.Neighbor)
	if err != nil {
		return answer(err)
	}
	c.list()
	for i := range got {
		if err := c.showNeighbor(&got[i], &neighborFilter{}); err != nil {
			return err
		}
	}
	return nil
}
