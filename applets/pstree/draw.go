package pstree

import (
	"bufio"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/moby/sys/user"

	"ocibox/core/namespace"
)

// signs are what the lines are drawn with, three columns each.
type signs struct{ single, first, branch, last, more string }

const none = "   "

var (
	ascii   = signs{"---", "-+-", " |-", " `-", " | "}
	unicode = signs{"───", "─┬─", " ├─", " └─", " │ "}
	vt100   = signs{"\x1b(0\x0fqqq\x1b(B", "\x1b(0\x0fqwq\x1b(B", " \x1b(0\x0ftq\x1b(B", " \x1b(0\x0fmq\x1b(B", " \x1b(0\x0fx\x1b(B "}
)

// drawer draws trees, line by line.
type drawer struct {
	*options
	signs *signs
	width int // of a line, in columns; 0 for no end
	out   *bufio.Writer

	column int // of the line so far; escape sequences count for nothing

	top *node  // of the tree
	uid uint32 // taken for that of what is above it
}

// put adds text. In the last column is a +, and what comes then is left out.
func (d *drawer) put(text string) {
	for _, r := range text {
		switch d.column++; {
		case d.width == 0 || d.column < d.width:
			d.out.WriteRune(r)
		case d.column == d.width:
			d.out.WriteByte('+')
		}
	}
}

// sign adds a sign, which takes three columns whatever it is written with: one
// with escape sequences is left out where there is no room for all of it.
func (d *drawer) sign(s string) {
	switch {
	case utf8.RuneCountInString(s) == len(none):
		d.put(s)
	case d.width > 0 && d.column+len(none) >= d.width:
		d.put(none)
	default:
		d.column += len(none)
		d.out.WriteString(s)
	}
}

// escape adds what takes no columns.
func (d *drawer) escape(s string) { d.out.WriteString(s) }

func (d *drawer) newline() {
	d.out.WriteByte('\n')
	d.column = 0
}

// level is where the lines from a node to its children are drawn.
type level struct {
	indent int
	more   bool // there are children yet to come
}

// tree draws the tree of n. Its user is told of if it is not the one given.
func (d *drawer) tree(n *node, uid uint32) {
	d.top, d.uid = n, uid
	d.draw(n, nil, 1, "")
}

// vertical says whether each process has a line of its own.
func (d *drawer) vertical() bool { return d.args || d.labels }

// step is how much further to the right its children are then.
func (d *drawer) step() int {
	if d.args {
		return 1
	}
	return 0
}

// draw draws n, which stands for so many equal ones, and what is below. closing
// are the brackets that end with it.
func (d *drawer) draw(n *node, levels []level, count int, closing string) {
	begin := d.column
	if count > 1 {
		d.put(strconv.Itoa(count) + "*[")
		closing += "]"
	}
	d.name(n)
	if d.vertical() {
		d.put(closing)
		d.newline()
		closing = ""
	}
	below := d.alike(n)
	switch {
	case d.vertical():
	case len(below) == 0:
		d.put(closing)
		d.newline()
	case d.width > 0 && d.column+1 >= d.width:
		// Nothing of them would be seen.
		d.put(none)
		d.newline()
		return
	}
	indent := d.column - begin
	if d.vertical() {
		indent = d.step()
	}
	for i, g := range below {
		last := i == len(below)-1
		here := append(levels, level{indent, !last})
		switch {
		case i > 0 || d.vertical():
			d.lead(here, last)
		case last:
			d.sign(d.signs.single)
		default:
			d.sign(d.signs.first)
		}
		c := closing
		if !last {
			c = ""
		}
		d.draw(g.node, here, g.count, c)
	}
}

// lead begins a line with what belongs to the levels above, and the branch to
// the child of the last one.
func (d *drawer) lead(levels []level, last bool) {
	end := len(levels) - 1
	for i, l := range levels {
		d.put(strings.Repeat(" ", l.indent))
		switch {
		case i == end && last:
			d.sign(d.signs.last)
		case i == end:
			d.sign(d.signs.branch)
		case l.more:
			d.sign(d.signs.more)
		default:
			d.sign(none)
		}
	}
}

// group is a number of subtrees that look the same, of which one is drawn.
type group struct {
	node  *node
	count int
}

// alike are the children of n, the equal ones together.
func (d *drawer) alike(n *node) []group {
	var list []group
	for _, c := range n.children {
		together := !d.separate && !d.pids && (c.thread || !d.vertical())
		i := 0
		for i < len(list) && !(together && d.equal(list[i].node, c)) {
			i++
		}
		if i == len(list) {
			list = append(list, group{node: c})
		}
		list[i].count++
	}
	return list
}

// equal says whether two subtrees would be drawn the same.
func (d *drawer) equal(a, b *node) bool {
	if a.shown() != b.shown() || a.lit || b.lit || a.mark != b.mark || a.label != b.label || len(a.children) != len(b.children) {
		return false
	}
	if d.users && a.uid != b.uid || d.groups && a.group != b.group || d.changes && a.spaces != b.spaces || d.color && hue(a.age) != hue(b.age) {
		return false
	}
	for i := range a.children {
		if !d.equal(a.children[i], b.children[i]) {
			return false
		}
	}
	return true
}

