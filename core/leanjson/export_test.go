package leanjson

import "reflect"

// Lean is Unmarshal without encoding/json, and how far that came.
func Lean(data []byte, v any) (at int, ok bool) {
	d := decoder{data: string(data)}
	ok = d.value(reflect.ValueOf(v).Elem(), 0) && d.space() == 0
	return d.pos, ok
}
