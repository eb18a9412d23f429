package leanjson

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// someText is room for what most write, in bytes.
const someText = 1 << 10

// Marshal is json.Marshal.
func Marshal(v any) ([]byte, error) {
	e := encoder{out: make([]byte, 0, someText)}
	if e.value(reflect.ValueOf(v), 0) {
		return e.out, nil
	}
	return json.Marshal(v)
}

// An encoder appends values to out. What writes one says false for what it leaves
// to encoding/json.
type encoder struct{ out []byte }

var marshaler = reflect.TypeFor[json.Marshaler]()

func (e *encoder) value(v reflect.Value, depth int) bool {
	if !v.IsValid() || depth > maxDepth {
		return false
	}
	if t := v.Type(); t.NumMethod() > 0 && t.Kind() != reflect.Interface && t.Implements(marshaler) && t.Kind() != reflect.Pointer {
		text, err := v.Interface().(json.Marshaler).MarshalJSON()
		e.out = append(e.out, text...)
		return err == nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			e.out = append(e.out, "null"...)
			return true
		}
		return e.value(v.Elem(), depth+1)
	case reflect.Struct:
		return e.structure(v, depth)
	case reflect.Slice:
		return e.slice(v, depth)
	case reflect.Map:
		return e.mapping(v, depth)
	case reflect.String:
		return e.text(v.String())
	case reflect.Bool:
		e.out = strconv.AppendBool(e.out, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.out = strconv.AppendInt(e.out, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		e.out = strconv.AppendUint(e.out, v.Uint(), 10)
	default:
		return false
	}
	return true
}

func (e *encoder) structure(v reflect.Value, depth int) bool {
	t := v.Type()
	e.out = append(e.out, '{')
	first := len(e.out)
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous || options != "" && options != "omitempty":
			return false
		case !f.IsExported() || name == "-" || options != "" && empty(v.Field(i)):
			continue
		case name == "":
			name = f.Name
		}
		if len(e.out) > first {
			e.out = append(e.out, ',')
		}
		if !e.member(name, v.Field(i), depth) {
			return false
		}
	}
	e.out = append(e.out, '}')
	return true
}

// empty is what omitempty leaves out.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.String, reflect.Array:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

func (e *encoder) member(name string, v reflect.Value, depth int) bool {
	if !e.text(name) {
		return false
	}
	e.out = append(e.out, ':')
	return e.value(v, depth+1)
}

func (e *encoder) slice(v reflect.Value, depth int) bool {
	switch {
	case v.Type().Elem().Kind() == reflect.Uint8:
		return false // in base64
	case v.IsNil():
		e.out = append(e.out, "null"...)
		return true
	}
	e.out = append(e.out, '[')
	for i := range v.Len() {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		if !e.value(v.Index(i), depth+1) {
			return false
		}
	}
	e.out = append(e.out, ']')
	return true
}

func (e *encoder) mapping(v reflect.Value, depth int) bool {
	switch {
	case v.Type().Key().Kind() != reflect.String || v.Type().Key().NumMethod() > 0:
		return false
	case v.IsNil():
		e.out = append(e.out, "null"...)
		return true
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	e.out = append(e.out, '{')
	for i, k := range keys {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		if !e.member(k.String(), v.MapIndex(k), depth) {
			return false
		}
	}
	e.out = append(e.out, '}')
	return true
}

// text is a string of plain characters.
func (e *encoder) text(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&':
			text, err := json.Marshal(s)
			e.out = append(e.out, text...)
			return err == nil
		}
	}
	e.out = append(append(append(e.out, '"'), s...), '"')
	return true
}
