// Package binary builds the static binary: the same bytes for the same sources
// and the same Go, whatever machine, directory and environment it is built in.
package binary

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Architectures are the values of GOARCH that there are binaries for.
var Architectures = []string{"amd64", "arm64", "riscv64", "arm", "386", "s390x", "ppc64le"}

// Emulator is the program of Debian's qemu-user-static that runs a binary for arch.
func Emulator(arch string) string {
	names := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "386": "i386"} // else as Go's
	return "qemu-" + cmp.Or(names[arch], arch) + "-static"
}

// baselines are what each is built for where the environment could say
// otherwise: what Debian 12 runs on, and Go's own default.
var baselines = []string{"GOAMD64=v1", "GOARM64=v8.0", "GORISCV64=rva20u64", "GOARM=7", "GO386=sse2", "GOPPC64=power8", "GOFLAGS="}

// Flags are those of go build that make the binary what it is.
var Flags = []string{"-buildvcs=false", "-trimpath", "-ldflags", "-s -w -E ocibox/core/early.entry"}

// Experiment is the value of GOEXPERIMENT: the garbage collector before that of Go 1.26,
// which touches two pages of memory where that touches one, as long as Go has it. What runs
// here ends before there is garbage.
var Experiment = sync.OnceValue(func() string {
	const before = "nogreenteagc"
	cmd := exec.Command("go", "env", "GOOS")
	cmd.Env = append(os.Environ(), "GOEXPERIMENT="+before)
	if cmd.Run() != nil {
		return ""
	}
	return before
})

// Build builds it for arch out of the module that the working directory is in.
func Build(arch, out string) error {
	if !slices.Contains(Architectures, arch) {
		return fmt.Errorf("%s is none of %s", arch, strings.Join(Architectures, ", "))
	}
	top, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	cmd := exec.Command("go", slices.Concat([]string{"build"}, Flags, []string{"-o", out, "."})...)
	cmd.Dir = strings.TrimSpace(string(top))
	cmd.Env = append(append(os.Environ(), baselines...), "GOEXPERIMENT="+Experiment(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build for %s: %w", arch, err)
	}
	return nil
}
