package cli

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"ocibox/core/fault"
)

// Value is where a flag's value goes.
type Value interface {
	Set(string) error
	// String is the value as it is, and the default before anything is read.
	String() string
}

type boolValue bool

func (b *boolValue) String() string { return strconv.FormatBool(bool(*b)) }
func (b *boolValue) Set(s string) error {
	v, err := strconv.ParseBool(s)
	*b = boolValue(v)
	return number(err)
}

type stringValue string

func (v *stringValue) String() string     { return string(*v) }
func (v *stringValue) Set(s string) error { *v = stringValue(s); return nil }

type intValue int

func (v *intValue) String() string { return strconv.Itoa(int(*v)) }
func (v *intValue) Set(s string) error {
	n, err := strconv.ParseInt(s, 0, strconv.IntSize)
	*v = intValue(n)
	return number(err)
}

// countValue is how often a flag is given; --flag=N is N times.
type countValue int

// once more is what a countValue is set to where the flag is given.
const onceMore = "+1"

func (v *countValue) String() string { return strconv.Itoa(int(*v)) }
func (v *countValue) Set(s string) error {
	if s == onceMore {
		*v++
		return nil
	}
	return (*intValue)(v).Set(s)
}

// listValue takes one more with each Set.
type listValue []string

func (v *listValue) String() string     { return strings.Join(*v, " ") }
func (v *listValue) Set(s string) error { *v = append(*v, s); return nil }

type durationValue time.Duration

func (v *durationValue) String() string { return time.Duration(*v).String() }
func (v *durationValue) Set(s string) error {
	d, ok := parseDuration(s)
	if !ok {
		return fault.Op(nil, "is no length of time, such as 500ms or 1m30s")
	}
	*v = durationValue(d)
	return nil
}

// parseDuration is time.ParseDuration, which has a map of the units made when any program
// that it is in starts.
func parseDuration(s string) (time.Duration, bool) {
	s, negative := strings.CutPrefix(s, "-")
	if !negative {
		s = strings.TrimPrefix(s, "+")
	}
	if s == "0" {
		return 0, true
	}
	const most = 1 << 63 // ns, and of those that are not negative one less
	sum, ok := uint64(0), s != ""
	for s != "" && ok {
		unit := strings.TrimLeft(s, "0123456789.")
		number := s[:len(s)-len(unit)]
		s = strings.TrimLeft(unit, "nuµμmsh")
		var one time.Duration
		switch unit[:len(unit)-len(s)] {
		case "ns":
			one = time.Nanosecond
		case "us", "µs", "μs":
			one = time.Microsecond
		case "ms":
			one = time.Millisecond
		case "s":
			one = time.Second
		case "m":
			one = time.Minute
		case "h":
			one = time.Hour
		default:
			return 0, false
		}
		whole, fraction, _ := strings.Cut(number, ".")
		n, err := strconv.ParseUint("0"+whole, 10, 64)
		ok = err == nil && whole+fraction != "" && n <= most/uint64(one) && !strings.Contains(fraction, ".")
		digits, scale := uint64(0), 1.0
		for i := 0; i < len(fraction) && digits < most/10-1; i++ {
			digits, scale = 10*digits+uint64(fraction[i]-'0'), 10*scale
		}
		n = n*uint64(one) + uint64(float64(digits)*(float64(one)/scale))
		sum += n
		ok = ok && n <= most && sum <= most
	}
	if negative {
		return -time.Duration(sum), ok
	}
	return time.Duration(sum), ok && sum < most
}

// choice is a flag's value that is one of a few words.
type choice struct {
	value *string
	of    []string
}

func (c choice) String() string { return *c.value }
func (c choice) Set(s string) error {
	if !slices.Contains(c.of, s) {
		return fault.Op(nil, "is not %s", either(c.of))
	}
	*c.value = s
	return nil
}

// number leaves out of a strconv error what the caller says itself.
func number(err error) error {
	if e, ok := err.(*strconv.NumError); ok {
		return e.Err
	}
	return err
}

func (f *Flags) BoolVarP(p *bool, name, short string, value bool, usage string) {
	*p = value
	f.add(&Flag{Name: name, Short: short, Usage: usage, Value: (*boolValue)(p), takes: none, bare: "true"})
}

