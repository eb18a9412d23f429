package dbus

import (
	"math"
	"strconv"
	"strings"

	"ocibox/core/fault"
)

// typeWords are the words that GVariant's text form has for types.
var typeWords = [...]struct {
	word string
	code byte
}{
	{"boolean", 'b'}, {"byte", 'y'}, {"int16", 'n'}, {"uint16", 'q'}, {"int32", 'i'}, {"uint32", 'u'},
	{"int64", 'x'}, {"uint64", 't'}, {"double", 'd'}, {"string", 's'}, {"objectpath", 'o'}, {"signature", 'g'},
}

// ParseText reads a value in GVariant's text form: a truth value, a number, a
// string, each with or without its type before it ("uint64 5", "@t 5"), or an
// array of those. A number is an int32, or a double, if nothing else is said.
func ParseText(text string) (Value, error) {
	p := &textParser{rest: text}
	v := p.value("")
	p.space()
	if p.err == nil && p.rest != "" {
		p.fail("%.40q is left over", p.rest)
	}
	return v, p.err
}

type textParser struct {
	rest  string
	depth int
	err   error
}

func (p *textParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fault.Op(nil, format, args...)
	}
}

func (p *textParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\n") }

// value reads a value, of the type sig if that is not "".
func (p *textParser) value(sig string) (v Value) {
	const deepest = 4 // an array, with its type and that of an element
	p.depth++
	defer func() { p.depth-- }()
	p.space()
	switch {
	case p.err != nil:
	case p.depth > deepest:
		p.fail("%.40q is nested too deep", p.rest)
	case p.rest == "":
		p.fail("a value is missing")
	case p.rest[0] == '[':
		return p.array(sig)
	case p.rest[0] == '\'' || p.rest[0] == '"':
		return p.text(sig)
	default:
		return p.word(sig)
	}
	return v
}

// word reads what begins with neither a bracket nor a quote.
func (p *textParser) word(sig string) Value {
	end := strings.IndexAny(p.rest, " \t\n,]")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	if word == "true" || word == "false" {
		if sig != "" && sig != "b" {
			p.fail("%s is not of type %q", word, sig)
		}
		return Bool(word == "true")
	}
	if said, ok := typeOf(word); ok {
		if sig != "" && sig != said {
			p.fail("%s within %q", word, sig)
		}
		return p.value(said)
	}
	return p.number(word, sig)
}

// typeOf is the type that is said before a value.
func typeOf(word string) (sig string, ok bool) {
	if sig, ok := strings.CutPrefix(word, "@"); ok {
		elem := strings.TrimPrefix(sig, "a")
		return sig, len(elem) == 1 && strings.Contains("bynqiuxtdsog", elem)
	}
	for _, t := range typeWords {
		if t.word == word {
			return string(t.code), true
		}
	}
	return "", false
}

func (p *textParser) number(word, sig string) Value {
	if sig == "" {
		sig = "i"
		if strings.Contains(word, ".") || !strings.HasPrefix(strings.TrimLeft(word, "+-"), "0x") && strings.ContainsAny(word, "eE") {
			sig = "d"
		}
	}
	v := Value{Sig: sig}
	var err error
	bits := 8 * width(sig[0])
	switch sig {
	case "d":
		var f float64
		f, err = strconv.ParseFloat(word, 64)
		v.Num = math.Float64bits(f)
	case "n", "i", "x":
		var n int64
		n, err = strconv.ParseInt(word, 0, bits)
		v.Num = uint64(n)
	case "y", "q", "u", "t":
		v.Num, err = strconv.ParseUint(word, 0, bits)
	default:
		p.fail("%.40q is not of type %q", word, sig)
	}
	if err != nil {
		p.fail("%.40q is not a number of type %q", word, sig)
	}
	return v
}

func (p *textParser) text(sig string) Value {
	if sig == "" {
		sig = "s"
	}
	if sig != "s" && sig != "o" && sig != "g" {
		p.fail("a string is not of type %q", sig)
	}
	quote := p.rest[0]
	var s strings.Builder
	for rest := p.rest[1:]; rest != ""; {
		if rest[0] == quote {
			p.rest = rest[1:]
			v := Value{Sig: sig, Str: s.String()}
			if strings.ContainsRune(v.Str, 0) || sig == "g" && len(v.Str) > math.MaxUint8 {
				p.fail("%.40q cannot be sent", v.Str)
			}
			return v
		}
		if rest[0] == '\\' && len(rest) > 1 && (rest[1] == '\'' || rest[1] == '"') {
			s.WriteByte(rest[1])
			rest = rest[2:]
			continue
		}
		r, _, tail, err := strconv.UnquoteChar(rest, 0)
		if err != nil {
			break
		}
		s.WriteRune(r)
		rest = tail
	}
	p.fail("%.40s is not a string", p.rest)
	return Value{Sig: sig}
}

func (p *textParser) array(sig string) Value {
	elem, ok := strings.CutPrefix(sig, "a")
	if sig != "" && !ok {
		p.fail("an array is not of type %q", sig)
	}
	v := Value{}
	for p.rest = p.rest[1:]; p.err == nil; {
		p.space()
		if strings.HasPrefix(p.rest, "]") {
			p.rest = p.rest[1:]
			if elem == "" {
				p.fail("the type of [] is not said, as in @as []")
			}
			v.Sig = "a" + elem
			return v
		}
		if len(v.List) > 0 {
			if !strings.HasPrefix(p.rest, ",") {
				p.fail("%.40q is in the array, where a comma is to be", p.rest)
				break
			}
			p.rest = p.rest[1:]
		}
		e := p.value(elem)
		// The elements are of the first one's type.
		elem = e.Sig
		if strings.HasPrefix(elem, "a") {
			p.fail("an array of arrays")
		}
		v.List = append(v.List, e)
	}
	return v
}

// String is the value in GVariant's text form.
func (v Value) String() string { return v.text(true) }

// text says the type too where it is not the one that a reader assumes, and
// has not been said for an array's first element.
func (v Value) text(typed bool) string {
	word := ""
	for _, t := range typeWords {
		if typed && v.Sig == string(t.code) && t.code != 'b' && t.code != 's' && t.code != 'i' && t.code != 'd' {
			word = t.word + " "
		}
	}
	switch v.Sig[0] {
	case 's', 'o', 'g':
		q := strconv.Quote(v.Str)
		return word + "'" + strings.ReplaceAll(strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`), "'", `\'`) + "'"
	case 'b':
		return strconv.FormatBool(v.Num != 0)
	case 'd':
		f := strconv.FormatFloat(math.Float64frombits(v.Num), 'g', -1, 64)
		if !strings.ContainsAny(f, ".eIN") {
			f += ".0"
		}
		return f
	case 'n', 'i', 'x':
		shift := 64 - 8*width(v.Sig[0])
		return word + strconv.FormatInt(int64(v.Num<<shift)>>shift, 10)
	case 'v':
		return "<" + v.List[0].String() + ">"
	}
	if width(v.Sig[0]) > 0 {
		return word + strconv.FormatUint(v.Num, 10)
	}
	var list []string
	for i, m := range v.List {
		list = append(list, m.text(v.Sig[0] == '(' || i == 0))
	}
	text := strings.Join(list, ", ")
	switch {
	case v.Sig[0] != 'a':
		return "(" + text + ")"
	case len(list) == 0:
		return "@" + v.Sig + " []"
	}
	return "[" + text + "]"
}
