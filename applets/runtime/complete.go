package runtime

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/caps"
	"ocibox/core/container"
	"ocibox/core/namespace"
	"ocibox/core/signals"
)

// Syntax is the applet's command line, for completion.
func Syntax() cli.Syntax {
	g := newGlobals()
	s := cli.Syntax{Flags: g.Flags}
	values := func(word string) []cli.Candidate { return values(g, word) }
	for i := range commands {
		c := &commands[i]
		f, _ := c.newFlags()
		s.Commands = append(s.Commands, cli.Command{
			Candidate: cli.Candidate{Word: c.name, About: c.summary},
			Syntax:    cli.Syntax{Flags: f, Values: values},
		})
	}
	return s
}

// values are the candidates for a word of the commands' help.
func values(g *globals, word string) (list []cli.Candidate) {
	add := func(word, about string) { list = append(list, cli.Candidate{Word: word, About: about}) }
	switch word {
	case "ID":
		root, err := cli.StateRoot(*g.root, *g.rootless)
		if err != nil {
			return nil // what is wrong is told when the command is run
		}
		// Containers that cannot be read have a name all the same, but nothing
		// can be done to them by it.
		all, _ := container.Store{Root: root}.List()
		for _, c := range all {
			add(c.ID, c.Bundle)
		}
	case "SIGNAL":
		for n := unix.Signal(1); n <= signals.Last; n++ {
			if name := unix.SignalName(n); name != "" {
				add(strings.TrimPrefix(name, "SIG"), strconv.Itoa(int(n)))
			}
		}
	case "TYPE[=FILE]":
		for _, k := range namespace.Kinds {
			add(string(k.Type), "")
		}
	case "CAP_NAME":
		for _, name := range caps.Known().Names() {
			add(name, "")
		}
	}
	return list
}

// Absent lists the commands of other runtimes that there are none of here, and
// why.
func Absent() (list []cli.Candidate) {
	for _, a := range absent {
		list = append(list, cli.Candidate{Word: a.name, About: a.why})
	}
	return list
}
