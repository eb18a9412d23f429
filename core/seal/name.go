package seal

import (
	"bytes"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// running is the running program in memory, a clone.Image.
type running interface {
	// Path is the one by which it was executed.
	Path() string
	// SameAs says whether the descriptor's file is the one that it was made of, or one with
	// the same content.
	SameAs(fd int) bool
}

// named is as mounted, by the path by which the program was executed and without procfs, where
// each process is a folder that is made when one looks into it: the mount is of the file's
// directory then, of which nobody sees more than the file. Whoever has put something else in
// the file's place meanwhile, or over it, has it fail.
func named(image running) (int, error) {
	dir, base := filepath.Split(image.Path())
	if dir == "" {
		dir = "."
	}
	tree, err := mount(unix.AT_FDCWD, dir)
	if err != nil {
		return -1, err
	}
	defer unix.Close(tree)
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(tree, base, flags, 0)
	if err == unix.ELOOP { // as runc leads to ocibox, beside it
		var link [unix.NAME_MAX + 1]byte
		n, linkErr := unix.Readlinkat(tree, base, link[:])
		if linkErr != nil || n == len(link) || bytes.IndexByte(link[:n], '/') >= 0 {
			return -1, err
		}
		fd, err = unix.Openat(tree, string(link[:n]), flags, 0)
	}
	if err != nil {
		return -1, err
	}
	if !image.SameAs(fd) {
		unix.Close(fd)
		return -1, fault.Op(nil, "%s is another program by now", image.Path())
	}
	return fd, nil
}
