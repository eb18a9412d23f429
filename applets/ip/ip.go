// Package ip speaks the grammar of iproute2's ip and prints as that does, for
// what containers need of it.
package ip

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/fault"
	"ocibox/core/link"
	"ocibox/core/netns"
)

// command is one command line: its global options, and what it works on.
type command struct {
	cli.Std
	printer
	family         uint8 // AF_UNSPEC, AF_INET or AF_INET6
	details, stats int
	brief, all     bool
	numeric        bool
	netns          string // -n
	net            *link.Network
	names          map[int32]string // of devices, once they are asked for
	flags          map[int32]uint32 // and theirs
	peers          map[int32]string // names of namespaces by their numbers, the same
	held           []int            // descriptors, until the end
	object         string           // for errors
}

// objects are the first words that there are; of those that begin as what is
// typed, the first is meant, as in ip.
var objects = [...]object{
	{"address", (*command).address, addressUsage, "add change delete flush list replace show"},
	{"route", (*command).route, routeUsage, "add append change delete flush get list prepend replace show test"},
	{"link", (*command).link, linkUsage, "add change delete list property replace set show"},
	{"neighbor", (*command).neighbor, neighborUsage, "add change delete flush get list replace show"},
	{"neighbour", (*command).neighbor, neighborUsage, ""},
	{"netns", (*command).namespaces, netnsUsage, "add attach delete exec identify list list-id monitor pids set"},
}

type object struct {
	name     string
	run      func(c *command, args []string) error
	usage    string
	commands string // for completion
}

const (
	usage = `usage: ip [OPTION…] OBJECT [COMMAND [WORD…]]
       ip OBJECT help
objects: address, link, route, neighbor, netns; what an object or a command begins with is enough
options: -4 -6 -0 -f[amily] inet|inet6|link -d[etails] -s[tatistics] -o[neline] -br[ief] -j[son] -p[retty] -N[umeric] -n[etns] NAME|FILE|PID -a[ll] -c[olor]
`
	addressUsage = `usage: ip address [show|flush] [[dev] NAME] [scope S] [to PREFIX] [label PATTERN] [up] [[-]FLAG] [dynamic|permanent] [primary|secondary]
           [master NAME] [nomaster] [vrf NAME] [group G] [type KIND[_slave]]
       ip address add|change|replace|delete [local] PREFIX [peer PREFIX] [broadcast ADDRESS|+|-] [anycast ADDRESS] [scope S] [label LABEL] [metric N]
           [valid_lft SECONDS|forever] [preferred_lft SECONDS|forever] [FLAG] dev NAME
flags to set: home, nodad, optimistic, mngtmpaddr, noprefixroute, autojoin; to look for: also tentative, deprecated, dadfailed, temporary, stable-privacy
`
	linkUsage = `usage: ip link [show] [[dev] NAME] [up] [master NAME] [nomaster] [vrf NAME] [group G] [type KIND[_slave]]
       ip link add [link NAME] [name] NAME [SETTING]… [netns NAME|FILE|PID] type KIND [OPTION]…
       ip link set [dev] NAME|group G [up|down] [name NAME] [SETTING]… [netns NAME|FILE|PID] [type KIND[_slave] OPTION…]
       ip link delete [dev] NAME|group G
       ip link property add|del [dev] NAME [altname NAME]…
settings: address ADDRESS, broadcast ADDRESS, mtu N, txqueuelen N, index N, numtxqueues N, numrxqueues N, master NAME, nomaster, alias TEXT, group G,
       arp|multicast|allmulticast|promisc|dynamic|trailers|carrier|protodown on|off, addrgenmode eui64|none|stable_secret|random, mode default|dormant,
       state STATE, gso_max_size N, gso_max_segs N, gro_max_size N, link-netns NAME, link-netnsid N, parentdev NAME
kinds: veth [peer [name] NAME [SETTING]…]; bridge; dummy; vlan id N; macvlan|macvtap mode private|vepa|bridge|passthru|source; ipvlan|ipvtap mode l2|l3|l3s;
       vrf table N; and others that need no options
`
	routeUsage = `usage: ip route [list|flush] [root|match|exact PREFIX] [table ID|all] [vrf NAME] [dev NAME] [via ADDRESS] [src ADDRESS] [proto P] [type T] [scope S] [tos T] [metric N] [realms R] [cached]
       ip route get ADDRESS [from ADDRESS] [iif NAME] [oif NAME] [vrf NAME] [tos T] [mark N] [uid N] [ipproto P] [sport N] [dport N] [fibmatch] [connected] [notify]
       ip route add|append|prepend|change|replace|test|delete [TYPE] PREFIX [via [inet|inet6] ADDRESS] [dev NAME] [src ADDRESS] [metric N] [table ID] [vrf NAME]
           [proto P] [scope S] [tos T] [onlink] [realms R] [pref low|medium|high] [expires N] [nhid N] [from PREFIX] [ttl-propagate enabled|disabled]
           [mtu|advmss|rtt|rttvar|rto_min|window|cwnd|initcwnd|initrwnd|ssthresh|reordering|hoplimit|features|quickack|congctl|fastopen_no_cookie [lock] VALUE]
           [nexthop [via ADDRESS] [dev NAME] [weight N] [onlink] [realms R]]…
`
	neighborUsage = `usage: ip neighbor [show|flush] [proxy] [[to] PREFIX] [dev NAME] [nud STATE] [unused] [vrf NAME] [master NAME] [nomaster]
       ip neighbor add|change|replace|delete [proxy] ADDRESS dev NAME [lladdr ADDRESS] [nud STATE] [router] [use] [managed] [extern_learn] [protocol P]
       ip neighbor get [proxy] ADDRESS dev NAME
states: permanent, reachable, stale, noarp, none, incomplete, delay, probe, failed, all
`
	netnsUsage = `usage: ip netns [list]
       ip netns add NAME
       ip netns attach NAME PID
       ip netns set NAME auto|NUMBER
       ip [-all] netns delete [NAME]
       ip netns identify [PID]
       ip netns pids NAME
       ip [-all] netns exec [NAME] COMMAND…
       ip netns monitor
       ip netns list-id [target-nsid NUMBER] [nsid NUMBER]
`
)

