//go:build amd64 || arm64 || riscv64

package strace

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ocibox/core/decode"
)

// runcBundle makes a bundle whose container runs busybox true.
func runcBundle(t *testing.T, runc string) string {
	t.Helper()
	dir := t.TempDir()
	data, err := os.ReadFile(need(t, "busybox"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "rootfs/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rootfs/bin/busybox"), data, 0o755); err != nil {
		t.Fatal(err)
	}
	spec := exec.Command(runc, "spec")
	spec.Dir = dir
	if out, err := spec.CombinedOutput(); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	file := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	process := config["process"].(map[string]any)
	process["terminal"], process["args"] = false, []string{"/bin/busybox", "true"}
	if text, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// initCalls are the calls of the process that executed the container's
// program, from the file of -f -o: those by which containers are made. A Go
// runtime's threads come and go as they like.
func initCalls(t *testing.T, text string) []string {
	t.Helper()
	for _, lines := range perProcess(text) {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, `execve("/bin/busybox"`) }) {
			continue
		}
		kept := slices.DeleteFunc(lines, func(l string) bool {
			name, _, _ := strings.Cut(l, "(")
			return name == "clone" || name == "clone3" || name == "openat2" || !slices.Contains(decode.Class(decode.Container), name)
		})
		return kept
	}
	t.Fatalf("no process executed the program:\n%s", text)
	return nil
}

// runs traces a container's run with each tracer.
func runs(t *testing.T, program string, options ...string) (ours, theirs traced) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a container of another runtime")
	}
	strace, path := need(t, "strace"), need(t, program)
	bundle := runcBundle(t, need(t, "runc"))
	root := t.TempDir()
	args := append(append([]string{"-f"}, options...), path, "--root", root, "run", "--bundle", bundle)
	id := func(n string) []string {
		return append(slices.Clone(args), "ocibox-strace-"+n+"-"+strconv.Itoa(os.Getpid()))
	}
	ours, theirs = trace(t, self(t), "", id("a")...), trace(t, strace, "", id("a")...)
	if !theirs.state.Success() {
		t.Skipf("%s does not run here: %s", program, theirs.errs)
	}
	if !ours.state.Success() {
		t.Fatalf("%v, %s", ours.state, ours.errs)
	}
	return ours, theirs
}

// Debian's runc: the container's init makes the same calls in the same order.
func TestRuncAsStrace(t *testing.T) {
	ours, theirs := runs(t, "runc")
	same(t, "init", initCalls(t, ours.trace), initCalls(t, theirs.trace))
}

func TestCrunAsStrace(t *testing.T) {
	ours, theirs := runs(t, "crun")
	same(t, "init", initCalls(t, ours.trace), initCalls(t, theirs.trace))
}

// A 32-bit program's calls have the names of its own numbers.
func TestCompat(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("amd64 runs 386")
	}
	strace := need(t, "strace")
	program := filepath.Join(t.TempDir(), "compat")
	build := exec.Command("go", "build", "-o", program, "./testdata/compat")
	build.Env = append(os.Environ(), "GOARCH=386", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	if err := exec.Command(program).Run(); err != nil {
		t.Skip("this machine does not run 32-bit programs: ", err)
	}
	names := func(r traced) (all []string) {
		if !r.state.Success() {
			t.Fatalf("%v, %s", r.state, r.errs)
		}
		lines := plain(r.trace)
		at := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, `"/begin"`) })
		to := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, `"/end"`) })
		if at < 0 || to < 0 {
			t.Fatal(r.trace)
		}
		for _, l := range lines[at:to] {
			// The rest is the Go runtime's.
			if name, _, _ := strings.Cut(l, "("); !strings.HasPrefix(name, "futex") && !strings.HasPrefix(name, "---") && name != "rt_sigreturn" {
				all = append(all, name)
			}
		}
		return all
	}
	ours, theirs := trace(t, self(t), "", program), trace(t, strace, "", program)
	same(t, "calls", names(ours), names(theirs))
	r := run1(t, command(t, self(t), "", program))
	if !regexp.MustCompile(`(?m)^\[ Process PID=\d+ runs in 32 bit mode\. \]$`).MatchString(r.errs) {
		t.Errorf("nothing says that it is a 32-bit program:\n%.2000s", r.errs)
	}
}

// A tracer that is killed takes the program that it started with it.
func TestKilledTracer(t *testing.T) {
	var errs bytes.Buffer
	cmd := command(t, self(t), "", "-o", filepath.Join(t.TempDir(), "trace"), need(t, "busybox"), "sleep", "1000")
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var child int
	until(t, "the program runs", func() bool {
		child = childOf(cmd.Process.Pid)
		return child != 0
	})
	time.Sleep(50 * time.Millisecond)
	cmd.Process.Kill()
	cmd.Wait()
	until(t, "the program ends", func() bool {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(child) + "/stat")
		return err != nil || strings.Contains(string(text), ") Z ")
	})
}
