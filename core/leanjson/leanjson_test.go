package leanjson_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundle"
	"ocibox/core/container"
	"ocibox/core/leanjson"
)

// A sample has every kind of thing that there can be in a struct.
type sample struct {
	Text    string `json:"text"`
	Named   specs.LinuxNamespaceType
	Bytes   []byte            `json:"bytes"`
	Int     int8              `json:"int"`
	Big     int64             `json:"big"`
	Uint    *uint16           `json:"uint,omitempty"`
	Bool    bool              `json:"bool"`
	List    []string          `json:"list"`
	Lists   [][]int           `json:"lists"`
	Map     map[string]string `json:"map"`
	Maps    map[string]sample `json:"maps"`
	Any     any               `json:"any"`
	Time    time.Time         `json:"time"`
	Mode    *os.FileMode      `json:"mode"`
	Float   float64           `json:"float"`
	Quoted  int               `json:"quoted,string"`
	Not     string            `json:"-"`
	Next    *sample           `json:"next"`
	private int               //lint:ignore U1000 it is there to be passed over
}

type plain struct {
	Text string   `json:"text"`
	Int  int8     `json:"int"`
	Uint *uint16  `json:"uint,omitempty"`
	Bool bool     `json:"bool"`
	List []string `json:"list"`
	Map  map[string]plain
	Time time.Time `json:"time"`
	Next *plain    `json:"next"`
}

// check reads data in both ways, which have to come to the same: the value, and
// the error's words.
func check[T any](t *testing.T, data []byte) {
	t.Helper()
	var got, want T
	err, wanted := leanjson.Unmarshal(data, &got), json.Unmarshal(data, &want)
	if wanted == nil && err != nil || wanted != nil && (err == nil || err.Error() != wanted.Error()) {
		t.Errorf("%T %q: %v, want %v", got, data, err, wanted)
	}
	if wanted == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%T %q:\n got %+v\nwant %+v", got, data, got, want)
	}
	written, err := leanjson.Marshal(want)
	if again, wanted := json.Marshal(want); err != nil || wanted != nil || string(written) != string(again) {
		t.Errorf("%T:\nwrote %s, %v\n want %s, %v", want, written, err, again, wanted)
	}
}

var documents = []string{
	``, ` `, `null`, `{}`, ` { } `, `{} x`, `[]`, `{`, `{"text":}`, `{"text":"a",}`, `{"text":"a" "b"}`, `{,}`, `{"text" "a"}`, "{\"text\":\"a\x01\"}",
	`{"text":"a"}`, `{"text":"a\"b\u0026\n"}`, "{\"text\":\"\xff\"}", `{"text":"\ud800"}`, `{"text":null}`, `{"text":1}`, `{"text":"a","text":"b"}`, `{"text":"\`, `{"text":"\"`,
	`{"TEXT":"a"}`, `{"Text":"a"}`, `{"Named":"pid"}`, `{"named":"pid"}`, `{"-":"a","Not":"b","private":1}`,
	`{"int":1}`, `{"int":-128}`, `{"int":128}`, `{"int":01}`, `{"int":1.0}`, `{"int":1e2}`, `{"int":-}`, `{"int":-0}`, `{"int":"1"}`, `{"int":+1}`, `{"int":1`, `{"int":1]`,
	`{"big":9223372036854775807}`, `{"big":9223372036854775808}`, `{"uint":65535}`, `{"uint":-1}`, `{"uint":null}`, `{"uint":65536}`, `{"mode":438}`,
	`{"bool":true}`, `{"bool":false}`, `{"bool":tru}`, `{"bool":truex}`, `{"bool":null}`, `{"bool":nul}`,
	`{"list":[]}`, `{"list":["a","b"]}`, `{"list":["a",]}`, `{"list":["a" "b"]}`, `{"list":[null]}`, `{"list":[1]}`, `{"list":null}`, `{"list":{}}`, `{"list":["a"],"list":["b","c"]}`,
	`{"lists":[[1,2],[],null,[3]]}`, `{"map":{}}`, `{"map":{"a":"b","a":"c"}}`, `{"map":{"a":null}}`, `{"map":[]}`, `{"maps":{"a":{"text":"b"},"c":{}}}`, `{"maps":{"a":null}}`,
	`{"Map":{"a":{"text":"b"},"a":{"int":1}}}`,
	`{"bytes":"aGk="}`, `{"bytes":[1,2]}`, `{"any":{"a":[1,"b",null]}}`, `{"float":1.5}`, `{"quoted":"1"}`, `{"time":"2026-11-24T00:05:43.376756734Z"}`, `{"time":"x"}`, `{"time":null}`, `{"time":{"a":1}}`,
	`{"next":{"next":{"text":"deep"}}}`, `{"next":null}`, `{"unknown":{"a":[1,2.5e10,-0,"x",true,false,null,{}]},"int":2}`, `{"unknown":01}`, `{"unknown":[1 2]}`, `{"unknown":tru}`, `{"unknown":"a` + "\t" + `"}`, `{"unknown":1.}`, `{"unknown":"\x"}`, `{"\u0074ext":"a"}`,
	"{\"text\":\"a\"}\x00", "\ufeff{}",
}

func TestDocuments(t *testing.T) {
	for _, doc := range documents {
		check[sample](t, []byte(doc))
		check[plain](t, []byte(doc))
		check[specs.Spec](t, []byte(doc))
		check[map[string]string](t, []byte(doc))
		check[[]string](t, []byte(doc))
		check[string](t, []byte(doc))
	}
	var deep []byte
	for range 200 {
		deep = append(deep, `{"next":`...)
	}
	check[sample](t, deep)
	if err := leanjson.Unmarshal([]byte(`{}`), sample{}); err == nil {
		t.Error("what cannot be set was")
	}
}

// configs are config.json files as they come.
func configs(t testing.TB) (list [][]byte) {
	for _, s := range []*specs.Spec{bundle.Default(), bundle.Rootless(1000, 1000)} {
		data, err := json.MarshalIndent(s, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, data)
	}
	for _, dir := range []string{"../plan/testdata", "../seccomp/testdata"} {
		files, err := filepath.Glob(dir + "/*.json")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, data)
		}
	}
	return list
}

