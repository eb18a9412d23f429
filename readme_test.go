package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What the README tells to write for an engine is what scripts/engines starts
// that engine with.
func TestReadmeOfEngines(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"containers.conf", "daemon.json", "containerd.toml", "runtimeclass.yaml"} {
		path := filepath.Join("scripts/engine", name)
		snippet, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(readme), "\n"+string(snippet)+"```\n") {
			t.Errorf("the README does not show %s as it is", path)
		}
		used := false
		scripts, err := filepath.Glob("scripts/engine/*.sh")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range scripts {
			text, err := os.ReadFile(s)
			if err != nil {
				t.Fatal(err)
			}
			used = used || strings.Contains(string(text), "$here/"+name)
		}
		if !used {
			t.Errorf("no script uses %s", path)
		}
	}
}