// name draws what is said of one process.
func (d *drawer) name(n *node) {
	swapped := d.args && !n.thread && len(n.args) == 0
	if swapped {
		d.put("(")
	}
	if d.color {
		d.escape(hue(n.age))
	}
	if n.lit {
		d.escape("\x1b[1m")
	}
	d.put(visible(n.shown()))
	if n.lit || d.color {
		d.escape("\x1b[0m")
	}
	infos := d.infos(n)
	switch {
	case len(infos) == 0:
	case d.args:
		d.put("," + strings.Join(infos, ","))
	default:
		d.put("(" + strings.Join(infos, ",") + ")")
	}
	if swapped {
		d.put(")")
	}
	if n.mark != "" {
		d.put(" <" + n.mark + ">")
	}
	d.arguments(n.args)
}

func (d *drawer) infos(n *node) []string {
	var infos []string
	if d.pids {
		infos = append(infos, strconv.Itoa(n.pid))
	}
	if d.options.groups {
		infos = append(infos, strconv.Itoa(n.group))
	}
	above := n.parent
	if d.users {
		uid := d.uid
		if n != d.top {
			uid = above.uid
		}
		if n.uid != uid {
			infos = append(infos, d.userName(n.uid))
		}
	}
	if d.changes && above != nil && above.pid > 0 {
		for _, name := range [...]string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts", "time"} { // psmisc's order
			i := slices.IndexFunc(namespace.Kinds[:], func(k namespace.Kind) bool { return k.Proc == name })
			if n.spaces[i] == above.spaces[i] || n.spaces[i] == (namespace.ID{}) || above.spaces[i] == (namespace.ID{}) {
				continue
			}
			if d.words {
				infos = append(infos, "own "+word(&namespace.Kinds[i]))
			} else {
				infos = append(infos, name)
			}
		}
	}
	if d.labels {
		infos = append(infos, "`"+visible(n.label)+"'")
	}
	return infos
}

// word says what a namespace of one's own is, namespaces(7).
func word(k *namespace.Kind) string {
	switch k.Proc {
	case "user":
		return "user ids"
	case "cgroup":
		return "cgroup root"
	case "ipc":
		return "message queues and shared memory"
	case "uts":
		return "host name"
	case "net":
		return "network"
	case "time":
		return "clocks"
	case "pid":
		return "process ids"
	}
	return "mounts"
}

// userName is a user's name, or else the number.
func (d *drawer) userName(uid uint32) string {
	users, err := user.ParsePasswdFileFilter("/etc/passwd", func(u user.User) bool { return u.Uid == int(uid) })
	if err != nil || len(users) == 0 {
		return strconv.Itoa(int(uid))
	}
	return users[0].Name
}

// byUser draws the trees whose roots are a user's, and counts them.
func (d *drawer) byUser(n *node, uid uint32, count *int) {
	if n.uid == uid && !n.thread {
		if *count++; *count > 1 {
			d.newline()
		}
		above := n.parent
		n.parent = nil
		d.tree(n, uid)
		n.parent = above
		return
	}
	for _, c := range n.children {
		d.byUser(c, uid, count)
	}
}

// arguments draws them, each after a space, as long as they fit. Of empty ones
// nothing is seen. As psmisc's, it looks at no more bytes of them than a line has
// columns, and puts no space before what is cut there.
func (d *drawer) arguments(args []string) {
	at := 0
	for i, a := range args {
		begin := at
		at += len(a) + 1
		cut := d.width > 0 && at > d.width
		if cut {
			a = a[:max(0, min(len(a), d.width-begin))]
		}
		if i == 0 || a == "" {
			continue // the name is there already
		}
		text, room := visible(a), d.width
		if !cut {
			d.put(" ")
			room -= len("...") + 1
		}
		if d.width > 0 && d.column+reckoned(a) >= room {
			d.put("...")
			return
		}
		d.put(text)
	}
}

// reckoned is what psmisc takes for the columns of a text, before it is made
// visible: a backslash counts as one, though it is drawn as two.
func reckoned(s string) (columns int) {
	for _, c := range []byte(s) {
		if columns++; c < ' ' || c > '~' {
			columns += len("\\000") - 1
		}
	}
	return columns
}

// visible is a text with every byte that is not printable ASCII as an octal
// escape: a process may put anything into its name and arguments.
func visible(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			fmt.Fprintf(&b, "\\%03o", c)
			continue
		}
		if c == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

// hue is the colour of a process's age.
func hue(age time.Duration) string {
	switch {
	case age < time.Minute:
		return "\x1b[32m"
	case age < time.Hour:
		return "\x1b[33m"
	}
	return "\x1b[31m"
}