// Whole ones, what is left of them when they are cut, and what they are with a
// byte changed come to the same as with encoding/json.
func TestConfigs(t *testing.T) {
	for _, data := range configs(t) {
		check[specs.Spec](t, data)
		check[specs.LinuxSeccomp](t, data)
		step := 1 + len(data)/150
		for i := 0; i < len(data); i += step {
			check[specs.Spec](t, data[:i])
			for _, b := range []byte(`"0]},:-n\`) {
				other := append([]byte{}, data...)
				other[i] = b
				check[specs.Spec](t, other)
			}
		}
	}
}

// What is plain is not left to encoding/json: that would cost both.
func TestLean(t *testing.T) {
	for i, data := range configs(t)[:2] {
		var s specs.Spec
		if at, ok := leanjson.Lean(data, &s); !ok {
			t.Errorf("config %d was given up at byte %d", i, at)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, doc := range documents {
		f.Add([]byte(doc))
	}
	for _, data := range configs(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		check[sample](t, data)
		check[plain](t, data)
		check[specs.Spec](t, data)
	})
}

func BenchmarkUnmarshal(b *testing.B) {
	data := configs(b)[0]
	for b.Loop() {
		var s specs.Spec
		if err := leanjson.Unmarshal(data, &s); err != nil {
			b.Fatal(err)
		}
	}
}

// No struct in what is read here reads itself but time.Time, none has two fields of one
// name, and where one has fields of another's, that comes first: it is met whatever is
// looked for.
func TestTypes(t *testing.T) {
	custom := reflect.TypeFor[json.Unmarshaler]()
	seen := map[reflect.Type]bool{}
	var look func(of reflect.Type)
	look = func(of reflect.Type) {
		switch of.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			look(of.Elem())
		case reflect.Struct:
			if seen[of] || of == reflect.TypeFor[time.Time]() {
				return
			}
			seen[of] = true
			if reflect.PointerTo(of).Implements(custom) {
				t.Errorf("%v reads itself", of)
			}
			names := map[string]bool{}
			for i := range of.NumField() {
				f := of.Field(i)
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if name == "" {
					name = f.Name
				}
				switch {
				case !f.IsExported() && !f.Anonymous || name == "-":
				case f.Anonymous && i > 0, names[name]:
					t.Errorf("%v has %s", of, f.Name)
				default:
					names[name] = true
					look(f.Type)
				}
			}
		}
	}
	for _, v := range []any{specs.Spec{}, specs.Process{}, container.State{}} {
		look(reflect.TypeOf(v))
	}
	if len(seen) < 20 {
		t.Errorf("only %v were looked at", seen)
	}
}
