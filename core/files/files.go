// Package files reads and writes whole files by plain system calls: what package
// os adds to a file, to wait for it, is of no use here and half of the cost.
package files

import (
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// Read is os.ReadFile.
func Read(path string) ([]byte, error) {
	fd, err := Open(path, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return ReadFD(fd, path, math.MaxInt)
}

// ReadFD reads what is left of a file, or its first limit bytes.
func ReadFD(fd int, path string, limit int) ([]byte, error) {
	var st unix.Stat_t
	size, whole := 1024, -1 // of what does not say, as the files of procfs
	if unix.Fstat(fd, &st) == nil && st.Size > 0 {
		whole = int(min(st.Size, int64(limit)))
		size = whole + 1 // to see the end: a read of less than there is room for
	}
	for data := make([]byte, 0, size); ; {
		n, err := unix.Read(fd, data[len(data):cap(data)])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		case n == 0 || n == whole && len(data) == 0 || len(data)+n >= limit:
			return data[:min(len(data)+n, limit)], nil
		}
		if data = data[:len(data)+n]; len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
	}
}

// Open is unix.Open with an error of package os, and for this program alone
// (O_CLOEXEC).
func Open(path string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, mode)
		if err == nil {
			return fd, nil
		}
		if err != unix.EINTR {
			return -1, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

// Replace writes a file by rename: who reads it sees all of it, or what was
// there before.
func Replace(path string, data []byte, mode os.FileMode) error {
	name, err := write(path, data, mode)
	if err == nil {
		if err = unix.Rename(name, path); err == nil {
			return nil
		}
	}
	if name != "" {
		os.Remove(name)
	}
	return fault.Op(err, "write %s", path)
}

// Create writes a file in its place, for its owner alone. Who reads it meanwhile may
// see a part of it.
func Create(path string, data []byte) error {
	fd, err := Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW, ownerOnly)
	if err != nil {
		return fault.Op(err, "write %s", path)
	}
	defer unix.Close(fd)
	if err := writeAll(fd, data); err != nil {
		return fault.Op(err, "write %s", path)
	}
	return nil
}

// ownerOnly is the mode that files are made with.
const ownerOnly = 0o600

func writeAll(fd int, data []byte) error {
	for len(data) > 0 {
		n, err := unix.Write(fd, data)
		if err != nil && err != unix.EINTR {
			return err
		}
		data = data[max(n, 0):]
	}
	return nil
}

// write writes a new file beside path, and gives its name.
func write(path string, data []byte, mode os.FileMode) (name string, err error) {
	dir, base := filepath.Split(path)
	fd := -1
	for n := 0; fd < 0; n++ {
		// One that was killed may have left its own.
		name = dir + "." + base + "." + strconv.Itoa(os.Getpid()) + "." + strconv.Itoa(n)
		if fd, err = Open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, ownerOnly); err != nil && !os.IsExist(err) {
			return "", err
		}
	}
	defer unix.Close(fd)
	if err := writeAll(fd, data); err != nil || mode == ownerOnly {
		return name, err
	}
	return name, unix.Fchmod(fd, uint32(mode.Perm()))
}
