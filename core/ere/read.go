package ere

import (
	"errors"
	"strconv"
	"strings"
)

// maxRepeat is RE_DUP_MAX of regex(7); maxCode bounds what repeats of repeats
// come to, in instructions.
const (
	maxRepeat = 255
	maxCode   = 20_000
)

// Compile reads an expression.
func Compile(text string) (*Expr, error) {
	r := reader{text: text}
	code, err := r.either(0)
	switch {
	case err != nil:
		return nil, err
	case r.text != "":
		return nil, errors.New("a ) that closes nothing")
	}
	return &Expr{append(code, inst{op: opMatch})}, nil
}

// reader has what is left to be read. The code of a part of the expression is
// relative: its jumps count from its own beginning.
type reader struct{ text string }

// moved is code that begins n instructions further on.
func moved(code []inst, n int) []inst {
	out := make([]inst, len(code))
	for i, c := range code {
		c.x, c.y = c.x+n, c.y+n
		out[i] = c
	}
	return out
}

// after is a, and then b.
func after(a, b []inst) []inst { return append(a, moved(b, len(a))...) }

// either reads branches with | between.
func (r *reader) either(depth int) ([]inst, error) {
	if depth > maxRepeat {
		return nil, errors.New("too deep")
	}
	one, err := r.branch(depth)
	if err != nil || !strings.HasPrefix(r.text, "|") {
		return one, err
	}
	r.text = r.text[1:]
	other, err := r.either(depth)
	if err != nil {
		return nil, err
	}
	code := after([]inst{{op: opSplit, x: 1, y: len(one) + 2}}, one)
	code = append(code, inst{op: opJump, x: len(code) + 1 + len(other)})
	return after(code, other), nil
}

// branch reads pieces that follow one another.
func (r *reader) branch(depth int) ([]inst, error) {
	var code []inst
	for r.text != "" && r.text[0] != '|' && r.text[0] != ')' {
		piece, err := r.piece(depth)
		if err != nil {
			return nil, err
		}
		if code = after(code, piece); len(code) > maxCode {
			return nil, errors.New("too large")
		}
	}
	return code, nil
}

// piece reads an atom and what says how often it is repeated.
func (r *reader) piece(depth int) ([]inst, error) {
	code, err := r.atom(depth)
	for err == nil && r.text != "" && strings.IndexByte("*+?{", r.text[0]) >= 0 {
		var least, most int
		if least, most, err = r.times(); err == nil {
			code, err = repeat(code, least, most)
		}
	}
	return code, err
}

// times reads *, +, ?, {m}, {m,} or {m,n}; most is negative for any number.
func (r *reader) times() (least, most int, err error) {
	c := r.text[0]
	if c != '{' {
		r.text = r.text[1:]
		switch c {
		case '*':
			return 0, -1, nil
		case '+':
			return 1, -1, nil
		}
		return 0, 1, nil
	}
	in, rest, ok := strings.Cut(r.text[1:], "}")
	from, to, two := strings.Cut(in, ",")
	least, err = strconv.Atoi(from)
	most = least
	if two && to == "" {
		most = -1
	} else if two && err == nil {
		most, err = strconv.Atoi(to)
	}
	if !ok || err != nil || least < 0 || least > maxRepeat || most > maxRepeat || most >= 0 && most < least {
		return 0, 0, errors.New("{ without m}, m,} or m,n} of at most " + strconv.Itoa(maxRepeat))
	}
	r.text = rest
	return least, most, nil
}

func repeat(code []inst, least, most int) ([]inst, error) {
	if (len(code)+1)*max(least, most, 1) > maxCode {
		return nil, errors.New("too large")
	}
	var out []inst
	for range least {
		out = after(out, code)
	}
	if most < 0 {
		at := len(out)
		out = append(out, inst{op: opSplit, x: at + 1, y: at + 2 + len(code)})
		return append(after(out, code), inst{op: opJump, x: at}), nil
	}
	end := len(out) + (len(code)+1)*(most-least)
	for range most - least {
		out = after(append(out, inst{op: opSplit, x: len(out) + 1, y: end}), code)
	}
	return out, nil
}

func (r *reader) atom(depth int) ([]inst, error) {
	c := r.text[0]
	r.text = r.text[1:]
	i := inst{op: opByte}
	switch c {
	case '(':
		code, err := r.either(depth + 1)
		if err == nil && !strings.HasPrefix(r.text, ")") {
			err = errors.New("a ( without its )")
		}
		if err != nil {
			return nil, err
		}
		r.text = r.text[1:]
		return code, nil
	case '*', '+', '?', '{':
		return nil, errors.New(string(c) + " repeats nothing")
	case '^':
		i.op = opBegin
	case '$':
		i.op = opEnd
	case '.':
		i.set.invert()
	case '[':
		var err error
		if i.set, err = r.bracket(); err != nil {
			return nil, err
		}
	case '\\':
		if r.text == "" {
			return nil, errors.New("a \\ at the end")
		}
		i.set = escaped(r.text[0])
		r.text = r.text[1:]
	default:
		i.set.add(c, c)
	}
	return []inst{i}, nil
}

// escaped is what a byte behind a backslash stands for.
func escaped(c byte) (s set) {
	for _, class := range classes {
		if class.letter == c {
			return class.set()
		}
		if class.letter != 0 && class.letter-'a'+'A' == c {
			s = class.set()
			s.invert()
			return s
		}
	}
	s.add(c, c)
	return s
}

type class struct {
	name   string
	letter byte
	ranges string // pairs of bytes
}

func (c class) set() (s set) {
	for i := 0; i < len(c.ranges); i += 2 {
		s.add(c.ranges[i], c.ranges[i+1])
	}
	return s
}

var classes = [...]class{
	{"digit", 'd', "09"}, {"space", 's', "\t\r  "}, {"word", 'w', "09AZaz__"},
	{"alpha", 0, "AZaz"}, {"alnum", 0, "09AZaz"}, {"upper", 0, "AZ"}, {"lower", 0, "az"}, {"xdigit", 0, "09AFaf"},
	{"punct", 0, "!/:@[`{~"}, {"blank", 0, "  \t\t"}, {"cntrl", 0, "\x00\x1f\x7f\x7f"}, {"print", 0, " ~"}, {"graph", 0, "!~"},
}

// bracket reads a bracket expression behind its [.
func (r *reader) bracket() (s set, err error) {
	not := strings.HasPrefix(r.text, "^")
	if not {
		r.text = r.text[1:]
	}
	for first := true; ; first = false {
		switch {
		case r.text == "":
			return s, errors.New("a [ without its ]")
		case r.text[0] == ']' && !first:
			r.text = r.text[1:]
			if not {
				s.invert()
			}
			return s, nil
		case strings.HasPrefix(r.text, "[:"):
			name, rest, ok := strings.Cut(r.text[2:], ":]")
			found := false
			for _, c := range classes {
				if c.name == name {
					s.join(c.set())
					found = true
				}
			}
			if !ok || !found {
				return s, errors.New("no class [:" + name + ":]")
			}
			r.text = rest
			continue
		}
		from := r.text[0]
		to := from
		r.text = r.text[1:]
		if len(r.text) > 1 && r.text[0] == '-' && r.text[1] != ']' {
			to, r.text = r.text[1], r.text[2:]
		}
		if to < from {
			return s, errors.New("the range " + string(from) + "-" + string(to) + " is empty")
		}
		s.add(from, to)
	}
}
