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
		b.File("/bin/sh", "", 0o755)
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
		if out := b.Must("--version"); !strings.HasPrefix(out, "ocibox version ") || !strings.Contains(out, "spec: "+specs.Version) {
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

// The edits of spec are what the container then is.
func TestSpecEdits(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		args := []string{"spec", "--writable", "--no-terminal", "--namespace", "network", "--namespace", "uts=/proc/self/ns/uts",
			"--cap", "CAP_NET_ADMIN", "--cap=cap_kill", "--env", "A=b c", "--file", b.Beside("edited.json")}
		if !u.IsRoot() {
			args = append(args, "--rootless")
		}
		b.Must(append(append(args, "--"), "sh", "-c", "exit 7")...)
		data, err := os.ReadFile(b.Beside("edited.json"))
		if err != nil {
			t.Fatal(err)
		}
		var s specs.Spec
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatal(err)
		}
		p, caps := s.Process, s.Process.Capabilities
		if s.Root.Readonly || p.Terminal || !slices.Equal(p.Args, []string{"sh", "-c", "exit 7"}) || p.Env[len(p.Env)-1] != "A=b c" {
			t.Errorf("%s", data)
		}
		for _, set := range [][]string{caps.Bounding, caps.Effective, caps.Permitted} {
			if !slices.Equal(set, []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_NET_ADMIN"}) {
				t.Errorf("capabilities %q", set)
			}
		}
		if len(caps.Inheritable)+len(caps.Ambient) > 0 {
			t.Errorf("capabilities %+v", caps)
		}
		paths := map[specs.LinuxNamespaceType]string{}
		for _, n := range s.Linux.Namespaces {
			if _, twice := paths[n.Type]; twice {
				t.Errorf("%s twice", n.Type)
			}
			paths[n.Type] = n.Path
		}
		if path, ok := paths["network"]; !ok || path != "" || paths["uts"] != "/proc/self/ns/uts" {
			t.Errorf("namespaces %v", paths)
		}
	})
}

func TestBadSpec(t *testing.T) {
	bundletest.Each(t, func(t *testing.T, u bundletest.User) {
		b := bundletest.New(t, u)
		path := b.Beside("bad.json")
		for _, c := range []struct {
			args []string
			want []string
		}{
			{[]string{"--namespace", "net"}, []string{`linux.namespaces: "net" is no namespace`, "hint: there are: user cgroup"}},
			{[]string{"--namespace", ""}, []string{`"" is no namespace`}},
			{[]string{"--namespace", "network="}, []string{`"network=" names no file`}},
			{[]string{"--namespace", "network=relative"}, []string{`"relative" is not an absolute path`}},
			{[]string{"--root", "--namespace", "user"}, []string{"linux.uidMappings: is missing"}},
			{[]string{"--cap", "CAP_FUN"}, []string{`process.capabilities: "CAP_FUN" is no capability`, "hint: "}},
			{[]string{"--cap", "NET_ADMIN"}, []string{`"NET_ADMIN" is no capability`}},
			{[]string{"--env", "A"}, []string{`"A" is not of the form NAME=VALUE`}},
			{[]string{"--bundle", b.Dir}, []string{"--file and --bundle exclude each other"}},
			{[]string{"--", ""}, []string{"process.args: is empty"}},
		} {
			b.Fails(c.want, append([]string{"spec", "--file", path}, c.args...)...)
			if _, err := os.Lstat(path); !os.IsNotExist(err) {
				t.Errorf("%q: a file is there: %v", c.args, err)
			}
		}
	})
}

// What features says of its words is not empty.
func TestFeaturesWords(t *testing.T) {
	t.Parallel()
	b := bundletest.New(t, bundletest.Plain(t))
	var f features.Features
	if err := json.Unmarshal([]byte(b.Must("features")), &f); err != nil {
		t.Fatal(err)
	}
	l := f.Linux
	// Whoever says that there is seccomp also says which.
	if *l.Seccomp.Enabled && (len(l.Seccomp.Actions) == 0 || len(l.Seccomp.Archs) == 0 || len(l.Seccomp.Operators) == 0 || len(l.Seccomp.KnownFlags) == 0) {
		t.Errorf("seccomp %+v", l.Seccomp)
	}
	if m := l.MemoryPolicy; m != nil && (!slices.Contains(m.Modes, "MPOL_BIND") || !slices.Contains(m.Flags, "MPOL_F_STATIC_NODES")) {
		t.Errorf("memory policies %+v", m)
	}
	if !slices.Contains(f.PotentiallyUnsafeConfigAnnotations, "run.oci.pidfd_receiver") || f.Annotations["org.ocibox.version"] == "" {
		t.Errorf("annotations %v, %v", f.PotentiallyUnsafeConfigAnnotations, f.Annotations)
	}
}
