// Package veth makes pairs of network devices between this network namespace
// and another one, such as a container's: what takes seven lines of ip.
package veth

import (
	"os/signal"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/container"
	"ocibox/core/fault"
	"ocibox/core/inet"
	"ocibox/core/link"
	"ocibox/core/namespace"
	"ocibox/core/netns"
)

// A command is one of the applet's.
type command struct {
	name, alias string
	usage       string
	summary     string
	min, max    int // how many operands; a negative max is no bound
	flags       func(*cli.Flags) action
}

type action func(std cli.Std, operands []string) error

var commands = [...]command{
	{"add", "", "[OPTION…] NAME --peer NAME", "Make a pair of devices, NAME here and its peer in another network namespace.\nOf one that fails nothing remains.", 1, 1, add},
	{"del", "delete", "[OPTION…] NAME…", "Delete pairs by the name of one end.", 1, -1, del},
	{"show", "list", "[OPTION…] [NAME…]", "Show pairs, both ends, and which namespace the far one is in.", 0, -1, show},
}

func newFlags() *cli.Flags {
	text := "Make, delete and show pairs of network devices.\n\ncommands:\n" +
		"  add NAME --peer NAME   one here, one in a container or another namespace\n" +
		"  del NAME…              by the name of one end\n" +
		"  show [NAME…]           both ends, and where the far one is\n\n" +
		"veth COMMAND --help tells the options. ip link does the single steps."
	f := cli.NewFlags("veth", "COMMAND [ARGUMENT…]", text)
	f.SetInterspersed(false)
	return f
}

func (c *command) newFlags() (*cli.Flags, action) {
	f := cli.NewFlags("veth "+c.name, c.usage, c.summary)
	return f, c.flags(f)
}

// Run is the applet.
func Run(std cli.Std, args []string) error {
	f := newFlags()
	if err := f.Parse(std, args); err != nil {
		return err
	}
	rest := f.Args()
	if len(rest) == 0 {
		return fault.Op(nil, "no command given").WithHint("there are: add, del, show")
	}
	for i := range commands {
		c := &commands[i]
		if rest[0] != c.name && rest[0] != c.alias {
			continue
		}
		err := c.run(std, rest[1:])
		if _, ok := err.(cli.Status); ok || err == nil {
			return err
		}
		return &cli.CommandError{Command: c.name, Err: err}
	}
	if rest[0] == "help" {
		return f.Parse(std, []string{"--help"})
	}
	return fault.Op(nil, "%s: no such command", rest[0]).WithHint("there are: add, del, show")
}

func (c *command) run(std cli.Std, args []string) error {
	f, do := c.newFlags()
	if err := f.Parse(std, args); err != nil {
		return err
	}
	operands, err := f.Operands(c.min, c.max)
	if err != nil {
		return err
	}
	return do(std, operands)
}

// Syntax is what completion has to know of it.
func Syntax() cli.Syntax {
	s := cli.Syntax{Flags: newFlags()}
	for i := range commands {
		c := &commands[i]
		f, _ := c.newFlags()
		s.Commands = append(s.Commands, cli.Command{
			Candidate: cli.Candidate{Word: c.name, About: c.summary},
			Syntax:    cli.Syntax{Flags: f, Values: func(word string) []cli.Candidate { return values(f, word) }},
		})
	}
	return s
}

// values are the candidates for a word of the help text.
func values(f *cli.Flags, word string) (list []cli.Candidate) {
	switch word {
	case "ID":
		s, err := store(f.Lookup("root").Value.String())
		if err != nil {
			return nil // what is wrong is told when the command is run
		}
		all, _ := s.List()
		for _, c := range all {
			list = append(list, cli.Candidate{Word: c.ID, About: c.Bundle})
		}
	case "PID|NAME|FILE":
		names, _ := netns.Names()
		for _, n := range names {
			list = append(list, cli.Candidate{Word: n})
		}
	}
	return list
}

// far are the flags for the other namespace.
type far struct{ netns, container, root *string }

func farFlags(f *cli.Flags) far {
	return far{
		netns:     f.StringP("netns", "n", "", "the other network namespace: `PID|NAME|FILE`"),
		container: f.StringP("container", "c", "", "that of the container `ID`"),
		root:      rootFlag(f),
	}
}

func rootFlag(f *cli.Flags) *string {
	return f.String("root", "", "`DIR` of the containers' state, as of the runtime's")
}

func store(root string) (container.Store, error) {
	dir, err := cli.StateRoot(root, "auto")
	return container.Store{Root: dir}, err
}

