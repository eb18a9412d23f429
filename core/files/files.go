// Package files writes files so that nobody sees half of one.
package files

import (
	"errors"
	"os"
	"path/filepath"

	"ocibox/core/fault"
)

// Replace writes a file by rename: who reads it sees all of it, or what was
// there before.
func Replace(path string, data []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fault.Op(err, "write %s", path)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fault.Op(err, "write %s", path)
	}
	return nil
}
