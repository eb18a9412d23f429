// Package pstree shows the processes as a tree, with the options and the output
// of psmisc's pstree, and with what tells containers apart.
package pstree

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/container"
	"ocibox/core/early"
	"ocibox/core/fault"
	"ocibox/core/namespace"
)

// options are those of the command line.
type options struct {
	args, pids, groups, parents, changes, threadNames, noThreads, users, labels bool
	separate, numeric, long                                                     bool
	ascii, unicode, vt100                                                       bool
	highlight                                                                   int // a pid, or 0
	color                                                                       bool
	spaces                                                                      *namespace.Kind // a tree for each, or nil
	containers                                                                  []*container.Container
	words                                                                       bool
}

func newFlags() (*cli.Flags, *options, func(cli.Std, []string) error) {
	f := cli.NewFlags("pstree-lite", "[OPTION…] [PID|USER]", "Show the processes as a tree, from process 1 or PID, or those that USER has at the top.")
	o := &options{}
	f.BoolVarP(&o.args, "arguments", "a", false, "show the arguments, a process a line")
	f.BoolVarP(&o.ascii, "ascii", "A", false, "draw with ASCII characters")
	f.BoolVarP(&o.separate, "compact-not", "c", false, "do not draw equal subtrees as one")
	color := f.StringP("color", "C", "", "colour the names by `age`: green below a minute, yellow below an hour")
	f.BoolVarP(&o.groups, "show-pgids", "g", false, "show process groups")
	f.BoolVarP(&o.vt100, "vt100", "G", false, "draw with VT100 line characters")
	self := f.BoolP("highlight-all", "h", false, "highlight this process and its ancestors")
	f.IntVarP(&o.highlight, "highlight-pid", "H", 0, "highlight process `PID` and its ancestors")
	f.BoolVarP(&o.long, "long", "l", false, "do not cut long lines")
	f.BoolVarP(&o.numeric, "numeric-sort", "n", false, "sort by pid, not by name")
	kind := f.StringP("ns-sort", "N", "", "a tree for each namespace of `TYPE`: "+strings.Join(kinds(), ", "))
	f.BoolVarP(&o.pids, "show-pids", "p", false, "show pids; implies -c")
	f.BoolVarP(&o.parents, "show-parents", "s", false, "show the parents of PID")
	f.BoolVarP(&o.changes, "ns-changes", "S", false, "show which namespaces are not the parent's")
	f.BoolVarP(&o.threadNames, "thread-names", "t", false, "show threads by their own names")
	f.BoolVarP(&o.noThreads, "hide-threads", "T", false, "show no threads")
	f.BoolVarP(&o.users, "uid-changes", "u", false, "show the user where it is not the parent's")
	f.BoolVarP(&o.unicode, "unicode", "U", false, "draw with Unicode characters")
	version := f.BoolP("version", "V", false, "print the version")
	f.BoolVarP(&o.labels, "security-context", "Z", false, "show security labels")
	marked := f.Bool("containers", false, "show which container's init a process is")
	root := f.String("root", "", "`DIR` of the containers' state, for --containers")
	f.BoolVar(&o.words, "explain", false, "say in words what is the container's own where namespaces change; implies -S")
	return f, o, func(std cli.Std, args []string) error {
		if err := f.Parse(std, args); err != nil {
			return err
		}
		if *version {
			fmt.Fprintf(std.Out, "ocibox pstree-lite %s\n", cli.Version)
			return nil
		}
		operands, err := f.Operands(0, 1)
		if err != nil {
			return err
		}
		switch *color {
		case "":
		case "age":
			o.color = true
		default:
			return fault.Op(nil, "-C %s: only age is known", *color)
		}
		if *kind != "" {
			if o.spaces = kindOf(*kind); o.spaces == nil {
				return fault.Op(nil, "-N %s is not %s", *kind, strings.Join(kinds(), ", "))
			}
		}
		if *self {
			o.highlight = os.Getpid()
		}
		o.changes = o.changes || o.words
		if *marked {
			if o.containers, err = containers(std, *root); err != nil {
				return err
			}
		}
		return show(std, o, strings.Join(operands, ""))
	}
}

