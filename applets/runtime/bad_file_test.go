package runtime_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundletest"
)

func configPath(b *bundletest.Bundle) string { return filepath.Join(b.Dir, "config.json") }

// config replaces config.json.
func config(content string) func(*testing.T, *bundletest.Bundle) {
	return func(t *testing.T, b *bundletest.Bundle) { mkfile(t, configPath(b), content) }
}

// instead puts something else in the place of config.json.
func instead(with func(path string) error) func(*testing.T, *bundletest.Bundle) {
	return func(t *testing.T, b *bundletest.Bundle) {
		if err := os.Remove(configPath(b)); err != nil {
			t.Fatal(err)
		}
		if err := with(configPath(b)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBadConfigFile(t *testing.T) {
	testBad(t, []bad{
		{name: "missing", prep: instead(func(string) error { return nil }), want: []string{"config.json: no such file or directory", "hint: a bundle is a directory"}},
		{name: "empty", prep: config(""), want: []string{"config.json is empty"}},
		{name: "blank", prep: config(" \n\t\n"), want: []string{"config.json is empty"}},
		{name: "truncated", prep: config("{\n  \"ociVersion\": \"1.2.0\",\n  \"proc"), want: []string{"config.json:3:7: unexpected end of JSON"}},
		{name: "not JSON", prep: config("hello"), want: []string{"config.json:1:1: invalid character 'h'"}},
		{name: "comma too many", prep: config("{\n \"ociVersion\": \"1.2.0\",\n}"), want: []string{"config.json:3:1: invalid character '}'"}},
		{name: "something behind", prep: config("{\"ociVersion\": \"1.2.0\"}\n{}"), want: []string{"config.json:2:1: invalid character '{'"}},
		{name: "an array", prep: config("[]"), want: []string{"config.json:1:1: array given"}},
		{name: "a number for an object", prep: config("{\n \"ociVersion\": \"1.2.0\",\n \"process\": 5}"), want: []string{"process", "config.json:3:13: number given where an object is needed"}},
		{name: "a string for an array", prep: config("{\"process\":\n {\"args\": \"sh\"}}"), want: []string{"process.args", "config.json:2:14: string given where an array is needed"}},
		{name: "a negative uid", prep: config("{\"process\": {\"user\": {\"uid\": -1}}}"), want: []string{"process.user.uid", "config.json:1:31: number -1 given where uint32 is needed"}},
		{name: "too large a uid", prep: config("{\"process\": {\"user\": {\"uid\": 4294967296}}}"), want: []string{"process.user.uid", "config.json:1:", "number 4294967296"}},
		{name: "null", prep: config("null"), want: []string{"ociVersion: is missing"}},
		{name: "a directory", prep: instead(func(path string) error { return os.Mkdir(path, 0o755) }), want: []string{"config.json is not a regular file"}},
		{name: "a fifo", prep: instead(func(path string) error { return unix.Mkfifo(path, 0o666) }), want: []string{"config.json is not a regular file"}},
		{name: "a device", prep: instead(func(path string) error { return os.Symlink("/dev/zero", path) }), want: []string{"config.json is not a regular file"}},
		{name: "a symlink to itself", prep: instead(func(path string) error { return os.Symlink("config.json", path) }), want: []string{"config.json: too many levels of symbolic links"}},
		{name: "100 MB", prep: instead(func(path string) error {
			f, err := os.Create(path)
			if err == nil {
				err = f.Truncate(100 << 20)
				f.Close()
			}
			return err
		}), want: []string{"config.json has 104857600 bytes, more than 16777216"}},
		{name: "unreadable", prep: func(t *testing.T, b *bundletest.Bundle) {
			if err := os.Chmod(configPath(b), 0); err != nil {
				t.Fatal(err)
			}
		}, want: []string{"config.json: permission denied"}, who: onlyPlain},
	})
}

// What a later version of the specification adds is no error.
func TestUnknownFieldsAreIgnored(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		b.Write(func(s *specs.Spec) {
			s.Version = "1.99.0-rc.1"
			s.Process.Args = b.Args("echo", "it", "runs")
		})
		data, err := os.ReadFile(configPath(b))
		if err != nil {
			t.Fatal(err)
		}
		mkfile(t, configPath(b), strings.Replace(string(data), `"process":{`, `"future":[1],"process":{"future":{"a":null},`, 1))
		if got := b.Foreground(); got != "it runs\n" {
			t.Errorf("the container wrote %q", got)
		}
	})
}

func TestBadCommandLine(t *testing.T) {
	type row struct {
		name string
		args []string
		want []string
	}
	long := strings.Repeat("/0123456789abcde", 300)
	for _, r := range []row{
		{"no command", nil, []string{"no command given"}},
		{"unknown command", []string{"creat"}, []string{"creat: no such command"}},
		{"unknown option", []string{"create", "--nosuch", "ID"}, []string{"nosuch", "hint: runtime create --help"}},
		{"no id", []string{"create", "--bundle", "BUNDLE"}, []string{"0 operands given, 1 needed"}},
		{"two ids", []string{"create", "--bundle", "BUNDLE", "ID", "other"}, []string{`unexpected operand "other"`}},
		{"bundle missing", []string{"create", "--bundle", "BUNDLE/none", "ID"}, []string{"BUNDLE/none/config.json: no such file or directory"}},
		{"bundle a file", []string{"create", "--bundle", "BUNDLE/config.json", "ID"}, []string{"BUNDLE/config.json/config.json: not a directory"}},
		{"bundle too long", []string{"create", "--bundle", long, "ID"}, []string{"file name too long"}},
		{"state folder a file", []string{"--root", "BUNDLE/config.json", "create", "--bundle", "BUNDLE", "ID"}, []string{"BUNDLE/config.json"}},
		{"log nowhere", []string{"--log", "BUNDLE/none/log", "create", "--bundle", "BUNDLE", "ID"}, []string{"open the log", "BUNDLE/none/log: no such file or directory"}},
		{"log format", []string{"--log-format", "xml", "list"}, []string{"--log-format xml"}},
		{"rootless", []string{"--root=", "--rootless", "maybe", "list"}, []string{"--rootless maybe"}},
		{"list format", []string{"list", "--format", "xml"}, []string{"--format xml: is not table or json"}},
		{"pid file nowhere", []string{"create", "--bundle", "BUNDLE", "--pid-file", "BUNDLE/none/pid", "ID"}, []string{"BUNDLE/none/pid", "no such file or directory"}},
		{"pid file a directory", []string{"create", "--bundle", "BUNDLE", "--pid-file", "BUNDLE/rootfs", "ID"}, []string{"BUNDLE/rootfs"}},
		{"pid file too long", []string{"create", "--bundle", "BUNDLE", "--pid-file", long, "ID"}, []string{"file name too long"}},
		{"signal", []string{"kill", "ID", "SIGNONE"}, []string{"SIGNONE is no signal"}},
		{"signal -1", []string{"kill", "ID", "--", "-1"}, []string{"signal -1 is not in 0…64"}},
		{"signal 65", []string{"kill", "ID", "65"}, []string{"signal 65 is not in 0…64"}},
	} {
		t.Run(r.name, func(t *testing.T) {
			bundletest.Each(t, func(t *testing.T, u bundletest.User) {
				b := bundletest.New(t, u)
				fill := strings.NewReplacer("BUNDLE", b.Dir, "ID", b.ID)
				fillAll := func(words []string) (out []string) {
					for _, w := range words {
						out = append(out, fill.Replace(w))
					}
					return out
				}
				b.Fails(fillAll(r.want), fillAll(r.args)...)
				if left := b.Left(); len(left) > 0 {
					t.Errorf("left behind: %q", left)
				}
			})
		})
	}
}

func TestBadID(t *testing.T) {
	var rows []bad
	for _, r := range []struct{ name, id, want string }{
		{"empty", "", "the container id is empty"},
		{"slash", "a/b", `'/'`},
		{"absolute", "/tmp/x", `'/'`},
		{"parent", "..", `".." is not a name`},
		{"itself", ".", `"." is not a name`},
		{"out of the folder", "../x", `'/'`},
		{"1025 bytes", strings.Repeat("i", 1025), "the container id has 1025 bytes, more than 255"},
		{"256 bytes", strings.Repeat("i", 256), "the container id has 256 bytes, more than 255"},
		{"blank", "a b", `' '`},
		{"line break", "a\nb", `'\n'`},
		{"not ASCII", "naïve", "has a"},
	} {
		rows = append(rows, bad{name: r.name, prep: func(_ *testing.T, b *bundletest.Bundle) { b.ID = r.id }, want: []string{r.want}})
	}
	testBad(t, rows)
}

// The longest id works all the way, and one that looks like an option does
// behind "--".
func TestOddID(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		for _, id := range []string{strings.Repeat("i", 255), "-rf", "...", "_+-.Az09"} {
			b := bundletest.New(t, u)
			b.Must("create", "--bundle", b.Dir, "--", id)
			b.Must("start", "--", id)
			b.Must("delete", "--force", "--", id)
			if left := b.Left(); len(left) > 0 {
				t.Errorf("%s: left behind: %q", id, left)
			}
		}
	})
}