// Exit statuses of ip.
const (
	refused = 2   // by the kernel
	misused = 255 // the command line
)

// bad is a command line that means nothing.
//
//go:noinline
func bad(format string, args ...any) error {
	return &cli.Failure{Status: misused, Err: fault.Op(nil, format, args...)}
}

// answer is err of a request to the kernel.
func answer(err error) error {
	if err == nil {
		return nil
	}
	return &cli.Failure{Status: refused, Err: err}
}

// option reads a global option, and says whether it takes the next word too.
func (c *command) option(word, next string) (takes bool, err error) {
	name := strings.TrimPrefix(strings.TrimPrefix(word, "-"), "-")
	is := func(full string) bool { return name != "" && strings.HasPrefix(full, name) }
	switch {
	case name == "4":
		c.family = unix.AF_INET
	case name == "6":
		c.family = unix.AF_INET6
	case name == "0":
		c.family = unix.AF_PACKET
	case is("statistics"):
		c.stats++
	case is("details"):
		c.details++
	case is("oneline"):
		c.oneline = true
	case is("netns"):
		c.netns = next
		return true, nil
	case is("family"):
		if c.family = familyOf(next); next == "link" {
			c.family = unix.AF_PACKET
		} else if c.family == unix.AF_UNSPEC {
			return false, bad("family %q is none of inet, inet6 and link", next)
		}
		return true, nil
	case is("Numeric"):
		c.numeric = true
	case is("all"):
		c.all = true
	case is("json"):
		c.json = true
	case is("pretty"):
		c.pretty = true
	case is("brief"):
		c.brief = true
	case is("color"), strings.HasPrefix(name, "c="), strings.HasPrefix(name, "color="):
	default:
		return false, bad("option %q is not known", word)
	}
	return false, nil
}

// Run is the applet.
func Run(std cli.Std, args []string) error {
	c := &command{Std: std}
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		switch args[0] {
		case "-help", "--help":
			return c.tell(usage)
		case "-V", "-Version", "--version":
			return c.tell("ocibox ip " + cli.Version + "\n")
		}
		var next string
		if len(args) > 1 {
			next = args[1]
		}
		takes, err := c.option(args[0], next)
		if err != nil {
			return err
		}
		args = args[1:]
		if takes {
			if len(args) == 0 {
				return bad("the command line ends too early")
			}
			args = args[1:]
		}
	}
	if len(args) == 0 {
		return bad("what is it about? there are: address, link, route, neighbor, netns")
	}
	if args[0] == "help" {
		return c.tell(usage)
	}
	for _, o := range objects {
		if !strings.HasPrefix(o.name, args[0]) {
			continue
		}
		if len(args) > 1 && args[1] == "help" {
			return c.tell(o.usage)
		}
		err := o.run(c, args[1:])
		if c.net != nil {
			c.net.Close()
		}
		for _, fd := range c.held {
			unix.Close(fd)
		}
		if err == nil {
			err = c.flush(std.Out)
		}
		if err != nil {
			return &cli.CommandError{Command: strings.TrimSpace(o.name + " " + c.object), Err: err}
		}
		return nil
	}
	return bad("object %q is not known; there are: address, link, route, neighbor, netns", args[0])
}

