// Package leanjson reads and writes JSON as encoding/json does, for a program that has
// few documents and ends. That package first makes what it needs to read and to write
// each type that can be in the document, which takes several times as long as to
// read it. This one looks at a type when it is there, and leaves to encoding/json
// whatever is not plain, and all that is wrong.
package leanjson

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Unmarshal is json.Unmarshal into a variable that holds its type's zero value.
func Unmarshal(data []byte, v any) error {
	to := reflect.ValueOf(v)
	if to.Kind() == reflect.Pointer && !to.IsNil() {
		d := decoder{data: data}
		if d.value(to.Elem(), 0) && d.space() == 0 {
			return nil
		}
		to.Elem().SetZero()
	}
	return json.Unmarshal(data, v)
}

// A decoder reads values from data, at pos. What reads one says false for what it
// leaves to encoding/json; it may have set parts of the variable by then.
type decoder struct {
	data  []byte
	pos   int
	types []structType
}

// maxDepth bounds how deep values are nested, and maxFields how many a struct has.
const (
	maxDepth  = 64
	maxFields = 64
)

// structType is what is known of a type of struct.
type structType struct {
	of     reflect.Type
	plain  bool
	custom bool // reads itself
	fields []field
}

type field struct {
	name  string
	index int
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// structOf looks a type up, or at it.
func (d *decoder) structOf(t reflect.Type) structType {
	for i := range d.types {
		if d.types[i].of == t {
			return d.types[i]
		}
	}
	s := structType{of: t, plain: t.NumField() <= maxFields, custom: reflect.PointerTo(t).Implements(unmarshaler)}
	if !s.custom {
		s.fields = make([]field, 0, t.NumField())
		for i := range t.NumField() {
			f := t.Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous || strings.Contains(options, "string"):
				s.plain = false
			case !f.IsExported() || name == "-":
			case name == "":
				s.fields = append(s.fields, field{f.Name, i})
			default:
				s.fields = append(s.fields, field{name, i})
			}
		}
	}
	d.types = append(d.types, s)
	return s
}

// space passes over white space and gives the next byte, or 0 at the end.
func (d *decoder) space() byte {
	for ; d.pos < len(d.data); d.pos++ {
		switch c := d.data[d.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return max(c, 1) // a NUL is not the end
		}
	}
	return 0
}

// word passes over a word if it is next.
func (d *decoder) word(w string) bool {
	if strings.HasPrefix(string(d.data[d.pos:min(len(d.data), d.pos+len(w))]), w) {
		d.pos += len(w)
		return true
	}
	return false
}

func (d *decoder) value(to reflect.Value, depth int) bool {
	c := d.space()
	if depth > maxDepth {
		return false
	}
	if c == 'n' {
		switch to.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			to.SetZero()
			return d.word("null")
		}
		return false
	}
	switch to.Kind() {
	case reflect.Pointer:
		if to.IsNil() {
			to.Set(reflect.New(to.Type().Elem()))
		}
		return d.value(to.Elem(), depth+1)
	case reflect.Struct:
		return d.structure(to, depth)
	case reflect.Slice:
		return c == '[' && d.slice(to, depth)
	case reflect.Map:
		return c == '{' && d.mapping(to, depth)
	case reflect.String:
		s, ok := d.text()
		to.SetString(s)
		return ok
	case reflect.Bool:
		yes := d.word("true")
		to.SetBool(yes)
		return yes || d.word("false")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(d.number(), 10, to.Type().Bits())
		to.SetInt(n)
		return err == nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(d.number(), 10, to.Type().Bits())
		to.SetUint(n)
		return err == nil
	}
	return false
}

// number is a whole number, or "".
func (d *decoder) number() string {
	from := d.pos
	if d.pos < len(d.data) && d.data[d.pos] == '-' {
		d.pos++
	}
	first := d.pos
	for d.pos < len(d.data) && '0' <= d.data[d.pos] && d.data[d.pos] <= '9' {
		d.pos++
	}
	if d.pos > first+1 && d.data[first] == '0' {
		return ""
	}
	// What else may follow, a fraction or an exponent, is no separator to who
	// asked.
	return string(d.data[from:d.pos])
}

