package nofile_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"ocibox/core/nofile"
)

func TestMain(m *testing.M) {
	if os.Getenv("NOFILE_PRINT") != "" {
		soft, hard, ok := nofile.AtStart()
		fmt.Println(soft, hard, ok)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// The limit that the process was started with is known although package
// syscall has raised it since.
func TestAtStart(t *testing.T) {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("300 %d true", now.Max)
	cmd := exec.Command("/bin/sh", "-c", `ulimit -Sn 300 && exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), "NOFILE_PRINT=1")
	out, err := cmd.Output()
	if got := strings.TrimSpace(string(out)); err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}
