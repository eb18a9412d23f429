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
	"sync"
	"time"
	"unicode/utf8"
	"unsafe"
)

// Unmarshal is json.Unmarshal into a variable that holds its type's zero value. Of the
// types of struct that read themselves (json.Unmarshaler) it knows time.Time alone. What
// is read refers to data, which nobody may change any more.
func Unmarshal(data []byte, v any) error {
	to := reflect.ValueOf(v)
	if to.Kind() == reflect.Pointer && !to.IsNil() {
		if lean(data, to.Elem()) {
			return nil
		}
		to.Elem().SetZero()
	}
	return json.Unmarshal(data, v)
}

// lean is Unmarshal without encoding/json.
func lean(data []byte, to reflect.Value) bool {
	known.Lock()
	defer known.Unlock()
	d := decoder{data: unsafe.String(unsafe.SliceData(data), len(data))}
	return utf8.ValidString(d.data) && d.value(to, 0) && d.space() == 0
}

// A decoder reads values from data, which is valid UTF-8, at pos. What reads one says
// false for what it leaves to encoding/json; it may have set parts of the variable by
// then. The strings that it makes are parts of data.
type decoder struct {
	data string
	pos  int
}

// known are the types that were met so far, for the next document: of one kind there
// may be thousands.
var known struct {
	sync.Mutex
	types []*structType
	room  []string // for the names of the next
}

// firstRoom is that at first: to allocate it is to touch memory anew.
var firstRoom [256]string

// maxDepth bounds how deep values are nested, and maxFields how many a struct has.
const (
	maxDepth  = 64
	maxFields = 64
)

// structType is what is known of a type of struct.
type structType struct {
	of    reflect.Type
	names []string // of the fields that were looked at, in their order, "" for those without
	plain bool     // there was nothing but what is read here
}

// structOf looks a type up.
func structOf(t reflect.Type) *structType {
	for _, s := range known.types {
		if s.of == t {
			return s
		}
	}
	n := t.NumField()
	switch {
	case len(known.types) == 0:
		known.room = firstRoom[:]
	case len(known.room) < n:
		known.room = make([]string, max(n, len(firstRoom)))
	}
	s := &structType{of: t, plain: n <= maxFields, names: known.room[:0:n]}
	known.room = known.room[n:]
	known.types = append(known.types, s)
	return s
}

// find is the index of a member's field, -1 where there is none. It looks at no more
// fields than it takes, as the members mostly come in the fields' order.
func (s *structType) find(key string) int {
	for i, name := range s.names {
		if name == key && name != "" {
			return i
		}
	}
	for len(s.names) < cap(s.names) && s.plain {
		f := s.of.Field(len(s.names))
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous || strings.Contains(options, "string"):
			s.plain = false
		case !f.IsExported() || name == "-":
			name = ""
		case name == "":
			name = f.Name
		}
		s.names = append(s.names, name)
		if name == key && name != "" {
			return len(s.names) - 1
		}
	}
	return -1
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
	if strings.HasPrefix(d.data[d.pos:], w) {
		d.pos += len(w)
		return true
	}
	return false
}

var (
	timeType    = reflect.TypeFor[time.Time]()
	stringsType = reflect.TypeFor[[]string]()
)

// someElements is how many a list has room for at first: to grow is to touch memory
// anew.
const someElements = 8

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
	return d.data[from:d.pos]
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
				err := json.Unmarshal([]byte(d.data[from:d.pos]), &s)
				return s, err == nil
			}
			return raw, true
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
	if to.Type() == timeType {
		from := d.pos
		return d.skip(depth) && (*time.Time)(to.Addr().UnsafePointer()).UnmarshalJSON([]byte(d.data[from:d.pos])) == nil
	}
	t := structOf(to.Type())
	var seen uint64
	return d.members(func(key string) bool {
		i := t.find(key)
		switch {
		case !t.plain:
			return false
		case i >= 0:
			// The second one of a name would be put into what the first has.
			again := seen&(1<<i) != 0
			seen |= 1 << i
			return !again && d.value(to.Field(i), depth+1)
		}
		for _, name := range t.names {
			if strings.EqualFold(name, key) {
				return false
			}
		}
		return d.skip(depth + 1)
	}) && t.plain
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
	if to.Type() == stringsType {
		// As many as there are commas and one, mostly.
		rest := d.data[d.pos:]
		list := make([]string, 0, 1+strings.Count(rest[:strings.IndexByte(rest, ']')+1], ","))
		ok := d.elements(func() bool {
			d.space()
			s, ok := d.text()
			list = append(list, s)
			return ok
		})
		to.Set(reflect.ValueOf(list))
		return ok
	}
	to.Set(reflect.MakeSlice(to.Type(), 0, someElements))
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
