package cli

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
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

// next tells what may come behind the words before, where last begins it.
func (s Syntax) next(before []string, last string) Completion {
	var operands int
	flags := true
	for i := 0; i < len(before); i++ {
		word := before[i]
		switch {
		case flags && word == "--":
			flags = false
		case flags && len(word) > 1 && word[0] == '-':
			flag, value, has := s.flag(word)
			if flag == nil {
				continue
			}
			if !has {
				if i++; i == len(before) {
					return s.value(valueWord(flag), "")
				}
				value = before[i]
			}
			// A value that is refused here is told of when the command is run.
			_ = flag.Value.Set(value)
		case operands == 0 && len(s.Commands) > 0:
			for _, c := range s.Commands {
				if c.Word == word {
					return c.Syntax.next(before[i+1:], last)
				}
			}
			return Completion{}
		default:
			operands++
		}
	}
	if flags && strings.HasPrefix(last, "-") {
		return s.flagCandidates(last)
	}
	if len(s.Commands) > 0 {
		return s.commandCandidates()
	}
	return s.value(s.operandWord(operands), "")
}

// flag finds the flag of a word such as --name=VALUE, --name, -abc or -aVALUE,
// and the value that it brings or needs none of. It is nil for none of ours.
func (s Syntax) flag(word string) (flag *pflag.Flag, value string, has bool) {
	if name, ok := strings.CutPrefix(word, "--"); ok {
		name, value, has = strings.Cut(name, "=")
		if flag = s.Lookup(name); flag != nil && !has && flag.NoOptDefVal != "" {
			value, has = flag.NoOptDefVal, true
		}
		return flag, value, has
	}
	for i := 1; i < len(word); i++ {
		if flag = s.ShorthandLookup(word[i : i+1]); flag == nil {
			return nil, "", false
		}
		if flag.NoOptDefVal == "" {
			value = strings.TrimPrefix(word[i+1:], "=")
			return flag, value, word[i+1:] != ""
		}
	}
	return flag, flag.NoOptDefVal, true
}

// flagCandidates are the flags or, behind --name=, the values of that one.
func (s Syntax) flagCandidates(last string) Completion {
	name, _, ok := strings.Cut(last, "=")
	if flag := s.Lookup(strings.TrimPrefix(name, "--")); ok && flag != nil {
		if flag.Value.Type() == "bool" {
			return s.value("true|false", name+"=")
		}
		return s.value(valueWord(flag), name+"=")
	}
	var c Completion
	s.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			_, about := pflag.UnquoteUsage(f)
			c.Candidates = append(c.Candidates, Candidate{"--" + f.Name, about})
		}
	})
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
func valueWord(f *pflag.Flag) string {
	word, _ := pflag.UnquoteUsage(f)
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
