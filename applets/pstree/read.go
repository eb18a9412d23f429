package pstree

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ocibox/core/namespace"
	"ocibox/core/proc"
)

// node is a process or a thread.
type node struct {
	pid      int
	name     string
	thread   bool
	args     []string
	uid      uint32
	group    int
	label    string
	age      time.Duration
	spaces   [len(namespace.Kinds)]namespace.ID
	lit      bool   // it is to be highlighted
	mark     string // the container whose init it is
	parent   *node
	children []*node
}

// processes are all that /proc shows, by pid.
type processes struct {
	*options
	all    map[int]*node
	booted time.Duration
}

// unknown is the name of what cannot be looked at.
const unknown = "?"

// read reads them. One that goes meanwhile is left out, and what it has left
// behind goes to process 1, as in the kernel.
func read(o *options) (*processes, error) {
	pids, err := proc.Pids()
	if err != nil {
		return nil, err
	}
	p := &processes{options: o, all: map[int]*node{}}
	if o.color {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err == nil {
			p.booted = time.Duration(ts.Nano())
		}
	}
	parents := map[int]int{}
	for _, pid := range pids {
		n, parent, err := p.read(pid)
		if err != nil {
			return nil, err
		}
		if n != nil {
			p.all[pid], parents[pid] = n, parent
		}
	}
	if p.all[1] == nil {
		p.all[1] = &node{pid: 1, name: unknown}
	}
	p.all[0] = &node{name: unknown}
	for pid, n := range p.all {
		switch above := p.all[parents[pid]]; {
		case pid == 0:
		case above != nil && above != n:
			n.parent = above
		default:
			n.parent = p.all[1]
		}
		if n.parent != nil {
			n.parent.children = append(n.parent.children, n)
		}
	}
	for _, n := range p.all {
		slices.SortFunc(n.children, p.order)
	}
	for n := p.all[o.highlight]; n != nil && n.pid > 0; n = n.parent {
		n.lit = true
	}
	for _, c := range o.containers {
		// Its state may be of a process that has ended, and this is another.
		if n := p.all[c.Pid]; n != nil && c.Pid > 0 {
			n.mark = c.ID
		}
	}
	return p, nil
}

// read reads a process with its threads, and tells its parent's pid.
func (p *processes) read(pid int) (*node, int, error) {
	n := &node{pid: pid}
	var err error
	if n.uid, err = proc.UID(pid); err != nil {
		return nil, 0, nil // it has gone
	}
	st, err := proc.ReadStat(pid)
	if err != nil {
		// hidepid=1 shows that it is there.
		if hidden(pid) {
			n.name = unknown
			return n, 1, nil
		}
		return nil, 0, err
	}
	if st == nil {
		return nil, 0, nil
	}
	n.name, n.group = st.Comm, st.Number(proc.Group)
	if p.args {
		n.args = proc.Args(pid)
	}
	if p.color {
		if start, err := st.StartTime(); err == nil {
			n.age = p.booted - time.Duration(start)*time.Second/proc.UserHZ
		}
	}
	if p.labels {
		n.label = label(pid)
	}
	if p.changes || p.options.spaces != nil {
		for i := range namespace.Kinds {
			// Of those that are not to be looked into, nothing is shown.
			n.spaces[i], _ = namespace.Of(pid, &namespace.Kinds[i])
		}
	}
	if !p.noThreads {
		p.addThreads(n)
	}
	return n, st.Number(proc.Parent), nil
}

// hidden says whether a process is there and not to be looked at.
func hidden(pid int) bool {
	return unix.Access(fmt.Sprintf("/proc/%d/stat", pid), unix.R_OK) != nil
}

func (p *processes) addThreads(n *node) {
	tids, err := proc.Threads(n.pid)
	if err != nil {
		return // hidden, or gone
	}
	for _, tid := range tids {
		if tid == n.pid {
			continue
		}
		t := &node{pid: tid, name: n.name, thread: true, uid: n.uid, group: n.group, label: n.label, age: n.age, spaces: n.spaces, parent: n}
		if p.threadNames {
			st, err := proc.ReadThread(n.pid, tid)
			if err != nil || st == nil {
				continue
			}
			t.name = st.Comm
		}
		n.children = append(n.children, t)
	}
}

// label is the security label of a process, proc_pid_attr_current(5).
func label(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/attr/current", pid))
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(data), "\x00\n")
}

// order is that of brothers: by name, or by pid.
func (p *processes) order(a, b *node) int {
	if !p.numeric {
		if c := strings.Compare(a.shown(), b.shown()); c != 0 {
			return c
		}
	}
	return a.pid - b.pid
}

// shown is the name as it is drawn: a thread's is in braces.
func (n *node) shown() string {
	if n.thread {
		return "{" + n.name + "}"
	}
	return n.name
}

// alone takes all but the way to n from its ancestors, and gives the first of
// them.
func (n *node) alone() *node {
	for n.parent != nil && n.parent.pid > 0 {
		n.parent.children = []*node{n}
		n = n.parent
	}
	return n
}

// space is a namespace, with the trees of processes that are in it and whose
// parents are not.
type space struct {
	id    namespace.ID
	trees []*node
}

// split gives the namespaces of a kind, each with its trees: a process that is
// in another than its parent is the root of one.
func (p *processes) split(k *namespace.Kind) []space {
	at := 0
	for i := range namespace.Kinds {
		if &namespace.Kinds[i] == k {
			at = i
		}
	}
	var list []space
	add := func(n *node) {
		i := slices.IndexFunc(list, func(s space) bool { return s.id == n.spaces[at] })
		if i < 0 {
			i = len(list)
			list = append(list, space{id: n.spaces[at]})
		}
		list[i].trees = append(list[i].trees, n)
	}
	var visit func(n *node)
	visit = func(n *node) {
		n.children = slices.DeleteFunc(n.children, func(c *node) bool {
			visit(c)
			if c.spaces[at] == n.spaces[at] {
				return false
			}
			if c.spaces[at] != (namespace.ID{}) {
				add(c)
			}
			return true
		})
	}
	root := p.all[1]
	visit(root)
	if root.spaces[at] != (namespace.ID{}) {
		add(root)
	}
	slices.SortFunc(list, func(a, b space) int { return int(a.id.Ino) - int(b.id.Ino) })
	for _, s := range list {
		slices.SortFunc(s.trees, func(a, b *node) int { return a.pid - b.pid })
	}
	return list
}
