package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A release has the same bytes the next time, also out of another directory and
// with other settings in the environment; and sha256sum agrees.
func TestRelease(t *testing.T) {
	archs := []string{"amd64", "arm64"}
	first := t.TempDir()
	if err := run(first, archs); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.CopyFS(copied, os.DirFS("../..")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(copied)
	t.Setenv("GOAMD64", "v3")
	t.Setenv("GOFLAGS", "-ldflags=-w")
	second := t.TempDir()
	if err := run(second, archs); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ocibox-linux-amd64", "ocibox-linux-arm64", "SHA256SUMS"} {
		a, err := os.ReadFile(filepath.Join(first, name))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(second, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s is another one the second time", name)
		}
	}
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = first
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v: %s", err, out)
	}
	if err := run(t.TempDir(), []string{"m68k"}); err == nil {
		t.Error("a binary for m68k")
	}
}
