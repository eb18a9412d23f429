package container

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"ocibox/core/cgroup"
	"ocibox/core/leanjson"
)

// someState is room for most states, in bytes.
const someState = 1 << 10

// encode is json.Marshal of the state, without a look at its type: it is written twice for each
// container, and all that it takes is touched for the first time.
func (s *State) encode() []byte {
	o := object{append(make([]byte, 0, someState), '{')}
	o.text("ociVersion", s.Version)
	o.text("id", s.ID)
	o.number("pid", uint64(s.Pid))
	o.text("bundle", s.Bundle)
	o.text("rootfs", s.Rootfs)
	o.member("created")
	o.out = append(s.Created.AppendFormat(append(o.out, '"'), time.RFC3339Nano), '"')
	o.number("owner", uint64(s.Owner))
	for _, n := range [...]struct {
		name  string
		value uint64
	}{{"inode", s.Inode}, {"startTime", s.StartTime}, {"mountID", s.MountID}} {
		if n.value != 0 {
			o.number(n.name, n.value)
		}
	}
	if s.NoKeyring {
		o.word("noKeyring", "true")
	}
	if s.NoHooks {
		o.word("noHooks", "true")
	}
	if len(s.Annotations) > 0 {
		o.texts("annotations", s.Annotations)
	}
	o.list("paths", s.Paths)
	if len(s.Rdt) > 0 {
		o.list("rdt", s.Rdt)
	}
	if s.Cgroup != nil {
		o.group("cgroup", s.Cgroup)
	}
	return append(o.out, '}')
}

// object is a JSON object of which members are appended.
type object struct{ out []byte }

func (o *object) member(name string) {
	if o.out[len(o.out)-1] != '{' {
		o.out = append(o.out, ',')
	}
	o.out = append(append(append(o.out, '"'), name...), '"', ':')
}

func (o *object) text(name, value string) {
	o.member(name)
	o.out = leanjson.AppendString(o.out, value)
}

func (o *object) number(name string, value uint64) {
	o.member(name)
	o.out = strconv.AppendUint(o.out, value, 10)
}

func (o *object) word(name, value string) {
	o.member(name)
	o.out = append(o.out, value...)
}

func (o *object) list(name string, values []string) {
	if values == nil {
		o.word(name, "null")
		return
	}
	o.word(name, "[")
	for i, v := range values {
		if i > 0 {
			o.out = append(o.out, ',')
		}
		o.out = leanjson.AppendString(o.out, v)
	}
	o.out = append(o.out, ']')
}

func (o *object) texts(name string, values map[string]string) {
	o.word(name, "{")
	for _, k := range slices.Sorted(maps.Keys(values)) {
		if o.out[len(o.out)-1] != '{' {
			o.out = append(o.out, ',')
		}
		o.out = leanjson.AppendString(append(leanjson.AppendString(o.out, k), ':'), values[k])
	}
	o.out = append(o.out, '}')
}

func (o *object) group(name string, g *cgroup.Group) {
	o.word(name, "{")
	o.text("manager", string(g.Manager))
	for _, v := range [...][2]string{{"unit", g.Unit}, {"bus", g.Bus}, {"unified", g.Unified}} {
		if v[1] != "" {
			o.text(v[0], v[1])
		}
	}
	if len(g.Legacy) > 0 {
		o.texts("legacy", g.Legacy)
	}
	o.out = append(o.out, '}')
}
