//go:build amd64 || arm64 || riscv64

package applets

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the runtime does to make a container of a plain user can be read in a
// trace of it: the namespaces, the user's mapping, the root, the program.
func TestTraceOfTheRuntime(t *testing.T) {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("needs busybox: ", err)
	}
	data, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "rootfs/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rootfs/bin/busybox"), data, 0o755); err != nil {
		t.Fatal(err)
	}
	ocibox := func(args ...string) (string, error) {
		cmd := exec.Command(exe, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), asOcibox+"=1")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := ocibox("runtime", "spec", "--rootless"); err != nil {
		t.Fatal(err, out)
	}
	config := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	var spec map[string]any
	if err := json.Unmarshal(text, &spec); err != nil {
		t.Fatal(err)
	}
	process := spec["process"].(map[string]any)
	process["terminal"], process["args"] = false, []string{"/bin/busybox", "true"}
	if text, err = json.Marshal(spec); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, text, 0o644); err != nil {
		t.Fatal(err)
	}
	run := []string{exe, "runtime", "--root", filepath.Join(dir, "state"), "run", "traced"}
	if out, err := ocibox(run[1:]...); err != nil {
		t.Skipf("this machine lets no plain user's container run: %v, %s", err, out)
	}
	file := filepath.Join(dir, "trace")
	options := []string{"strace-lite", "-f", "-y", "-e", "trace=%container", "-o", file, "-E", asOcibox + "=1"}
	if out, err := ocibox(append(options, run...)...); err != nil {
		t.Fatal(err, out)
	}
	if text, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	trace := whole(string(text))
	for _, want := range []string{
		`clone3\(\{flags=[A-Z_|]*CLONE_NEWUSER[A-Z_|]*, .*exit_signal=SIGCHLD, .*\}, \d+`,
		`write\(\d+</proc/\d+/uid_map>, "0 \d+ 1`,
		`fsopen\("proc", FSOPEN_CLOEXEC\) += \d+`,
		`mount_setattr\(\d+<.*>, "", AT_EMPTY_PATH[A-Z_|]*, \{attr_set=MOUNT_ATTR_`,
		`move_mount\(\d+.*, "", \d+.*, "", MOVE_MOUNT_F_EMPTY_PATH\|MOVE_MOUNT_T_EMPTY_PATH\) += 0`,
		`pivot_root\(".", "."\) += 0`,
		`capset\(\{version=_LINUX_CAPABILITY_VERSION_3, pid=0\}, \{effective=`,
		`execve\("/bin/busybox", \["/bin/busybox", "true"\], 0x[0-9a-f]+ /\* \d+ vars \*/\) += 0`,
	} {
		// The child lets nobody but root look into its memory from when it could
		// be seen from inside: there its calls have pointers.
		if name, _, _ := strings.Cut(want, `\(`); os.Geteuid() != 0 && !strings.HasPrefix(want, "clone3") && !strings.HasPrefix(want, "write") {
			want = name + `\(.*`
		}
		if !regexp.MustCompile(want).MatchString(trace) {
			t.Errorf("no %s in\n%s", want, trace)
		}
	}
	if i, j := strings.Index(trace, "/uid_map>"), strings.Index(trace, "pivot_root("); i > j {
		t.Error("the mapping comes after the root")
	}
	if strings.Contains(trace, "mmap(") || strings.Contains(trace, "futex(") {
		t.Error("there are calls of other classes")
	}
}

// whole puts together the calls that lines of other processes have come between.
func whole(trace string) string {
	const cut = " <unfinished ...>"
	resumed := regexp.MustCompile(`^(\d+) +<\.\.\. \w+ resumed>(.*)$`)
	var lines []string
	begun := map[string]int{} // by pid, where its call is
	for line := range strings.Lines(trace) {
		line = strings.TrimSuffix(line, "\n")
		pid, _, _ := strings.Cut(line, " ")
		at, ok := begun[pid]
		switch m := resumed.FindStringSubmatch(line); {
		case m != nil && ok:
			lines[at] += m[2]
			delete(begun, pid)
			continue
		case strings.HasSuffix(line, cut):
			line = strings.TrimSuffix(line, cut)
			begun[pid] = len(lines)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
