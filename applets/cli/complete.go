package cli

import (
	"slices"
	"strings"
)

// Syntax is what completion has to know of an applet or of one of its commands.
type Syntax struct {
	*Flags
	Commands []Command // what the first operand names, if there are any
	// Values gives the candidates for a word of the help text, such as ID, that
	// stands for an operand or a flag's value; it may be nil. It is asked once
	// the flags before have been read.
	Values func(word string) []Candidate
}

// Candidate is a word that may come next, and what it is: shells that can show
// that do.
type Candidate struct{ Word, About string }

// Command is a command of an applet, by the word that calls it.
type Command struct {
	Candidate
	Syntax Syntax
}

// Completion is what may come next on a command line.
type Completion struct {
	Candidates []Candidate
	Files      bool // a path is good too
	Dirs       bool // a path of a directory
}

// Complete tells what the last of words may become; the others are there
// already. words are those behind the applet's name.
func (s Syntax) Complete(words []string) Completion {
	if len(words) == 0 {
		return Completion{}
	}
	last := words[len(words)-1]
	c := s.next(words[:len(words)-1], last)
	c.Candidates = slices.DeleteFunc(c.Candidates, func(c Candidate) bool { return !strings.HasPrefix(c.Word, last) })
	return c
}

// next tells what may come behind the words before, where last begins it. What
// is wrong with a word is told when the command is run.
func (s Syntax) next(before []string, last string) Completion {
	r := s.scan(before, func(o option) error {
		if o.flag == helpFlag {
			return nil
		}
		return o.set()
	}, func(error) error { return nil })
	switch {
	case r.pending != nil:
		return s.value(valueWord(r.pending), "")
	case len(r.rest) > 0 && len(s.Commands) > 0:
		for _, c := range s.Commands {
			if c.Word == r.rest[0] {
				return c.Syntax.next(r.rest[1:], last)
			}
		}
		return Completion{}
	case !r.over && strings.HasPrefix(last, "-"):
		return s.flagCandidates(last)
	case len(s.Commands) > 0:
		return s.commandCandidates()
	}
	return s.value(s.operandWord(len(r.rest)), "")
}

// flagCandidates are the flags or, behind --name=, the values of that one.
func (s Syntax) flagCandidates(last string) Completion {
	name, _, ok := strings.Cut(last, "=")
	if flag := s.Lookup(strings.TrimPrefix(name, "--")); ok && flag != nil {
		if flag.bare == "true" {
			return s.value("true|false", name+"=")
		}
		return s.value(valueWord(flag), name+"=")
	}
	var c Completion
	for _, f := range s.flags {
		if !f.Hidden {
			_, about := f.Unquote()
			c.Candidates = append(c.Candidates, Candidate{"--" + f.Name, about})
		}
	}
	c.Candidates = append(c.Candidates, Candidate{"--help", "print how it is used"})
	return c
}

func (s Syntax) commandCandidates() Completion {
	var c Completion
	for _, command := range s.Commands {
		c.Candidates = append(c.Candidates, command.Candidate)
	}
	return c
}

// value gives the candidates for what the help text calls word, each behind
// the prefix.
func (s Syntax) value(word, prefix string) Completion {
	var c Completion
	switch word {
	case "":
		return c
	case "DIR":
		c.Dirs = true
	case "FILE", "PATH", "SOCKET":
		c.Files = true
	default:
		if strings.Contains(word, "|") {
			for w := range strings.SplitSeq(word, "|") {
				c.Candidates = append(c.Candidates, Candidate{Word: prefix + w})
			}
		} else if s.Values != nil {
			for _, v := range s.Values(word) {
				c.Candidates = append(c.Candidates, Candidate{prefix + v.Word, v.About})
			}
		}
	}
	return c
}

// valueWord is what the help text calls the flag's value.
func valueWord(f *Flag) string {
	word, _ := f.Unquote()
	return word
}

// operandWord is what the usage line calls the operand n, counted from 0: that
// of "[OPTION…] ID [SIGNAL]" is ID, then SIGNAL. What ends in … comes again.
func (s Syntax) operandWord(n int) string {
	var words []string
	for _, w := range strings.Fields(s.usage) {
		if w = strings.Trim(w, "[]"); w != "OPTION…" && w != "--" {
			words = append(words, w)
		}
	}
	if len(words) > 0 && n >= len(words) && strings.HasSuffix(words[len(words)-1], "…") {
		n = len(words) - 1
	}
	if n >= len(words) {
		return ""
	}
	return strings.TrimSuffix(words[n], "…")
}
