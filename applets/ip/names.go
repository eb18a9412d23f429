package ip

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A naming is a kind of number that has names: some that are always there, and
// those of a file in /etc/iproute2.
type naming struct {
	file  string
	max   uint64
	base  int // of a number without a prefix such as 0x
	known []name
	list  []name // all, once they are asked for
}

type name struct {
	number uint32
	name   string
}

const namesDir = "/etc/iproute2/"

var (
	tables = naming{file: "rt_tables", max: 1<<32 - 1, known: []name{{253, "default"}, {254, "main"}, {255, "local"}}}
	scopes = naming{file: "rt_scopes", max: 255, known: []name{{0, "global"}, {255, "nowhere"}, {254, "host"}, {253, "link"}, {200, "site"}}}
	realms = naming{file: "rt_realms", max: 1<<16 - 1, known: []name{{0, "unknown"}}}
	fields = naming{file: "rt_dsfield", max: 255, base: 16, known: []name{{0, "0"}}}
	protos = naming{file: "rt_protos", max: 255, known: []name{
		{0, "unspec"}, {1, "redirect"}, {2, "kernel"}, {3, "boot"}, {4, "static"}, {8, "gated"}, {9, "ra"}, {10, "mrt"},
		{11, "zebra"}, {12, "bird"}, {13, "dnrouted"}, {14, "xorp"}, {15, "ntk"}, {16, "dhcp"}, {18, "keepalived"}, {42, "babel"},
		{186, "bgp"}, {187, "isis"}, {188, "ospf"}, {189, "rip"}, {192, "eigrp"},
	}}
	types = naming{max: 255, known: []name{
		{0, "none"}, {1, "unicast"}, {2, "local"}, {3, "broadcast"}, {4, "anycast"}, {5, "multicast"}, {6, "blackhole"},
		{7, "unreachable"}, {8, "prohibit"}, {9, "throw"}, {10, "nat"}, {11, "xresolve"}, {3, "brd"},
	}}
	ipProtocols = naming{max: 255, known: []name{{1, "icmp"}, {6, "tcp"}, {17, "udp"}, {58, "ipv6-icmp"}, {132, "sctp"}}}
)

// all are the names, those of the files first. A file that cannot be read has
// none.
func (n *naming) all() []name {
	if n.file == "" {
		return n.known
	}
	if n.list != nil {
		return n.list
	}
	more, _ := filepath.Glob(namesDir + n.file + ".d/*.conf")
	for _, path := range append([]string{namesDir + n.file}, more...) {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 2 || f[0][0] == '#' {
				continue
			}
			if v, err := strconv.ParseUint(f[0], 0, 32); err == nil {
				n.list = append(n.list, name{uint32(v), f[1]})
			}
		}
	}
	slices.Reverse(n.list) // the last of a number is its name
	n.list = append(n.list, n.known...)
	return n.list
}

// text is the name of a number, or the number.
func (n *naming) text(v uint32, numeric bool) string {
	if !numeric {
		for _, e := range n.all() {
			if e.number == v {
				return e.name
			}
		}
	}
	if n.base == 16 {
		return fmt.Sprintf("0x%02x", v)
	}
	return strconv.FormatUint(uint64(v), 10)
}

// number reads a name or a number.
func (n *naming) number(word string) (uint32, bool) {
	for _, e := range n.all() {
		if e.name == word {
			return e.number, true
		}
	}
	base := n.base
	if rest, ok := strings.CutPrefix(word, "0x"); ok && base == 16 {
		word = rest
	}
	v, err := strconv.ParseUint(word, base, 64)
	return uint32(v), err == nil && v <= n.max
}