// Run is the applet.
func Run(std cli.Std, args []string) error {
	_, _, run := newFlags()
	return run(std, args)
}

// Syntax is what completion has to know of it.
func Syntax() cli.Syntax {
	f, _, _ := newFlags()
	return cli.Syntax{Flags: f}
}

func kinds() []string {
	var names []string
	for _, k := range namespace.Kinds {
		names = append(names, k.Proc)
	}
	return names
}

func kindOf(name string) *namespace.Kind {
	for i := range namespace.Kinds {
		if namespace.Kinds[i].Proc == name {
			return &namespace.Kinds[i]
		}
	}
	return nil
}

// show prints the tree of a pid, or those of a user, or all.
func show(std cli.Std, o *options, from string) error {
	top, owner := 1, -1
	if from != "" {
		if pid, err := strconv.Atoi(from); err == nil && from[0] >= '0' && from[0] <= '9' {
			top = pid
		} else if owner, err = findUser(from); err != nil {
			return err
		}
	}
	p, err := read(o)
	if err != nil {
		return err
	}
	d := o.drawer(std)
	d.out = bufio.NewWriter(std.Out)
	switch {
	case owner >= 0:
		n := 0
		d.byUser(p.all[1], uint32(owner), &n)
		if n == 0 {
			return fault.Op(nil, "no processes found")
		}
	case o.spaces != nil:
		for _, s := range p.split(o.spaces) {
			fmt.Fprintf(d.out, "[%d]\n", s.id.Ino)
			for _, n := range s.trees {
				d.tree(n, 0)
			}
		}
	default:
		n := p.all[top]
		if n == nil {
			return fault.Op(nil, "no process %d", top)
		}
		if o.parents {
			n = n.alone()
		}
		d.tree(n, 0)
	}
	if err := d.out.Flush(); err != nil {
		return fault.Op(err, "print the tree")
	}
	return nil
}

func findUser(name string) (uid int, err error) {
	users, err := user.ParsePasswdFileFilter("/etc/passwd", func(u user.User) bool { return u.Name == name })
	if err != nil || len(users) == 0 {
		return 0, fault.Op(nil, "no such user name: %s", name)
	}
	return users[0].Uid, nil
}

// drawer draws as the terminal, if there is one, can.
func (o *options) drawer(std cli.Std) *drawer {
	d := &drawer{options: o, signs: &ascii, width: defaultWidth}
	out, ok := std.Out.(*os.File)
	terminal := false
	if ok {
		size, err := unix.IoctlGetWinsize(int(out.Fd()), unix.TIOCGWINSZ)
		if terminal = err == nil; terminal && size.Col > 0 {
			d.width = int(size.Col)
		}
	}
	if n, err := strconv.Atoi(early.Getenv("COLUMNS")); err == nil && n > 0 {
		d.width = n
	}
	switch {
	case o.unicode:
		d.signs = &unicode
	case o.vt100:
		d.signs = &vt100
	case !o.ascii && terminal && utf8Locale():
		d.signs = &unicode
	}
	if o.long {
		d.width = 0
	}
	return d
}

// defaultWidth is that of an output which is no terminal.
const defaultWidth = 132

// utf8Locale says whether the environment names a locale in UTF-8, locale(7).
func utf8Locale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := early.Getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// containers are those of the state folder, of which --root is the value.
func containers(std cli.Std, root string) ([]*container.Container, error) {
	dir, err := cli.StateRoot(root, "auto")
	if err != nil {
		return nil, err
	}
	list, err := container.Store{Root: dir}.List()
	if err != nil {
		// Others are marked nevertheless.
		fmt.Fprintf(std.Err, "pstree-lite: %v\n", err)
	}
	return list, nil
}
