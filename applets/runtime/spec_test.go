package runtime_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"ocibox/core/bundletest"
)

// What spec writes makes a container, for who asked for it.
func TestSpec(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		remove(t, configPath(b))
		args := []string{"spec", "--bundle", b.Dir}
		if !u.IsRoot() {
			args = append(args, "--rootless")
		}
		b.Must(args...)
		before, err := os.ReadFile(configPath(b))
		if err != nil {
			t.Fatal(err)
		}
		b.Fails([]string{"config.json", "file exists", "hint: an existing file is not overwritten"}, args...)
		if after, err := os.ReadFile(configPath(b)); err != nil || string(after) != string(before) {
			t.Errorf("it was overwritten: %v", err)
		}
		l, path := listen(t, b) // it asks for a terminal
		b.Create("--console-socket", path)
		receive(t, l)
		if got := b.Query().Status; got != specs.StateCreated {
			t.Errorf("status %s", got)
		}
		b.Must("delete", b.ID)
		b.Fails([]string{"exclude each other"}, "spec", "--rootless", "--root")
	})
}

// explain touches nothing, and names the field of each step.
func TestExplain(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := newBundle(t, u, "sleep")
		out := b.Must("explain", "--bundle", b.Dir)
		for _, want := range []string{"linux.namespaces", "mounts[0] /proc", "hostname", "process.capabilities", "process.args[0]", "linux.maskedPaths[0]", `execve("/init"`} {
			if !strings.Contains(out, want) {
				t.Errorf("explain does not say %s:\n%s", want, out)
			}
		}
		nothingLeft(t, b)
		if entries, err := os.ReadDir(b.Path()); err != nil || len(entries) != 1 {
			t.Errorf("in the root file system: %v, %v", entries, err)
		}
	})
}

func TestFeatures(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		var f features.Features
		if err := json.Unmarshal([]byte(b.Must("features")), &f); err != nil {
			t.Fatal(err)
		}
		if f.OCIVersionMin != "1.0.0" || f.OCIVersionMax == "" || !slices.Contains(f.MountOptions, "tmpcopyup") || len(f.Linux.Namespaces) != 8 || !slices.Contains(f.Linux.Capabilities, "CAP_CHOWN") {
			t.Errorf("%+v", f)
		}
	})
}

func TestHelpAndVersion(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		if out := b.Must("--version"); !strings.HasPrefix(out, "ocibox runtime ") || !strings.Contains(out, "spec: "+specs.Version) {
			t.Errorf("%q", out)
		}
		help := b.Must("--help")
		for _, command := range []string{"create", "delete", "explain", "features", "kill", "list", "run", "spec", "start", "state"} {
			if !strings.Contains(help, "\n  "+command+" ") {
				t.Errorf("help does not list %s", command)
			}
			if out := b.Must(command, "--help"); !strings.HasPrefix(out, "usage: runtime "+command) {
				t.Errorf("%s --help: %q", command, out)
			}
		}
	})
}
