package seccomp

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// sample compares a filter with the naive evaluator where the profile has
// something to say, and around.
func sample(t *testing.T, s *specs.LinuxSeccomp, m testMachine) {
	t.Helper()
	f, err := compileFor(s, m.name)
	if err != nil {
		return
	}
	if err := check(f.Program); err != nil {
		t.Fatalf("the kernel would refuse it: %v", err)
	}
	n := newNaive(s, m)
	for _, col := range n.cols {
		nrs := []uint32{0, n.newest[col], n.newest[col] + 1, 0xf0005, 1 << 30, ^uint32(0)}
		for name := range n.rules {
			if at, ok := row(name, 0); ok && table[at].nr[col] >= 0 {
				nrs = append(nrs, uint32(table[at].nr[col]))
			}
		}
		for _, nr := range nrs {
			// Not all of a large grid, so that a run stays short.
			grid := n.grid(col, nr)
			for i := 0; i < len(grid); i += 1 + len(grid)/48 {
				d := &data{nr | abis[col].base, abis[col].audit, grid[i]}
				if got, _ := run(f.Program, d); got != n.decide(d) {
					t.Fatalf("%s: %s %#x(%#x): %v, want %v", m.name, abis[col].arch, nr, grid[i], got, n.decide(d))
				}
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range fixtures(f) {
		text, err := json.Marshal(fixture(f, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ALLOW","flags":[],"listenerPath":"/a","syscalls":[{"names":["mount"],"action":"SCMP_ACT_NOTIFY","args":[{"index":5,"op":"SCMP_CMP_MASKED_EQ","value":0,"valueTwo":1}]}]}`))
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":99999,"syscalls":[{"names":[""],"args":[{"index":4294967295}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s specs.LinuxSeccomp
		if json.Unmarshal(text, &s) == nil {
			sample(t, &s, machines[len(text)%len(machines)])
		}
	})
}

// choices is a source of random numbers: the words of b, and after the last
// one words that differ, as a loop that draws again needs them.
type choices struct {
	b     []byte
	after uint64
}

func (c *choices) Uint64() uint64 {
	if len(c.b) < 8 {
		c.after += 0x9e3779b97f4a7c15
		return c.after
	}
	word := binary.LittleEndian.Uint64(c.b)
	c.b = c.b[8:]
	return word
}

func FuzzCompile(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 6 {
		var b []byte
		for range 80 {
			b = binary.LittleEndian.AppendUint64(b, r.Uint64())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		sample(t, randomProfile(rand.New(&choices{b: b})), machines[len(b)/8%len(machines)])
	})
}
