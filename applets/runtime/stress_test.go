package runtime_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

// stressEnv is for how long TestStress goes on, as a time such as 60s.
const stressEnv = "OCIBOX_STRESS"

// expected are what the commands may say of a container that others change at
// the same time.
var expected = []string{
	"exists already", "container does not exist", "container not running", "is not created", ", not created", "container not paused",
	"container not running or created", "cannot exec in a paused container", " is running", " is paused", " is created", " is stopped", " is creating",
	"was never finished", "cannot delete", "ended before it executed anything",
}

// 50 containers at once, of which eight workers create, start, execute in,
// update, pause, resume, kill and delete any, without a word to each other: no
// error is one that this does not explain, and at the end nothing is left.
func TestStress(t *testing.T) {
	u := bundletest.Root(t)
	duration := 5 * time.Second
	if text := os.Getenv(stressEnv); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	b := bundletest.New(t, u)
	update := []string{"update", "--cpuset-cpus", "0"}
	if hasController("pids") {
		update = []string{"update", "--pids-limit", "200"}
	}
	b.Write(func(s *specs.Spec) { s.Process.Args = b.Args("sleep") })
	const containers, workers = 50, 8
	ids := make([]string, containers)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%d", b.ID, i)
	}
	ops := [][]string{
		{"create", "--bundle", b.Dir}, {"create", "--bundle", b.Dir}, {"start"}, {"start"}, {"exec", "ID", "/init", "@" + b.Dir, "exit", "0"},
		update, {"pause"}, {"resume"}, {"resume"}, {"kill", "ID", "KILL"}, {"kill", "--all", "ID", "TERM"}, {"delete"}, {"delete", "--force"}, {"state"}, {"ps"}, {"events", "--stats"},
	}
	var wg sync.WaitGroup
	counts := make([]map[string]int, workers)
	for w := range workers {
		counts[w] = map[string]int{}
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for end := time.Now().Add(duration); time.Now().Before(end) && !t.Failed(); {
				op, id := ops[r.IntN(len(ops))], ids[r.IntN(containers)]
				args := append(slices.Clone(op), id)
				if i := slices.Index(op, "ID"); i >= 0 {
					args = slices.Clone(op)
					args[i] = id
				}
				result := b.Runtime(args...)
				// What was executed may be killed by another, and exec has its status.
				killed := op[0] == "exec" && (result.Status == 128+int(unix.SIGKILL) || result.Status == 128+int(unix.SIGTERM)) && result.Err == ""
				if result.Status == 0 || killed {
					counts[w][op[0]]++
				} else if !slices.ContainsFunc(expected, func(s string) bool { return strings.Contains(result.Err, s) }) {
					t.Errorf("%q: exit status %d: %s%s", args, result.Status, result.Out, result.Err)
				}
			}
		})
	}
	wg.Wait()
	total := map[string]int{}
	for _, c := range counts {
		for op, n := range c {
			total[op] += n
		}
	}
	t.Logf("in %v: %v", duration, total)
	for _, id := range ids {
		b.Must("delete", "--force", id)
	}
	nothingLeft(t, b)
	for _, op := range ops {
		if total[op[0]] == 0 && duration >= 30*time.Second {
			t.Errorf("%s never succeeded", op[0])
		}
	}
}
