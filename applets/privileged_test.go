package applets

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A copy of the binary that is set-user-ID root does nothing for who is not.
func TestSetUserID(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to own the file")
	}
	dir, err := os.MkdirTemp("", "ocibox-test-") // that others can reach
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil || fs.Flags&unix.ST_NOSUID != 0 {
		t.Skip("set-user-ID does nothing there: ", err)
	}
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "runc")
	if err := os.WriteFile(program, data, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mode    uint32
		refused bool
	}{{0o755, false}, {0o4755, true}, {0o2755, true}} {
		if err := unix.Chmod(program, c.mode); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, "--version")
		cmd.Env = []string{asOcibox + "=1"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
		out, err := cmd.CombinedOutput()
		const why = "ocibox: runs with more privilege than its caller has: "
		if (err != nil) != c.refused || strings.HasPrefix(string(out), why) != c.refused || c.refused && cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("mode %o: %v, %s", c.mode, err, out)
		}
	}
}
