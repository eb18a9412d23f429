package veth

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/fault"
	"ocibox/core/inet"
	"ocibox/core/link"
	"ocibox/core/namespace"
	"ocibox/core/netns"
	"ocibox/core/proc"
)

// hinted says what a caller lacks who is refused.
func hinted(err error) error {
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var own [2]unix.CapUserData
	if e := unix.Capget(&header, &own[0]); e != nil || own[0].Effective&(1<<unix.CAP_NET_ADMIN) != 0 {
		return err
	}
	return fault.Op(err, "").WithHint("it takes CAP_NET_ADMIN in both network namespaces, and this process has none: sudo, or unshare --user --map-root-user --net")
}

// end is one of a pair, as JSON.
type end struct {
	Name      string        `json:"name,omitempty"`
	Index     int32         `json:"ifindex"`
	State     string        `json:"state,omitempty"`
	MTU       uint32        `json:"mtu,omitempty"`
	Addresses []inet.Prefix `json:"addresses,omitempty"`
	place
	Peer *end `json:"peer,omitempty"`
}

// place is where a namespace is known from: the first of these that there is.
type place struct {
	Container string `json:"container,omitempty"`
	Netns     string `json:"netns,omitempty"`
	Pid       int    `json:"pid,omitempty"`
	NSID      *int32 `json:"nsid,omitempty"`
}

func (p place) String() string {
	switch {
	case p.Container != "":
		return "container " + p.Container
	case p.Netns != "":
		return p.Netns
	case p.Pid != 0:
		return fmt.Sprint("of process ", p.Pid)
	case p.NSID != nil:
		return fmt.Sprint("number ", *p.NSID)
	}
	return "this one"
}

func show(f *cli.Flags) action {
	asJSON := f.BoolP("json", "j", false, "print JSON")
	root := rootFlag(f)
	return func(std cli.Std, names []string) error {
		here, err := link.Open("")
		if err != nil {
			return err
		}
		defer here.Close()
		list, err := here.Veths()
		if err != nil {
			return err
		}
		for _, name := range names {
			if !slices.ContainsFunc(list, func(e link.VethEnd) bool { return e.Name == name }) {
				return fault.Op(nil, "there is no veth device %s", name)
			}
		}
		l := &lookup{here: here, root: *root}
		defer l.close()
		pairs := []end{}
		for i := range list {
			e := &list[i]
			// Of a pair that is here, the kernel makes the peer first.
			if len(names) > 0 && !slices.Contains(names, e.Name) || len(names) == 0 && e.PeerNS == link.NoID && e.Index < e.PeerIndex {
				continue
			}
			near := newEnd(e)
			if e.PeerNS == link.NoID {
				near.Peer = peerOf(list, e.PeerIndex)
			} else if near.Peer, err = l.peer(e.PeerNS, e.PeerIndex); err != nil {
				return err
			}
			if near.Peer != nil { // or both are about to go
				pairs = append(pairs, *near)
			}
		}
		if *asJSON {
			data, err := json.Marshal(pairs)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(std.Out, "%s\n", data)
			return err
		}
		w := tabwriter.NewWriter(std.Out, 0, 1, 3, ' ', 0)
		if len(pairs) > 0 {
			fmt.Fprint(w, "DEVICE\tSTATE\tMTU\tNAMESPACE\tADDRESSES\n")
		}
		for i := range pairs {
			pairs[i].print(w, "")
			pairs[i].Peer.print(w, "  ")
		}
		return w.Flush()
	}
}

func (e *end) print(w *tabwriter.Writer, indent string) {
	name, mtu := e.Name, fmt.Sprint(e.MTU)
	if name == "" {
		name, mtu = fmt.Sprint("device ", e.Index), ""
	}
	var list []string
	for _, a := range e.Addresses {
		list = append(list, a.String())
	}
	line := strings.Join([]string{indent + name, e.State, mtu, e.place.String(), strings.Join(list, " ")}, "\t")
	fmt.Fprintln(w, strings.TrimRight(line, "\t"))
}

func newEnd(e *link.VethEnd) *end {
	return &end{Name: e.Name, Index: e.Index, State: e.State, MTU: e.MTU, Addresses: e.Addresses}
}

func peerOf(list []link.VethEnd, index int32) *end {
	for i := range list {
		if list[i].Index == index {
			return newEnd(&list[i])
		}
	}
	return nil
}

// lookup finds namespaces by the numbers that they have here.
type lookup struct {
	here  *link.Network
	root  string
	found map[int32]*known
}

// known is a namespace that was found.
type known struct {
	place
	net   *link.Network
	veths []link.VethEnd
}

func (l *lookup) close() {
	for _, k := range l.found {
		k.net.Close()
	}
}

// peer is the device of that index in the namespace of that number: no more
// than both, where nobody is found who is in there.
func (l *lookup) peer(ns, index int32) (*end, error) {
	if l.found == nil {
		l.found = map[int32]*known{}
		if err := l.search(); err != nil {
			return nil, err
		}
	}
	k := l.found[ns]
	if k == nil {
		return &end{Index: index, place: place{NSID: &ns}}, nil
	}
	if k.veths == nil {
		var err error
		if k.veths, err = k.net.Veths(); err != nil {
			return nil, err
		}
	}
	e := peerOf(k.veths, index)
	if e == nil {
		e = &end{Index: index}
	}
	e.place = k.place
	return e, nil
}

// search looks for namespaces wherever they are held: containers first, then
// those with a name, then those of processes.
func (l *lookup) search() error {
	s, err := store(l.root)
	if err != nil {
		return err
	}
	// One that cannot be read is still a process.
	all, _ := s.List()
	for _, c := range all {
		if status, err := c.Status(); err == nil && status != specs.StateStopped && c.Pid != 0 {
			l.try(namespace.Path(c.Pid, namespace.ByType(specs.NetworkNamespace)), place{Container: c.ID, Pid: c.Pid})
		}
	}
	names, err := netns.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		l.try(netns.Dir+"/"+name, place{Netns: name})
	}
	pids, err := proc.Pids()
	if err != nil {
		return err
	}
	seen := map[namespace.ID]bool{}
	for _, pid := range pids {
		if id, err := namespace.Of(pid, namespace.ByType(specs.NetworkNamespace)); err == nil && !seen[id] {
			seen[id] = true
			l.try(namespace.Path(pid, namespace.ByType(specs.NetworkNamespace)), place{Pid: pid})
		}
	}
	return nil
}

// try keeps a namespace that has a number here. One that cannot be entered, or
// that has gone, is none that anything can be told of.
func (l *lookup) try(path string, p place) {
	n, err := link.Open(path)
	if err != nil {
		return
	}
	id, err := l.here.PeerNumber(n)
	if err != nil || id == link.NoID || l.found[id] != nil {
		n.Close()
		return
	}
	l.found[id] = &known{place: p, net: n}
}
