package runtime_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ocibox/core/bundletest"
)

// What a command on one container does with files does not depend on how many
// others there are.
func TestOthersCostNothing(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not there")
	}
	b := running(t, bundletest.Root(t), nil)
	trace := b.Beside("trace")
	// count is how often each of these calls was made by the command, which does
	// everything on its main thread.
	count := func(args ...string) map[string]int {
		t.Helper()
		c := b.Command(args...)
		c.Args = append([]string{strace, "-qq", "-o", trace,
			"-e", "trace=openat,getdents64,newfstatat,statx,readlinkat,unlinkat,connect,pidfd_open,pidfd_send_signal", c.Path}, c.Args[1:]...)
		c.Path = strace
		if r := c.Run(); r.Status != 0 {
			t.Fatalf("%+v", r)
		}
		data, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		calls := map[string]int{}
		for line := range strings.Lines(string(data)) {
			if name, _, ok := strings.Cut(line, "("); ok {
				calls[name]++
			}
		}
		if calls["openat"] == 0 {
			t.Fatalf("%q: nothing was traced: %s", args, data)
		}
		return calls
	}
	commands := map[string][][]string{
		"state":  {{"state", b.ID}},
		"kill":   {{"kill", b.ID, "CONT"}},
		"create": {{"create", "--bundle", b.Dir, b.ID + "-2"}, {"delete", "--force", b.ID + "-2"}},
	}
	measure := func() map[string][]map[string]int {
		all := map[string][]map[string]int{}
		for name, list := range commands {
			for _, args := range list {
				all[name] = append(all[name], count(args...))
			}
		}
		return all
	}
	few := measure()
	state := filepath.Join(b.State, b.ID)
	var made []string
	defer func() {
		for _, dir := range made {
			os.RemoveAll(dir)
		}
	}()
	for n := range 200 {
		dir := fmt.Sprintf("%s-copy-%d", state, n)
		made = append(made, dir)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"state.json", "config.json"} {
			data, err := os.ReadFile(filepath.Join(state, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(string(data), b.ID, filepath.Base(dir))), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, lists := range measure() {
		for i, calls := range lists {
			if !maps.Equal(calls, few[name][i]) {
				t.Errorf("%s: %v with few containers, %v with many", commands[name][i], few[name][i], calls)
			}
		}
	}
	if many := b.Must("list", "-q"); strings.Count(many, "\n") != 201 {
		t.Errorf("there are not that many: %d", strings.Count(many, "\n"))
	}
}
