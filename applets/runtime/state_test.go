package runtime_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/bundletest"
)

func editState(t *testing.T, b *bundletest.Bundle, edit func(map[string]any)) {
	t.Helper()
	path := filepath.Join(b.State, b.ID, "state.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	state := map[string]any{}
	if err := json.Unmarshal(data, &state); err != nil {
		t.Fatal(err)
	}
	edit(state)
	if data, err = json.Marshal(state); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// another makes the state that of a container whose init's pid is another process's now.
func another(state map[string]any) {
	for _, name := range []string{"startTime", "inode"} {
		if n, ok := state[name].(float64); ok {
			state[name] = n - 1
			return
		}
	}
	panic("the state does not tell processes apart")
}

// userName is what list shows as the owner.
func userName(u bundletest.User) string {
	passwd, _ := os.ReadFile("/etc/passwd")
	for line := range strings.Lines(string(passwd)) {
		if f := strings.Split(line, ":"); len(f) > 2 && f[2] == strconv.Itoa(int(u.UID)) {
			return f[0]
		}
	}
	return "#" + strconv.Itoa(int(u.UID))
}

func TestState(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Version = "1.0.2-dev"
			s.Annotations = map[string]string{"org.example": "ä"}
			s.Process.Args = b.Args("sleep")
		})
		before := time.Now()
		// A bundle that was given by a relative path is kept by its absolute one.
		b.Must("create", "--bundle", "bundle", b.ID)
		var got map[string]any
		if err := json.Unmarshal([]byte(b.Must("state", b.ID)), &got); err != nil {
			t.Fatal(err)
		}
		created, err := time.Parse(time.RFC3339Nano, got["created"].(string))
		if err != nil || created.Before(before) || created.After(time.Now()) {
			t.Errorf("created %v, %v; want between %v and now", got["created"], err, before)
		}
		delete(got, "created")
		pid := int(got["pid"].(float64))
		if !slices.Equal(b.Processes(), []int{pid}) {
			t.Errorf("pid %d, processes %v", pid, b.Processes())
		}
		delete(got, "pid")
		want := map[string]any{
			"ociVersion": "1.0.2-dev", "id": b.ID, "status": "created", "bundle": b.Dir, "rootfs": b.Path(),
			"annotations": map[string]any{"org.example": "ä"}, "owner": userName(u),
		}
		gotText, _ := json.Marshal(got)
		wantText, _ := json.Marshal(want)
		if string(gotText) != string(wantText) {
			t.Errorf("state\n%s, want\n%s", gotText, wantText)
		}
	})
}

func TestList(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		const header = `ID +PID +STATUS +BUNDLE +CREATED +OWNER\n`
		if got := b.Must("list"); !regexp.MustCompile("^" + header + "$").MatchString(got) {
			t.Errorf("list of nothing: %q", got)
		}
		if got := b.Must("list", "-q"); got != "" {
			t.Errorf("list -q of nothing: %q", got)
		}
		if got := strings.TrimSpace(b.Must("list", "-f", "json")); got != "[]" {
			t.Errorf("list -f json of nothing: %q", got)
		}
		for _, id := range []string{"z-first", "a-second"} {
			b.Must("create", "--bundle", b.Dir, id)
		}
		b.Must("start", "a-second")
		b.ID = "a-second"
		second := b.Query().Pid
		b.ID = "z-first"
		b.Must("kill", b.ID, "9")
		b.Wait(specs.StateStopped)
		mkfile(t, filepath.Join(b.State, "no-container"), "")

		line := func(id string, pid int, status string) string {
			return regexp.QuoteMeta(id) + " +" + strconv.Itoa(pid) + " +" + status + " +" + regexp.QuoteMeta(b.Dir) +
				` +20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z +` + regexp.QuoteMeta(userName(u)) + "\n"
		}
		// In the order in which they were made.
		want := "^" + header + line("z-first", 0, "stopped") + line("a-second", second, "running") + "$"
		if got := b.Must("list"); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("list:\n%swant:\n%s", got, want)
		}
		if got := b.Must("list", "--quiet"); got != "z-first\na-second\n" {
			t.Errorf("list --quiet: %q", got)
		}
		var states []specs.State
		if err := json.Unmarshal([]byte(b.Must("list", "--format", "json")), &states); err != nil {
			t.Fatal(err)
		}
		if len(states) != 2 || states[0].ID != "z-first" || states[0].Status != specs.StateStopped || states[1].Pid != second || states[1].Bundle != b.Dir {
			t.Errorf("list --format json: %+v", states)
		}
	})
}

// One container whose state cannot be read does not hide the others.
func TestListBroken(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		b.Create()
		broken := filepath.Join(b.State, "broken")
		if err := os.Mkdir(broken, 0o755); err != nil {
			t.Fatal(err)
		}
		mkfile(t, filepath.Join(broken, "state.json"), "{")
		t.Cleanup(func() { os.RemoveAll(broken) })
		r := b.Runtime("list", "-q")
		if r.Status != 1 || r.Out != b.ID+"\n" || !strings.Contains(r.Err, "broken/state.json") {
			t.Errorf("%+v", r)
		}
	})
}

// The file that --log names gets the error too, where engines look for it.
func TestLog(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Process.Args = []string{"/proc"}
			s.Process.Capabilities.Bounding = []string{"CAP_FUN"}
		})
		path := b.Beside("log")
		r := b.Runtime("--log", path, "--log-format", "json", "run", "--bundle", b.Dir, b.ID)
		if r.Status != 1 || !strings.Contains(r.Err, "/proc") {
			t.Errorf("%+v", r)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var levels []string
		for line := range strings.Lines(string(data)) {
			var entry struct{ Level, Msg, Time string }
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if _, err := time.Parse(time.RFC3339, entry.Time); err != nil {
				t.Error(err)
			}
			levels = append(levels, entry.Level)
			want := map[string]string{"warning": "CAP_FUN", "error": "runtime run: process.args[0]: execve(/proc): permission denied"}[entry.Level]
			if want == "" || !strings.Contains(entry.Msg, want) {
				t.Errorf("line %q, want %q in it", line, want)
			}
		}
		if !slices.Contains(levels, "warning") || levels[len(levels)-1] != "error" {
			t.Errorf("levels %q, want a warning, and an error at the end", levels)
		}

		// The text form, behind what is there.
		b.Fails(nil, "--log", path, "--log-format", "text", "state", "unknown")
		after, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text, ok := strings.CutPrefix(string(after), string(data))
		if !ok || !regexp.MustCompile(`^time="\S+" level=error msg="runtime state: unknown: container does not exist.*"\n$`).MatchString(text) {
			t.Errorf("text log %q", text)
		}
	})
}