// text is a string.
func (d *decoder) text() (string, bool) {
	if d.pos == len(d.data) || d.data[d.pos] != '"' {
		return "", false
	}
	from := d.pos
	escaped := false
	for i := from + 1; i < len(d.data); i++ {
		switch c := d.data[i]; {
		case c < ' ':
			return "", false
		case c == '\\':
			escaped = true
			i++
		case c == '"':
			d.pos = i + 1
			raw := d.data[from+1 : i]
			if escaped {
				var s string
				err := json.Unmarshal(d.data[from:d.pos], &s)
				return s, err == nil
			}
			return string(raw), utf8.Valid(raw)
		}
	}
	return "", false
}

// members calls each with every key of an object, to read its value.
func (d *decoder) members(each func(key string) bool) bool {
	if d.space() != '{' {
		return false
	}
	d.pos++
	if d.space() == '}' {
		d.pos++
		return true
	}
	for {
		d.space()
		key, ok := d.text()
		if !ok || d.space() != ':' {
			return false
		}
		d.pos++
		if !each(key) {
			return false
		}
		switch d.space() {
		case ',':
			d.pos++
		case '}':
			d.pos++
			return true
		default:
			return false
		}
	}
}

// elements calls each to read every value of an array.
func (d *decoder) elements(each func() bool) bool {
	if d.space() != '[' {
		return false
	}
	d.pos++
	if d.space() == ']' {
		d.pos++
		return true
	}
	for {
		if !each() {
			return false
		}
		switch d.space() {
		case ',':
			d.pos++
		case ']':
			d.pos++
			return true
		default:
			return false
		}
	}
}

func (d *decoder) structure(to reflect.Value, depth int) bool {
	t := d.structOf(to.Type())
	if t.custom {
		from := d.pos
		return d.skip(depth) && to.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(d.data[from:d.pos]) == nil
	}
	var seen uint64
	return t.plain && d.members(func(key string) bool {
		for i := range t.fields {
			if f := &t.fields[i]; f.name == key {
				// The second one of a name would be put into what the first has.
				again := seen&(1<<i) != 0
				seen |= 1 << i
				return !again && d.value(to.Field(f.index), depth+1)
			}
		}
		for i := range t.fields {
			if strings.EqualFold(t.fields[i].name, key) {
				return false
			}
		}
		return d.skip(depth + 1)
	})
}

func (d *decoder) mapping(to reflect.Value, depth int) bool {
	t := to.Type()
	if t.Key().Kind() != reflect.String || t.Key().NumMethod() > 0 {
		return false
	}
	to.Set(reflect.MakeMap(t))
	return d.members(func(key string) bool {
		v := reflect.New(t.Elem()).Elem()
		if !d.value(v, depth+1) {
			return false
		}
		to.SetMapIndex(reflect.ValueOf(key).Convert(t.Key()), v)
		return true
	})
}

func (d *decoder) slice(to reflect.Value, depth int) bool {
	if to.Type().Elem().Kind() == reflect.Uint8 {
		return false // in base64
	}
	to.Set(reflect.MakeSlice(to.Type(), 0, 0))
	if list, ok := to.Addr().Interface().(*[]string); ok {
		return d.elements(func() bool {
			d.space()
			s, ok := d.text()
			*list = append(*list, s)
			return ok
		})
	}
	return d.elements(func() bool {
		n := to.Len()
		to.Grow(1)
		to.SetLen(n + 1)
		return d.value(to.Index(n), depth+1)
	})
}

// skip passes over a value that nobody asked for.
func (d *decoder) skip(depth int) bool {
	if depth > maxDepth {
		return false
	}
	switch c := d.space(); {
	case c == '{':
		return d.members(func(string) bool { return d.skip(depth + 1) })
	case c == '[':
		return d.elements(func() bool { return d.skip(depth + 1) })
	case c == '"':
		_, ok := d.text()
		return ok
	case c == '-' || '0' <= c && c <= '9':
		_, err := strconv.ParseFloat(d.number(), 64)
		return err == nil
	}
	return d.word("true") || d.word("false") || d.word("null")
}
