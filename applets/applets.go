// Package applets is the table of the programs in the binary, and the choice
// between them by name, as busybox makes it.
package applets

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	initapplet "ocibox/applets/init"
	"ocibox/applets/ip"
	"ocibox/applets/nsenter"
	"ocibox/applets/pstree"
	"ocibox/applets/recvtty"
	"ocibox/applets/rootfs"
	"ocibox/applets/runtime"
	"ocibox/applets/strace"
	"ocibox/applets/unshare"
	"ocibox/applets/veth"
	"ocibox/core/early"
	"ocibox/core/fault"
)

// Applet is one program of the binary. Run gets the arguments after the name
// and returns nil, a cli.Status, or an error to print. Syntax is what completion
// has to know of it.
type Applet struct {
	Name    string
	Aliases []string
	Summary string
	Run     func(std cli.Std, args []string) error
	Syntax  func() cli.Syntax
}

var table = []Applet{
	{"runtime", []string{"runc"}, "OCI container runtime", runtime.Run, runtime.Syntax},
	{"pstree-lite", []string{"pstree"}, "show the processes as a tree", pstree.Run, pstree.Syntax},
	{"init", nil, "the first process of a machine or a container", initapplet.Run, initapplet.Syntax},
	{"nsenter", nil, "run a program in the namespaces of a process or a container", nsenter.Run, nsenter.Syntax},
	{"recvtty", nil, "take a container's terminal from a console socket", recvtty.Run, recvtty.Syntax},
	{"ip", nil, "network devices, addresses, routes, neighbors and namespaces, in the words of iproute2", ip.Run, ip.Syntax},
	{"veth", nil, "make, delete and show pairs of network devices", veth.Run, veth.Syntax},
	{"rootfs", nil, "make a root file system out of the host's programs", rootfs.Run, rootfs.Syntax},
	{"unshare", nil, "run a program in new namespaces", unshare.Run, unshare.Syntax},
	{"strace-lite", []string{"strace"}, "print the system calls and signals of processes", strace.Run, strace.Syntax},
}

// run is Run, on all processors but where the applet sees to that itself.
func (a *Applet) run(std cli.Std, args []string) error {
	if a.Name != "runtime" {
		early.Unpin()
	}
	return a.Run(std, args)
}

// unknownStatus is what a shell gives for a command that does not exist.
const unknownStatus = 127

func find(name string) *Applet {
	for i := range table {
		if a := &table[i]; a.Name == name || slices.Contains(a.Aliases, name) {
			return a
		}
	}
	return nil
}

// Main runs the applet that args[0] names by its last path component, or else
// args[1], and returns the exit status. Commands and options of the runtime
// are taken for its own.
func Main(std cli.Std, args []string) int {
	if len(args) == 0 {
		args = []string{"ocibox"}
	}
	if err := privileged(); err != nil {
		return cli.Report(std, "ocibox", err)
	}
	name := strings.TrimPrefix(filepath.Base(args[0]), "-")
	if len(args) > 1 && args[1] == completeWord {
		complete(std, name, args[2:])
		return 0
	}
	if a := find(name); a != nil {
		return cli.Report(std, a.Name, a.run(std, args[1:]))
	}
	if len(args) == 1 {
		help(std)
		return 0
	}
	switch word := args[1]; word {
	case "--help", "-h", "help":
		help(std)
	case "--list":
		for _, n := range Names() {
			fmt.Fprintln(std.Out, n)
		}
	case "completion":
		return cli.Report(std, "ocibox completion", completion(std, args[2:]))
	case "--install":
		return cli.Report(std, "ocibox", install(std, args[2:]))
	default:
		a := find(word)
		if a == nil && (runtime.Has(word) || strings.HasPrefix(word, "-")) {
			// The path that an engine is told of a runtime may be the binary's own.
			return cli.Report(std, "runtime", runtime.Run(std, args[1:]))
		}
		if a == nil {
			fmt.Fprintf(std.Err, "ocibox: %s: applet not found; there are: %s\n", word, strings.Join(Names(), " "))
			return unknownStatus
		}
		return cli.Report(std, a.Name, a.run(std, args[2:]))
	}
	return 0
}

// privileged is an error if the binary was installed set-user-ID, set-group-ID
// or with file capabilities: whoever may execute it could then do as its owner.
// The kernel says so in the auxiliary vector, getauxval(3).
func privileged() error {
	vector, err := unix.Auxv()
	if err != nil {
		return fault.Op(err, "read the auxiliary vector")
	}
	const atSecure = 23
	for _, entry := range vector {
		if entry[0] == atSecure && entry[1] != 0 {
			return fault.Op(nil, "runs with more privilege than its caller has: set-user-ID, set-group-ID or file capabilities").
				WithHint("take them off the binary; a plain user needs none for containers of their own")
		}
	}
	return nil
}

// Names are those of the applets, with their aliases.
func Names() []string {
	var n []string
	for _, a := range table {
		n = append(append(n, a.Name), a.Aliases...)
	}
	return n
}

func help(std cli.Std) {
	fmt.Fprint(std.Out, "usage: ocibox APPLET [ARGUMENT…], or APPLET [ARGUMENT…] by a link of that name\n",
		"       ocibox --list | --install [-s] DIR | completion bash|zsh|fish | --version\n\napplets:\n")
	for _, a := range table {
		fmt.Fprintf(std.Out, "  %-24s %s\n", strings.Join(append([]string{a.Name}, a.Aliases...), ", "), a.Summary)
	}
}

// install links the running binary under every applet's name in DIR: hard
// links, or symbolic ones with -s. A link that leads to the binary already is
// left; another file of that name is an error.
func install(std cli.Std, args []string) error {
	f := cli.NewFlags("ocibox --install", "[-s] DIR", "Link the binary under every applet's name in DIR.")
	symbolic := f.BoolP("symbolic", "s", false, "symbolic links instead of hard ones")
	if err := f.Parse(std, args); err != nil {
		return err
	}
	ops, err := f.Operands(1, 1)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fault.Op(err, "find the running binary")
	}
	link := os.Link
	if *symbolic {
		link = os.Symlink
	}
	me, err := os.Stat(self)
	if err != nil {
		return err
	}
	for _, n := range Names() {
		at := filepath.Join(ops[0], n)
		err := link(self, at)
		if os.IsExist(err) {
			if there, e := os.Stat(at); e == nil && os.SameFile(me, there) {
				continue
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