// open opens the namespace that the flags mean; without any, this one.
func (f far) open() (*link.Network, error) {
	switch {
	case *f.netns != "" && *f.container != "":
		return nil, fault.Op(nil, "--netns and --container exclude each other")
	case *f.container != "":
		return f.openContainer()
	case *f.netns == "":
		return link.Open("")
	}
	path, err := netns.Find(*f.netns)
	if err != nil {
		return nil, err
	}
	// Any file can be opened; this tells what it is that is none.
	fd, err := netns.OpenPath(path)
	if err != nil {
		return nil, err
	}
	unix.Close(fd)
	return link.Open(path)
}

func (f far) openContainer() (*link.Network, error) {
	s, err := store(*f.root)
	if err != nil {
		return nil, err
	}
	c, err := s.Load(*f.container)
	if err != nil {
		return nil, err
	}
	n, err := link.Open(namespace.Path(c.Pid, namespace.ByType(specs.NetworkNamespace)))
	// Only now it is known that the pid was still the container's.
	status, e := c.Status()
	switch {
	case e != nil:
		err = e
	case status == specs.StateStopped || c.Pid == 0:
		err = fault.Op(nil, "container %s has no process, and so no network namespace", c.ID).WithHint("create makes one that waits for start")
	case err == nil:
		err = notOurs(n, c.ID)
	}
	if err != nil && n != nil {
		n.Close()
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// notOurs makes sure that a container has a namespace of its own.
func notOurs(n *link.Network, id string) error {
	here, err := link.Open("")
	if err != nil {
		return err
	}
	defer here.Close()
	same, err := n.Same(here)
	if err == nil && same {
		return fault.Op(nil, "container %s has no network namespace of its own", id).WithHint("runtime spec --namespace network writes a config.json that gives it one")
	}
	return err
}

func add(f *cli.Flags) action {
	var v link.Veth
	f.StringVarP(&v.Peer, "peer", "p", "", "`NAME` of the other end")
	to := farFlags(f)
	near := f.StringArrayP("addr", "a", nil, "`ADDRESS/LENGTH` of this end; once or more")
	distant := f.StringArrayP("peer-addr", "A", nil, "`ADDRESS/LENGTH` of the other end; once or more")
	f.BoolVarP(&v.Up, "up", "u", false, "bring both ends up")
	f.StringVarP(&v.Bridge, "bridge", "b", "", "make this end a port of the bridge `NAME`")
	mtu := f.IntP("mtu", "m", 0, "the greatest packet that both take, `BYTES`")
	return func(_ cli.Std, operands []string) error {
		v.Name = operands[0]
		if v.Peer == "" {
			return fault.Op(nil, "say, behind --peer, what the other end is to be called")
		}
		var err error
		if v.Addresses, err = prefixes("--addr", *near); err != nil {
			return err
		}
		if v.PeerAddresses, err = prefixes("--peer-addr", *distant); err != nil {
			return err
		}
		if *mtu < 0 || int64(*mtu) > 1<<31-1 || f.Changed("mtu") && *mtu == 0 {
			return fault.Op(nil, "--mtu %d is no number of bytes that a packet can have", *mtu)
		}
		v.MTU = uint32(*mtu)
		here, err := link.Open("")
		if err != nil {
			return err
		}
		defer here.Close()
		there, err := to.open()
		if err != nil {
			return err
		}
		defer there.Close()
		// It is done in a moment, and not by halves.
		signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
		defer signal.Reset(unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
		return hinted(here.AddVeth(there, &v))
	}
}

// prefixes reads addresses that have a length behind them.
func prefixes(flag string, words []string) (list []inet.Prefix, err error) {
	for _, w := range words {
		p, err := inet.ParsePrefix(w)
		if err != nil {
			if a, e := inet.ParseAddr(w); e == nil {
				return nil, fault.Op(nil, "%s %s has no length behind it", flag, w).WithHint("as in %s/%d: how many bits of it are those of the network", a, map[bool]int{true: 24, false: 64}[a.Is4()])
			}
			return nil, fault.Op(nil, "%s %s is no address with a length, as in 10.0.0.10/24", flag, w)
		}
		list = append(list, p)
	}
	return list, nil
}

func del(f *cli.Flags) action {
	to := farFlags(f)
	return func(_ cli.Std, names []string) error {
		n, err := to.open()
		if err != nil {
			return err
		}
		defer n.Close()
		for _, name := range names {
			if err := link.CheckName(name); err != nil {
				return err
			}
			l, err := n.Link(name, false)
			if err != nil {
				return fault.Op(err, "find network device %s", name)
			}
			if l.Kind() != "veth" {
				return fault.Op(nil, "%s is no veth device", name).WithHint("ip link del takes away any kind")
			}
			gone := &link.Link{}
			gone.Index = l.Index
			if err := n.DeleteLink(gone); err != nil {
				return hinted(fault.Op(err, "delete %s", name))
			}
		}
		return nil
	}
}
