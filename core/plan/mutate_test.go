package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/fault"
)

// mutateEnv is how many of each golden case's config.json TestMutated tries.
const mutateEnv = "OCIBOX_MUTATIONS"

// odd are values that a field may turn out to have.
var odd = []any{
	nil, true, "", "a", "\x00", "/", "..", "../../etc", "/a/../..", "-1", "0", "%d", "a=b", "=", "a:b:c", strings.Repeat("x", 300), strings.Repeat("/y", 3000),
	json.Number("-1"), json.Number("0"), json.Number("1"), json.Number("4294967295"), json.Number("4294967296"), json.Number("9223372036854775807"),
	json.Number("18446744073709551615"), json.Number("-9223372036854775808"), json.Number("1e3"), []any{}, map[string]any{}, []any{nil}, []any{""}, map[string]any{"": nil},
	map[string]any{"a/b": "c", "\x00": ""}, []any{map[string]any{}}, "remount", "bind", "SCMP_ACT_NOTIFY", "CAP_ALL", "RLIMIT_NOFILE", "/proc/self/ns/net",
}

// spots are the places of a JSON value that a mutation may change: each sets
// what is there anew, and gives what was there.
func spots(v any, set func(any)) []func(any) any {
	list := []func(any) any{func(to any) any { set(to); return v }}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			list = append(list, spots(v[k], func(to any) { v[k] = to })...)
		}
	case []any:
		for i := range v {
			list = append(list, spots(v[i], func(to any) { v[i] = to })...)
		}
	}
	return list
}

// mutate changes up to three fields of a config.json, by an odd value or by
// another field's.
func mutate(t *testing.T, r *rand.Rand, config []byte) []byte {
	t.Helper()
	var root any
	d := json.NewDecoder(strings.NewReader(string(config)))
	d.UseNumber()
	if err := d.Decode(&root); err != nil {
		t.Fatal(err)
	}
	for range 1 + r.IntN(3) {
		list := spots(root, func(to any) { root = to })[1:]
		if len(list) == 0 {
			break
		}
		to := odd[r.IntN(len(odd))]
		if r.IntN(4) == 0 {
			other := list[r.IntN(len(list))]
			to = other(nil)
			other(to)
		}
		// A copy: a value that lies in itself has no end.
		b, err := json.Marshal(to)
		if err != nil {
			t.Fatal(err)
		}
		var copied any
		d := json.NewDecoder(strings.NewReader(string(b)))
		d.UseNumber()
		if err := d.Decode(&copied); err != nil {
			t.Fatal(err)
		}
		list[r.IntN(len(list))](copied)
	}
	out, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A config.json with anything in any place is refused by one line that names a
// field, or compiled into a program that can be linked and explained; nothing
// panics.
func TestMutated(t *testing.T) {
	rounds := 60
	if text := os.Getenv(mutateEnv); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	compiled, refused := 0, 0
	for n, g := range goldens() {
		if g.goarch != "" && g.goarch != runtime.GOARCH {
			continue
		}
		config, err := json.Marshal(g.in.Spec)
		if err != nil {
			t.Fatal(err)
		}
		for round := range rounds {
			changed := mutate(t, rand.New(rand.NewPCG(uint64(n), uint64(round))), config)
			g.in.Spec = new(specs.Spec)
			if json.Unmarshal(changed, g.in.Spec) != nil {
				continue // core/bundle's matter
			}
			g.in.ID, g.in.Bundle = "mutated", "/bundle"
			if err := explained(g); err != nil {
				refused++
				var e *fault.Error
				if text := err.Error(); strings.ContainsAny(text, "\n\x00") || !errors.As(err, &e) || e.Field == "" {
					t.Errorf("%q of %s", text, changed)
				}
				continue
			}
			compiled++
		}
	}
	if compiled == 0 || refused == 0 {
		t.Errorf("%d were compiled, %d refused", compiled, refused)
	}
}

// explained compiles and explains; a panic is told with its config.json.
func explained(g golden) (err error) {
	before, err := json.Marshal(g.in.Spec)
	if err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			panic(fmt.Sprintf("%v, of %s %s", r, g.name, before))
		}
	}()
	p, err := g.compile()
	if err != nil {
		return err
	}
	return p.Explain(io.Discard, true)
}
