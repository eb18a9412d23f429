package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"ocibox/core/fault"
)

// Flags is a flag set with what its help text needs. The word for a flag's
// value, in back quotes in its usage, and the words for the operands, in the
// usage line, say what they are to completion too: see Values.
type Flags struct {
	name, usage, summary string
	flags                []*Flag // in the order of their definition
	operands             []string
	interspersed         bool
	// Summary makes the help text's body where that is long and rarely asked for.
	Summary func() string
	// Equals reads -fVALUE as -f=VALUE too, as Go's programs do, and -f=false.
	Equals bool
}

// Flag is one of a set.
type Flag struct {
	Name, Short string // Short is a letter, or ""
	Usage       string
	Value       Value
	Hidden      bool // from help and completion
	Changed     bool // it was given
	word        string
	bare        string // what Value is set to where the flag has no value
	defaultText string
	noEffect    string
	takes       argument
	longOnly    bool
}

// LongOnly makes the short form of an optional flag one that takes no value.
func (f *Flag) LongOnly() { f.longOnly = true }

// argument tells whether a flag takes a value.
type argument uint8

const (
	none argument = iota
	required
	optional
)

// NewFlags makes the flag set of the applet or command name. usage is what
// follows the name in the first line of the help text, summary is its body.
func NewFlags(name, usage, summary string) *Flags {
	return &Flags{name: name, usage: usage, summary: summary, flags: make([]*Flag, 0, 16), interspersed: true}
}

func (f *Flags) add(flag *Flag) *Flag {
	flag.defaultText = flag.Value.String()
	f.flags = append(f.flags, flag)
	return flag
}

// SetInterspersed says whether flags may follow an operand, as they do unless
// operands are a command line.
func (f *Flags) SetInterspersed(yes bool) { f.interspersed = yes }

// Name is that of the applet or command.
func (f *Flags) Name() string { return f.name }

// Lookup finds a flag by its whole long name; it is nil for none.
func (f *Flags) Lookup(name string) *Flag {
	for _, flag := range f.flags {
		if flag.Name == name {
			return flag
		}
	}
	return nil
}

// Changed tells whether the flag of that name was given.
func (f *Flags) Changed(name string) bool {
	flag := f.Lookup(name)
	return flag != nil && flag.Changed
}

// VisitAll calls do with each flag, in the order of their definition.
func (f *Flags) VisitAll(do func(*Flag)) {
	for _, flag := range f.flags {
		do(flag)
	}
}

// Args are the operands, NArg their number, and Arg one of them, "" if there are
// not so many.
func (f *Flags) Args() []string { return f.operands }
func (f *Flags) NArg() int      { return len(f.operands) }
func (f *Flags) Arg(i int) string {
	if i >= len(f.operands) {
		return ""
	}
	return f.operands[i]
}

// either lists words for a sentence: "a, b or c".
func either(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// NoEffect marks a flag that callers of other runtimes give, and that changes
// nothing here because of why: a clause, for the help text and the README.
func (f *Flags) NoEffect(name, why string) {
	flag := f.Lookup(name)
	flag.noEffect = why
	flag.Usage += " (no effect: " + why + ")"
}

// WithoutEffect is why a flag changes nothing, or "" if it does.
func WithoutEffect(flag *Flag) string { return flag.noEffect }

// Parse reads args. Where they ask for help it prints that to std.Out and
// returns Status(0), which the caller passes on.
func (f *Flags) Parse(std Std, args []string) error {
	hint := f.name + " --help lists the options"
	var bad *fault.Error // a value
	s := f.scan(args, func(o option) error {
		if o.flag == helpFlag {
			f.help(std)
			return Status(0)
		}
		if err := o.set(); err != nil {
			bad = fault.Op(err, "--%s %s", o.flag.Name, o.value).WithHint("%s", hint)
			return bad
		}
		return nil
	}, func(err error) error { return err })
	f.operands = s.rest
	switch e := s.err.(type) {
	case nil, Status:
		return e
	case *unknownFlag:
		if near := Near(e.name, f.names()); near != "" && e.in == "" {
			hint = "is it --" + near + "? " + hint
		}
	default:
		if bad != nil {
			return bad
		}
	}
	return fault.Op(s.err, "command line").WithHint("%s", hint)
}

// set does what the option says.
func (o option) set() error {
	value := o.value
	if !o.has {
		value = o.flag.bare
	}
	o.flag.Changed = true
	return o.flag.Value.Set(value)
}

func (f *Flags) help(std Std) {
	body := f.summary
	if f.Summary != nil {
		body = f.Summary()
	}
	fmt.Fprintf(std.Out, "usage: %s %s\n\n%s\n", f.name, f.usage, body)
	if list := f.list(); list != "" {
		fmt.Fprintf(std.Out, "\noptions:\n%s", list)
	}
}

// list has a line for each flag.
func (f *Flags) list() string {
	var left, right []string
	width := 0
	for _, flag := range f.flags {
		if flag.Hidden {
			continue
		}
		form := "      --" + flag.Name
		if flag.Short != "" {
			form = "  -" + flag.Short + form[5:]
			form = strings.Replace(form, " --", ", --", 1)
		}
		word, about := flag.Unquote()
		switch {
		case flag.takes == optional:
			form += "[=" + word + "]"
		case word != "":
			form += " " + word
		}
		if d := flag.defaultText; d != "" && d != "false" && d != "0" {
			if _, text := flag.Value.(*stringValue); text {
				d = fmt.Sprintf("%q", d)
			}
			about += " (default " + d + ")"
		}
		left, right = append(left, form), append(right, about)
		width = max(width, utf8.RuneCountInString(form))
	}
	var s strings.Builder
	for i, form := range left {
		s.WriteString(form)
		s.WriteString(strings.Repeat(" ", width-utf8.RuneCountInString(form)+3))
		s.WriteString(right[i])
		s.WriteByte('\n')
	}
	return s.String()
}

// Unquote gives the word for the flag's value, which is in back quotes in its
// usage, "" for none, and the usage without them.
func (f *Flag) Unquote() (word, usage string) {
	before, rest, ok := strings.Cut(f.Usage, "`")
	if in, after, closed := strings.Cut(rest, "`"); ok && closed {
		return in, before + in + after
	}
	return f.word, f.Usage
}

// names are the long flags that help lists.
func (f *Flags) names() []string {
	var names []string
	for _, flag := range f.flags {
		if !flag.Hidden {
			names = append(names, flag.Name)
		}
	}
	return names
}

// Operands returns the operands, of which there must be at least min and, unless
// max is negative, at most max.
func (f *Flags) Operands(min, max int) ([]string, error) {
	n := len(f.operands)
	switch {
	case n < min:
		return nil, fault.Op(nil, "%d operands given, %d needed", n, min).WithHint("usage: %s %s", f.name, f.usage)
	case max >= 0 && n > max:
		return nil, fault.Op(nil, "unexpected operand %q", f.operands[max]).WithHint("usage: %s %s", f.name, f.usage)
	}
	return f.operands, nil
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
