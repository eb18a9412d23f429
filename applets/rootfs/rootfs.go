// Package rootfs is the applet that makes a root file system out of the
// host's own programs, for a container that needs no download.
package rootfs

import (
	"fmt"
	"strings"

	"ocibox/applets/cli"
	"ocibox/core/early"
	"ocibox/core/fault"
	"ocibox/core/rootfs"
)

const usage = "[OPTION…] DIR [PROGRAM…]"

const summary = `Make a root file system at DIR out of the host's own programs: each PROGRAM,
a name that is looked up along PATH or a path, is copied to the same path in
DIR, with its dynamic linker and libraries, or its interpreter if it is a
script. Without a PROGRAM, busybox and its applets are installed, or, where the
host has no busybox, its own shell and the programs that go with one.

Files in DIR that are in the way of a copy are replaced, others stay. Setuid
bits are not carried over.`

// flags are the applet's.
type flags struct {
	*cli.Flags
	quiet, noBusybox *bool
	busybox          *string
}

func newFlags() flags {
	f := cli.NewFlags("rootfs", usage, summary)
	return flags{
		Flags:     f,
		quiet:     f.BoolP("quiet", "q", false, "print nothing but errors"),
		busybox:   f.String("busybox", "", "install this busybox, a `PATH` or a name, besides each PROGRAM"),
		noBusybox: f.Bool("no-busybox", false, "without a PROGRAM, take the host's own programs even if it has a busybox"),
	}
}

// Syntax is the applet's command line, for completion.
func Syntax() cli.Syntax { return cli.Syntax{Flags: newFlags().Flags} }

// Run is the applet.
func Run(std cli.Std, args []string) error {
	f := newFlags()
	if err := f.Parse(std, args); err != nil {
		return err
	}
	ops, err := f.Operands(1, -1)
	if err != nil {
		return err
	}
	switch {
	case f.Changed("busybox") && *f.busybox == "":
		return fault.Op(nil, "--busybox: the path is empty")
	case *f.noBusybox && *f.busybox != "":
		return fault.Op(nil, "--busybox and --no-busybox exclude each other")
	case *f.noBusybox && len(ops) > 1:
		return fault.Op(nil, "--no-busybox has no effect where programs are named")
	}
	r, err := rootfs.Build(rootfs.Options{
		Dir:       ops[0],
		Programs:  ops[1:],
		Path:      early.Getenv("PATH"),
		Busybox:   *f.busybox,
		NoBusybox: *f.noBusybox,
	})
	if err != nil {
		return err
	}
	if *f.quiet {
		return nil
	}
	if len(r.Missing) > 0 {
		fmt.Fprintf(std.Err, "rootfs: not on this host and left out: %s\n", strings.Join(r.Missing, " "))
	}
	fmt.Fprintln(std.Out, report(ops[0], r))
	return nil
}

// report is the line that says what was made.
func report(dir string, r rootfs.Result) string {
	parts := []string{count(r.Programs, "program", "programs")}
	if r.Applets > 0 {
		parts = append(parts, count(r.Applets, "busybox applet", "busybox applets"))
	}
	parts = append(parts, count(r.Libraries, "library", "libraries"), size(r.Bytes))
	return dir + ": " + strings.Join(parts, ", ")
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// size is a number of bytes in decimal units.
func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1000*1000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
