package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ocibox/build/binary"
)

// modules are all that the binary is made of besides the standard library,
// and why each is there. Another one is a decision: see what it adds to the
// size below and to the start of an applet that does not use it.
var modules = map[string]string{
	"golang.org/x/sys":                       "system calls and their constants",
	"github.com/opencontainers/runtime-spec": "the only model of config.json, state and features",
	"github.com/containerd/console":          "raw mode and size of the caller's terminal",
	"github.com/moby/sys/user":               "/etc/passwd and /etc/subuid",
}

// heavy are packages that must not come in, and what for they would.
var heavy = map[string]string{
	"regexp":        "a quarter of a megabyte; core/ere matches ids",
	"debug/elf":     "it brings DWARF and three decompressors; core/elf has its numbers",
	"net":           "with what it brings, 25 allocations at the start of every applet, and 70 KB; core/rtnl speaks netlink",
	"net/netip":     "a fiftieth of the start of every applet, for package unique's tables; core/inet has addresses",
	"net/http":      "nothing here speaks HTTP, and it brings crypto",
	"crypto/tls":    "nothing here speaks TLS",
	"html/template": "as text/template",
	"text/template": "it keeps every method of the program alive",
	"os/user":       "with cgo it would link libc; core reads /etc/passwd itself",
	"runtime/cgo":   "the binary is static",
	"encoding/gob":  "JSON is the format of everything that is kept",

	"github.com/spf13/cobra":     "reflection and templates for each command at every start; applets/cli is enough",
	"github.com/spf13/pflag":     "it is no getopt, and brings package net; applets/cli is one",
	"github.com/urfave/cli":      "reflection and templates for each command at every start; applets/cli is enough",
	"github.com/urfave/cli/v2":   "as github.com/urfave/cli",
	"github.com/urfave/cli/v3":   "as github.com/urfave/cli",
	"github.com/alecthomas/kong": "it reads command lines by reflection",
}

// maxSize bounds the stripped amd64 binary, in bytes.
const maxSize = 6_000_000

func goTool(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "GOEXPERIMENT="+binary.Experiment(), "CGO_ENABLED=0", "GOARCH=amd64", "GOOS=linux")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

func TestDependencies(t *testing.T) {
	used := map[string]bool{}
	for line := range strings.Lines(goTool(t, "list", "-deps", "-f", "{{.ImportPath}} {{with .Module}}{{.Path}}{{end}}", ".")) {
		f := strings.Fields(line)
		if why, ok := heavy[f[0]]; ok {
			t.Errorf("%s is linked in: %s", f[0], why)
		}
		if len(f) < 2 || f[1] == "ocibox" {
			continue
		}
		used[f[1]] = true
		if modules[f[1]] == "" {
			t.Errorf("%s comes from %s, which has no reason in deps_test.go", f[0], f[1])
		}
	}
	for m := range modules {
		if !used[m] {
			t.Errorf("%s is listed and not used", m)
		}
	}
}

func TestSize(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "ocibox")
	goTool(t, slices.Concat([]string{"build"}, binary.Flags, []string{"-o", bin, "."})...)
	st, err := os.Stat(bin)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", st.Size())
	if st.Size() > maxSize {
		t.Errorf("%d bytes, more than %d", st.Size(), maxSize)
	}
}
