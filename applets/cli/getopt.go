package cli

import (
	"fmt"
	"strings"

	"ocibox/core/fault"
)

// helpName is the long name of the option that every command has.
const helpName = "help"

// helpFlag stands for --help, and for -h where that is none of the flags.
var helpFlag = &Flag{Name: helpName, Short: "h"}

// option is one that was given: value is "" for one without.
type option struct {
	flag  *Flag
	value string
	has   bool
}

// scanned is what scan leaves.
type scanned struct {
	rest    []string // what is not an option
	over    bool     // no option can follow
	pending *Flag    // the option that the last word is, without its value
	err     error
}

// scan goes through args as getopt_long(3) does: clusters of short options,
// values behind a "=", attached or in the next word, long names as short as they
// are unique, "--", and operands between options or, where what follows is a
// command line of its own, from the first operand on. Each option is given to
// got, and what is wrong to wrong, which may let it pass.
func (f *Flags) scan(args []string, got func(option) error, wrong func(error) error) (s scanned) {
	for i := 0; i < len(args); i++ {
		word := args[i]
		read := f.short
		switch {
		case word == "--":
			s.rest, s.over = append(s.rest, args[i+1:]...), true
			return s
		case strings.HasPrefix(word, "--"):
			read = f.long
		case len(word) > 1 && word[0] == '-':
		case f.interspersed:
			s.rest = append(s.rest, word)
			continue
		default:
			s.rest, s.over = append(s.rest, args[i:]...), true
			return s
		}
		wants, err := read(word, got)
		if err == nil && wants != nil {
			if i++; i == len(args) {
				s.pending, err = wants, needsValue(wants, word)
			} else {
				err = got(option{wants, args[i], true})
			}
		}
		if err != nil {
			if s.err = wrong(err); s.err != nil {
				return s
			}
		}
	}
	return s
}

func needsValue(f *Flag, word string) error {
	if strings.HasPrefix(word, "--") {
		return fault.Op(nil, "flag needs an argument: --%s", f.Name)
	}
	return fault.Op(nil, "flag needs an argument: '%s' in %s", f.Short, word)
}

// long reads --NAME or --NAME=VALUE. wants is the flag if the next word is its
// value.
func (f *Flags) long(word string, got func(option) error) (wants *Flag, err error) {
	name, value, has := strings.Cut(word[2:], "=")
	flag, err := f.named(name)
	switch {
	case err != nil:
		return nil, err
	case !has && flag.takes == required:
		return flag, nil
	case has && value == "" && flag.takes == optional:
		return nil, fault.Op(nil, "--%s=: the value is empty", flag.Name)
	}
	return nil, got(option{flag, value, has})
}

// named finds the flag of a long name, or of the beginning of one only.
func (f *Flags) named(name string) (*Flag, error) {
	if flag := f.Lookup(name); flag != nil {
		return flag, nil
	}
	var found []*Flag
	for _, flag := range append(f.flags[:len(f.flags):len(f.flags)], helpFlag) {
		if flag.Name == name {
			return flag, nil
		}
		if name != "" && !flag.Hidden && strings.HasPrefix(flag.Name, name) {
			found = append(found, flag)
		}
	}
	switch len(found) {
	case 0:
		return nil, &unknownFlag{name: name}
	case 1:
		return found[0], nil
	}
	var names []string
	for _, flag := range found {
		names = append(names, "--"+flag.Name)
	}
	return nil, fault.Op(nil, "--%s may be %s", name, either(names))
}

// short reads -abc, -aVALUE or -a.
func (f *Flags) short(word string, got func(option) error) (wants *Flag, err error) {
	for i := 1; i < len(word); i++ {
		flag := f.shorthand(word[i : i+1])
		if flag == nil {
			return nil, &unknownFlag{name: string([]rune(word[i:])[:1]), in: word}
		}
		value, has := word[i+1:], i+1 < len(word)
		takes := flag.takes
		if flag.longOnly {
			takes = none
		}
		switch equals := strings.HasPrefix(value, "="); {
		case takes == none && !(equals && f.Equals):
			value, has = "", false
		case takes == optional, f.Equals:
			value = strings.TrimPrefix(value, "=")
		}
		if !has && takes == required {
			return flag, nil
		}
		if err := got(option{flag, value, has}); err != nil || has {
			return nil, err
		}
	}
	return nil, nil
}

func (f *Flags) shorthand(letter string) *Flag {
	for _, flag := range f.flags {
		if flag.Short == letter {
			return flag
		}
	}
	if letter == helpFlag.Short {
		return helpFlag
	}
	return nil
}

// unknownFlag is a flag that there is not; in is the word of a short one.
type unknownFlag struct{ name, in string }

func (e *unknownFlag) Error() string {
	if e.in != "" {
		return fmt.Sprintf("unknown shorthand flag: '%s' in %s", e.name, e.in)
	}
	return "unknown flag: --" + e.name
}