func (c *command) tell(text string) error {
	c.buf.WriteString(text)
	return c.flush(c.Out)
}

// Syntax is what completion has to know of it: objects, their commands, and
// behind those the names of devices or of namespaces.
func Syntax() cli.Syntax {
	s := cli.Syntax{Flags: cli.NewFlags("ip", "OBJECT COMMAND…", "Show and change network devices, addresses, routes, neighbors and network namespaces.")}
	for i := range objects {
		o := &objects[i]
		if o.commands == "" {
			continue // another name of the one before
		}
		of := cli.Syntax{Flags: cli.NewFlags("ip "+o.name, "COMMAND", "")}
		words := "DEVICE…"
		if o.name == "netns" {
			words = "NETNS…"
		}
		for word := range strings.FieldsSeq(o.commands) {
			of.Commands = append(of.Commands, cli.Command{
				Candidate: cli.Candidate{Word: word},
				Syntax:    cli.Syntax{Flags: cli.NewFlags("ip "+o.name+" "+word, words, ""), Values: values},
			})
		}
		s.Commands = append(s.Commands, cli.Command{Candidate: cli.Candidate{Word: o.name}, Syntax: of})
	}
	return s
}

// values are the candidates for a word. What is wrong is told when the command
// is run.
func values(word string) (list []cli.Candidate) {
	if word == "NETNS" {
		names, _ := netns.Names()
		for _, name := range names {
			list = append(list, cli.Candidate{Word: name})
		}
		return list
	}
	net, err := link.Open("")
	if err != nil {
		return nil
	}
	defer net.Close()
	names, _ := net.Names()
	for _, name := range names {
		list = append(list, cli.Candidate{Word: name})
	}
	slices.SortFunc(list, func(a, b cli.Candidate) int { return strings.Compare(a.Word, b.Word) })
	return list
}

// pick finds the first of names that word begins, or is, for those behind a
// "="; "" if there is none.
func pick(word string, names ...string) string {
	for _, n := range names {
		whole, only := strings.CutPrefix(n, "=")
		if word == whole || !only && word != "" && strings.HasPrefix(n, word) {
			return whole
		}
	}
	return ""
}

// network is the namespace that the command is about.
func (c *command) network() (*link.Network, error) {
	if c.net != nil {
		return c.net, nil
	}
	path := ""
	if c.netns != "" {
		var err error
		if path, err = netns.Find(c.netns); err != nil {
			return nil, err
		}
	}
	net, err := link.Open(path)
	if err != nil {
		return nil, err
	}
	c.net = net
	return net, nil
}

// index is the number of a device.
func (c *command) index(name string) (uint32, error) {
	net, err := c.network()
	if err != nil {
		return 0, err
	}
	if err := link.CheckName(name); err != nil {
		return 0, err
	}
	i, err := net.Index(name)
	if errors.Is(err, unix.ENODEV) {
		err = fault.Op(nil, "cannot find device %q", name)
	}
	return uint32(i), err
}

// device is the name of a device.
func (c *command) device(index uint32) (string, error) {
	if c.names == nil {
		net, err := c.network()
		if err != nil {
			return "", err
		}
		if c.names, err = net.Names(); err != nil {
			return "", err
		}
	}
	if name := c.names[int32(index)]; name != "" {
		return name, nil
	}
	return fmt.Sprintf("if%d", index), nil
}

// words are the rest of a command line.
type words struct{ rest []string }

func (w *words) more() bool { return len(w.rest) > 0 }

// word takes the next one, which is there.
func (w *words) word() string {
	s := w.rest[0]
	w.rest = w.rest[1:]
	return s
}

// next takes the next one, where one has to follow.
//
//go:noinline
func (w *words) next() (string, error) {
	if !w.more() {
		return "", bad("the command line ends too early")
	}
	return w.word(), nil
}
