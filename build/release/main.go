// Command release builds the static binaries of a release, with their checksums
// as sha256sum writes them: the same bytes for the same sources and the same Go.
//
//	release DIR [ARCH…]
package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"

	"ocibox/build/binary"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: release DIR [ARCH…]")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(dir string, archs []string) error {
	if len(archs) == 0 {
		archs = binary.Architectures
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	sums := ""
	for _, arch := range archs {
		name := "ocibox-linux-" + arch
		path := filepath.Join(dir, name)
		if err := binary.Build(arch, path); err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sums += fmt.Sprintf("%x  %s\n", sha256.Sum256(data), name)
		fmt.Printf("%s: %d bytes\n", path, len(data))
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums), 0o644)
}
