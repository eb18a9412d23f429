package rootfs

import (
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// host is the tree that files are taken from: the running system's where root
// is "", another one in tests. Paths in it are absolute and leave root out.
type host struct{ root string }

// step is something on the way to a file: a symbolic link at a path free of
// others, or, with no target, a directory that ".." leaves again.
type step struct{ at, target string }

// maxLinks is the kernel's limit on symbolic links in one path (path_resolution(7)).
const maxLinks = 40

// walk resolves an absolute path as the kernel would with h.root for its root
// directory. It returns the path without symbolic links, and what else has to
// be there for p to lead to it.
func (h host) walk(p string) (real string, steps []step, err error) {
	links := 0
	rest := strings.Split(p, "/")
	for len(rest) > 0 {
		c := rest[0]
		rest = rest[1:]
		if c == "" || c == "." {
			continue
		}
		if c == ".." {
			steps = append(steps, step{at: real})
			real = path.Dir(real)
			if real == "/" || real == "." {
				real = ""
			}
			continue
		}
		next := real + "/" + c
		st, err := os.Lstat(h.root + next)
		if err != nil {
			return "", steps, err
		}
		if st.Mode()&fs.ModeSymlink == 0 {
			real = next
			continue
		}
		if links++; links > maxLinks {
			return "", steps, unix.ELOOP
		}
		target, err := os.Readlink(h.root + next)
		if err != nil {
			return "", steps, err
		}
		steps = append(steps, step{next, target})
		if strings.HasPrefix(target, "/") {
			real = ""
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	if real == "" {
		real = "/"
	}
	return real, steps, nil
}

// stat is os.Stat inside the host's tree.
func (h host) stat(p string) (fs.FileInfo, error) {
	real, _, err := h.walk(p)
	if err != nil {
		return nil, err
	}
	return os.Lstat(h.root + real)
}

// open opens the file at p for reading.
func (h host) open(p string) (*os.File, error) {
	real, _, err := h.walk(p)
	if err != nil {
		return nil, err
	}
	return os.Open(h.root + real)
}

// readFile is os.ReadFile inside the host's tree.
func (h host) readFile(p string) ([]byte, error) {
	real, _, err := h.walk(p)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(h.root + real)
}

// executable tells whether p is a regular file that the caller may execute.
func (h host) executable(p string) bool {
	real, _, err := h.walk(p)
	if err != nil {
		return false
	}
	st, err := os.Lstat(h.root + real)
	return err == nil && st.Mode().IsRegular() && unix.Access(h.root+real, unix.X_OK) == nil
}
