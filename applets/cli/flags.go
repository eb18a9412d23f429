package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"ocibox/core/fault"
)

// Flags is a flag set with what its help text needs. The word for a flag's
// value, in back quotes in its usage, and the words for the operands, in the
// usage line, say what they are to completion too: see Values.
type Flags struct {
	*pflag.FlagSet
	usage, summary string
}

// NewFlags makes the flag set of the applet or command name. usage is what
// follows the name in the first line of the help text, summary is its body.
func NewFlags(name, usage, summary string) *Flags {
	f := &Flags{pflag.NewFlagSet(name, pflag.ContinueOnError), usage, summary}
	f.SortFlags = false
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}

// choice is a flag's value that is one of a few words.
type choice struct {
	value *string
	of    []string
}

func (c choice) String() string { return *c.value }
func (c choice) Type() string   { return strings.Join(c.of, "|") }
func (c choice) Set(s string) error {
	if !slices.Contains(c.of, s) {
		return fault.Op(nil, "is not %s", either(c.of))
	}
	*c.value = s
	return nil
}

// either lists words for a sentence: "a, b or c".
func either(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// Choice defines a flag whose value is one of words, of which the first is the
// default.
func (f *Flags) Choice(name, short string, words []string, usage string) *string {
	value := words[0]
	f.VarP(choice{&value, words}, name, short, usage)
	return &value
}

// noEffect is the annotation of a flag that NoEffect marks.
const noEffect = "no-effect"

// NoEffect marks a flag that callers of other runtimes give, and that changes
// nothing here because of why: a clause, for the help text and the README.
func (f *Flags) NoEffect(name, why string) {
	flag := f.Lookup(name)
	flag.Annotations = map[string][]string{noEffect: {why}}
	flag.Usage += " (no effect: " + why + ")"
}

// WithoutEffect is why a flag changes nothing, or "" if it does.
func WithoutEffect(flag *pflag.Flag) string {
	return strings.Join(flag.Annotations[noEffect], "")
}

// Parse reads args. Where they ask for help it prints that to std.Out and
// returns Status(0), which the caller passes on.
func (f *Flags) Parse(std Std, args []string) error {
	err := f.FlagSet.Parse(args)
	var invalid *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	hint := f.Name() + " --help lists the options"
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pflag.ErrHelp):
		f.help(std)
		return Status(0)
	case errors.As(err, &invalid):
		return fault.Op(invalid.Unwrap(), "--%s %s", invalid.GetFlag().Name, invalid.GetValue()).WithHint("%s", hint)
	case errors.As(err, &unknown):
		if near := Near(unknown.GetSpecifiedName(), f.names()); near != "" && unknown.GetSpecifiedShortnames() == "" {
			hint = "is it --" + near + "? " + hint
		}
	}
	return fault.Op(err, "command line").WithHint("%s", hint)
}

func (f *Flags) help(std Std) {
	fmt.Fprintf(std.Out, "usage: %s %s\n\n%s\n", f.Name(), f.usage, f.summary)
	if f.HasAvailableFlags() {
		fmt.Fprintf(std.Out, "\noptions:\n%s", f.FlagUsages())
	}
}

// names are the long flags that help lists.
func (f *Flags) names() []string {
	var names []string
	f.VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden {
			names = append(names, flag.Name)
		}
	})
	return names
}

// Operands returns the operands, of which there must be at least min and, unless
// max is negative, at most max.
func (f *Flags) Operands(min, max int) ([]string, error) {
	n := f.NArg()
	switch {
	case n < min:
		return nil, fault.Op(nil, "%d operands given, %d needed", n, min).WithHint("usage: %s %s", f.Name(), f.usage)
	case max >= 0 && n > max:
		return nil, fault.Op(nil, "unexpected operand %q", f.Arg(max)).WithHint("usage: %s %s", f.Name(), f.usage)
	}
	return f.FlagSet.Args(), nil
}

// Near is the word of words that name was probably meant to be: one that it
// begins, or that is at most two letters from it. "" if there is none.
func Near(name string, words []string) string {
	best, least := "", 3
	for _, w := range words {
		d := distance(name, w)
		if len(name) > 2 && strings.HasPrefix(w, name) {
			d = 1
		}
		// A short word is two letters from any other.
		if d < least && d*2 < len(name) {
			best, least = w, d
		}
	}
	return best
}

// distance is the least number of letters to put in, take out or change that
// makes b of a (Levenshtein's).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
