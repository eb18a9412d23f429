package applets

import (
	"fmt"
	"strings"

	"ocibox/applets/cli"
	"ocibox/core/fault"
)

// completeWord is the first argument by which a completion script asks what the
// last of the words behind it may become. It works under every name.
const completeWord = "--complete"

// completion prints the script that completes the applets' command lines in a
// shell. The script knows nothing by itself: it asks the program that is about
// to be run, which answers out of its tables of flags.
func completion(std cli.Std, args []string) error {
	f := completionFlags()
	if err := f.Parse(std, args); err != nil {
		return err
	}
	ops, err := f.Operands(1, 1)
	if err != nil {
		return err
	}
	for _, s := range scripts {
		if s.shell == ops[0] {
			all := strings.Join(append([]string{"ocibox"}, Names()...), " ")
			_, err := fmt.Fprint(std.Out, strings.NewReplacer("NAMES", all, "ASK", completeWord).Replace(s.text))
			return err
		}
	}
	return fault.Op(nil, "%s: there is no script for that shell; there are: %s", ops[0], shells())
}

func completionFlags() *cli.Flags {
	return cli.NewFlags("ocibox completion", "bash|zsh|fish", "Print what completes the applets' command lines in a shell, for it to read:\n"+
		"  source <(ocibox completion bash)      in .bashrc\n"+
		"  source <(ocibox completion zsh)       in .zshrc, behind compinit\n"+
		"  ocibox completion fish | source       in config.fish")
}

func shells() string {
	var list []string
	for _, s := range scripts {
		list = append(list, s.shell)
	}
	return strings.Join(list, " ")
}

// complete prints what the last of args may become: a candidate a line, with a
// tab and what it is, and a line ":files" or ":dirs" where a path is good too.
// name is the applet's, or ocibox's own.
func complete(std cli.Std, name string, args []string) {
	var syntax cli.Syntax
	if a := find(name); a != nil {
		syntax = a.Syntax()
	} else {
		syntax = ownSyntax()
	}
	c := syntax.Complete(args)
	for _, w := range c.Candidates {
		fmt.Fprintf(std.Out, "%s\t%s\n", w.Word, w.About)
	}
	if c.Files {
		fmt.Fprintln(std.Out, ":files")
	}
	if c.Dirs {
		fmt.Fprintln(std.Out, ":dirs")
	}
}

// ownSyntax is the command line of ocibox under its own name, which an applet's
// follows.
func ownSyntax() cli.Syntax {
	f := cli.NewFlags("ocibox", "", "")
	f.SetInterspersed(false)
	f.Bool("list", false, "list the applets' names")
	f.Bool("install", false, "link the binary under them")
	f.Bool("version", false, "print the version")
	s := cli.Syntax{Flags: f}
	add := func(word, about string, syntax cli.Syntax) {
		s.Commands = append(s.Commands, cli.Command{Candidate: cli.Candidate{Word: word, About: about}, Syntax: syntax})
	}
	add("completion", "print what completes command lines in a shell", cli.Syntax{Flags: completionFlags()})
	for i := range table {
		a := &table[i]
		for _, name := range append([]string{a.Name}, a.Aliases...) {
			add(name, a.Summary, a.Syntax())
		}
	}
	return s
}