func (f *Flags) BoolVar(p *bool, name string, value bool, usage string) {
	f.BoolVarP(p, name, "", value, usage)
}

func (f *Flags) BoolP(name, short string, value bool, usage string) *bool {
	p := new(bool)
	f.BoolVarP(p, name, short, value, usage)
	return p
}

func (f *Flags) Bool(name string, value bool, usage string) *bool {
	return f.BoolP(name, "", value, usage)
}

// BoolFunc defines a flag without a value, and what it does: it is told "true",
// or what stands behind a "=".
func (f *Flags) BoolFunc(v Value, name, short, usage string) {
	f.add(&Flag{Name: name, Short: short, Usage: usage, Value: v, takes: none, bare: "true"})
}

func (f *Flags) StringVarP(p *string, name, short, value, usage string) {
	*p = value
	f.VarP((*stringValue)(p), name, short, usage).word = "string"
}

func (f *Flags) StringVar(p *string, name, value, usage string) {
	f.StringVarP(p, name, "", value, usage)
}

func (f *Flags) StringP(name, short, value, usage string) *string {
	p := new(string)
	f.StringVarP(p, name, short, value, usage)
	return p
}

func (f *Flags) String(name, value, usage string) *string {
	return f.StringP(name, "", value, usage)
}

func (f *Flags) IntVarP(p *int, name, short string, value int, usage string) {
	*p = value
	f.VarP((*intValue)(p), name, short, usage).word = "int"
}

func (f *Flags) IntVar(p *int, name string, value int, usage string) {
	f.IntVarP(p, name, "", value, usage)
}

func (f *Flags) IntP(name, short string, value int, usage string) *int {
	p := new(int)
	f.IntVarP(p, name, short, value, usage)
	return p
}

// CountP defines a flag that counts how often it is given.
func (f *Flags) CountP(name, short, usage string) *int {
	p := new(int)
	f.add(&Flag{Name: name, Short: short, Usage: usage, Value: (*countValue)(p), takes: none, bare: onceMore})
	return p
}

// StringArrayVarP defines a flag that may be given again and again, each value
// as it is.
func (f *Flags) StringArrayVarP(p *[]string, name, short string, value []string, usage string) {
	*p = value
	f.VarP((*listValue)(p), name, short, usage).word = "string"
}

func (f *Flags) StringArrayVar(p *[]string, name string, value []string, usage string) {
	f.StringArrayVarP(p, name, "", value, usage)
}

func (f *Flags) StringArrayP(name, short string, value []string, usage string) *[]string {
	p := new([]string)
	f.StringArrayVarP(p, name, short, value, usage)
	return p
}

func (f *Flags) StringArray(name string, value []string, usage string) *[]string {
	return f.StringArrayP(name, "", value, usage)
}

func (f *Flags) Duration(name string, value time.Duration, usage string) *time.Duration {
	f.VarP((*durationValue)(&value), name, "", usage).word = "duration"
	return &value
}

// Choice defines a flag whose value is one of words, of which the first is the
// default.
func (f *Flags) Choice(name, short string, words []string, usage string) *string {
	value := words[0]
	f.VarP(choice{&value, words}, name, short, usage).word = strings.Join(words, "|")
	return &value
}

// Optional defines a flag whose value may be left out, where it is bare: only one
// that is attached, or behind a "=", is a value.
func (f *Flags) Optional(name, short, bare, usage string) *string {
	p := new(string)
	f.OptionalVar((*stringValue)(p), name, short, bare, usage)
	return p
}

// OptionalVar is Optional for a Value of the caller's.
func (f *Flags) OptionalVar(v Value, name, short, bare, usage string) *Flag {
	return f.add(&Flag{Name: name, Short: short, Usage: usage, Value: v, takes: optional, bare: bare, word: "string"})
}

// VarP defines a flag that needs a value.
func (f *Flags) VarP(v Value, name, short, usage string) *Flag {
	return f.add(&Flag{Name: name, Short: short, Usage: usage, Value: v, takes: required, word: "value"})
}
