package ip

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/early"
	"ocibox/core/fault"
	"ocibox/core/link"
	"ocibox/core/netns"
)

// namespaces is "ip netns".
func (c *command) namespaces(args []string) error {
	if len(args) == 0 {
		c.object = "list"
		return c.netnsList()
	}
	rest := args[1:]
	c.object = pick(args[0], "list", "show", "lst", "list-id", "add", "set", "delete", "identify", "pids", "exec", "monitor", "attach")
	switch c.object {
	case "":
		return bad("command %q is not known; there are: add, attach, delete, exec, identify, list, list-id, monitor, pids, set", args[0])
	case "list", "show", "lst":
		return c.netnsList()
	case "list-id":
		return c.netnsListID(&words{rest})
	case "monitor":
		return c.netnsMonitor()
	case "identify":
		return c.netnsIdentify(rest)
	case "delete":
		if c.all && len(rest) == 0 {
			return each(netns.Delete)
		}
	case "exec":
		if c.all {
			return c.netnsExecAll(rest)
		}
	}
	if len(rest) == 0 {
		return fault.Op(nil, "say which network namespace")
	}
	first := rest[0]
	if err := netns.CheckName(first); err != nil {
		return &cli.Failure{Status: misused, Err: err}
	}
	switch c.object {
	case "delete":
		return netns.Delete(first)
	case "set":
		return c.netnsSet(first, rest[1:])
	case "pids":
		return c.netnsPids(first, rest[1:])
	case "attach":
		return netnsAttach(first, rest[1:])
	case "exec":
		return c.netnsExec(first, rest[1:])
	}
	return netns.Add(first)
}

// each does something with every name there is.
func each(do func(name string) error) error {
	names, err := netns.Names()
	for _, name := range names {
		if err := do(name); err != nil {
			return err
		}
	}
	return err
}

// peerID is the number that the namespace of that name has here; link.NoID if
// that cannot be told.
func (c *command) peerID(name string) (int32, error) {
	net, err := c.network()
	if err != nil {
		return link.NoID, err
	}
	fd, err := netns.Open(name)
	if err != nil {
		return link.NoID, nil // a file that is none, or one that has gone
	}
	defer unix.Close(fd)
	return net.PeerID(fd)
}

func (c *command) netnsList() error {
	names, err := netns.Names()
	if err != nil {
		return err
	}
	c.list()
	for _, name := range names {
		id, err := c.peerID(name)
		if err != nil {
			return answer(err)
		}
		c.open("")
		c.str("name", "%s", name)
		if id >= 0 {
			c.num("id", " (id: %d)", int64(id))
		}
		c.text("\n")
		c.close()
	}
	return nil
}

func (c *command) netnsListID(w *words) error {
	target, id := int32(link.NoID), int32(link.NoID)
	for w.more() {
		word := w.word()
		to := &target
		if word == "nsid" {
			to = &id
		} else if word != "target-nsid" {
			return bad("%q is neither target-nsid nor nsid", word)
		}
		value, err := w.next()
		if err != nil {
			return err
		}
		if *to, err = readPeerID(value); err != nil {
			return err
		}
	}
	net, err := c.network()
	if err != nil {
		return err
	}
	var list []link.PeerID
	if id == link.NoID {
		list, err = net.PeerIDs(target)
	} else {
		list, err = net.TranslatePeerID(id, target)
	}
	if err != nil {
		return answer(err)
	}
	c.list()
	for _, p := range list {
		here := p.ID
		c.open("")
		c.showPeerID("nsid", p.ID)
		if p.Foreign {
			here = p.Current
			c.showPeerID("current-nsid", p.Current)
		}
		if here >= 0 {
			name, err := c.namespaceOf(here)
			if err != nil {
				return err
			}
			if name != "" {
				c.str("name", "(iproute2 netns name: %s)", name)
			}
		}
		c.text("\n")
		c.close()
	}
	return nil
}

func (c *command) showPeerID(key string, id int32) {
	if id < 0 {
		c.text("%s unassigned ", key)
	} else {
		c.num(key, key+" %d ", int64(id))
	}
}

func readPeerID(value string) (int32, error) {
	v, err := strconv.ParseInt(value, 0, 32)
	if err != nil || v < 0 {
		return 0, bad("%q is no number of a network namespace: those are from 0 up", value)
	}
	return int32(v), nil
}

func (c *command) netnsSet(name string, args []string) error {
	if len(args) == 0 {
		return fault.Op(nil, "say the number, or auto")
	}
	id := int32(link.NoID)
	if args[0] != "auto" {
		var err error
		if id, err = readPeerID(args[0]); err != nil {
			return err
		}
	}
	net, err := c.network()
	if err != nil {
		return err
	}
	fd, err := netns.Open(name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return answer(net.SetPeerID(fd, id))
}

func readPid(word string) (int, error) {
	pid, err := strconv.ParseUint(word, 10, 31)
	if err != nil || pid == 0 {
		return 0, fault.Op(nil, "%q is no pid", word)
	}
	return int(pid), nil
}

func netnsAttach(name string, args []string) error {
	if len(args) == 0 {
		return fault.Op(nil, "say which process")
	}
	pid, err := readPid(args[0])
	if err != nil {
		return err
	}
	return netns.Attach(name, pid)
}

func (c *command) netnsPids(name string, more []string) error {
	if len(more) > 0 {
		return fault.Op(nil, "unexpected operand %q", more[0])
	}
	pids, err := netns.Pids(name)
	for _, pid := range pids {
		fmt.Fprintln(&c.buf, pid)
	}
	return err
}

func (c *command) netnsIdentify(args []string) error {
	pid := 0
	switch {
	case len(args) > 1:
		return fault.Op(nil, "unexpected operand %q", args[1])
	case len(args) == 1 && args[0] != "self":
		var err error
		if pid, err = readPid(args[0]); err != nil {
			return err
		}
	}
	names, err := netns.NamesOf(pid)
	if err != nil {
		return err
	}
	// Of several, ip tells the last of the directory.
	last := ""
	if n := len(names); n > 0 {
		last = names[n-1]
	}
	fmt.Fprintln(&c.buf, last)
	return nil
}

func (c *command) netnsMonitor() error {
	return netns.Watch(func(change netns.Change) error {
		word := "add"
		if change.Gone {
			word = "delete"
		}
		if _, err := fmt.Fprintf(c.Out, "%s %s\n", word, change.Name); err != nil {
			return fault.Op(err, "print")
		}
		return nil
	})
}

func (c *command) warn(text string) { fmt.Fprintf(c.Err, "ip netns exec: %s\n", text) }

func (c *command) netnsExec(name string, argv []string) error {
	if len(argv) == 0 {
		return fault.Op(nil, "say which program")
	}
	return netns.Exec(name, argv, early.Environ(), c.warn)
}

// netnsExecAll goes on whatever the programs end with, and whether or not they
// could be executed, as ip does; but what failed is an exit status.
func (c *command) netnsExecAll(argv []string) error {
	if len(argv) == 0 {
		return fault.Op(nil, "say which program")
	}
	var failed error
	err := each(func(name string) error {
		if _, err := fmt.Fprintf(c.Out, "\nnetns: %s\n", name); err != nil {
			return fault.Op(err, "print")
		}
		if _, err := netns.Run(name, argv, early.Environ(), c.warn); err != nil {
			fmt.Fprintf(c.Err, "ip netns exec: %v\n", err)
			failed = cli.Status(1)
		}
		return nil
	})
	return errors.Join(err, failed)
}
