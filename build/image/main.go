// Command image makes an initramfs out of files, directories and symlinks: a
// cpio archive in gzip, the same bytes for the same contents, and without root.
//
//	image OUT [FILE:PATH | -> TARGET:PATH | PATH/]…
//
// FILE:PATH is a file of the host, with its mode; "->TARGET:PATH" a symlink;
// PATH/ an empty directory. Directories above are made.
package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// entry is one of the archive's.
type entry struct {
	mode uint32 // with the type, inode(7)
	data []byte
}

const (
	dirMode  = 0o040755
	fileMode = 0o100000
	linkMode = 0o120777
)

func run(args []string) error {
	if len(args) < 1 {
		return fmt.Errorf("usage: image OUT [FILE:PATH | ->TARGET:PATH | PATH/]…")
	}
	entries := map[string]entry{}
	for _, word := range args[1:] {
		if err := add(entries, word); err != nil {
			return err
		}
	}
	out, err := os.Create(args[0])
	if err != nil {
		return err
	}
	if err := write(out, entries); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

func add(entries map[string]entry, word string) error {
	put := func(at string, e entry) error {
		at = strings.TrimPrefix(path.Clean("/"+at), "/")
		if at == "" {
			return fmt.Errorf("%s: is the root", word)
		}
		entries[at] = e
		for dir := path.Dir(at); dir != "."; dir = path.Dir(dir) {
			if e, ok := entries[dir]; ok && e.mode != dirMode {
				return fmt.Errorf("%s: %s is no directory", word, dir)
			}
			entries[dir] = entry{mode: dirMode}
		}
		return nil
	}
	if strings.HasSuffix(word, "/") {
		return put(word, entry{mode: dirMode})
	}
	i := strings.LastIndexByte(word, ':')
	if i < 0 {
		return fmt.Errorf("%s: is neither FILE:PATH, ->TARGET:PATH nor PATH/", word)
	}
	from, at := word[:i], word[i+1:]
	if target, ok := strings.CutPrefix(from, "->"); ok {
		return put(at, entry{linkMode, []byte(target)})
	}
	st, err := os.Stat(from)
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", from)
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return put(at, entry{fileMode | uint32(st.Mode().Perm()), data})
}

// write writes the archive in the format "newc", cpio(5).
func write(out io.Writer, entries map[string]entry) error {
	z, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(z)
	record := func(ino int, name string, e entry) {
		links := 1
		if e.mode == dirMode {
			links = 2
		}
		fmt.Fprintf(w, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
			ino, e.mode, 0, 0, links, 0, len(e.data), 0, 0, 0, 0, len(name)+1, 0, name)
		const header = 110
		pad(w, header+len(name)+1)
		w.Write(e.data)
		pad(w, len(e.data))
	}
	for i, name := range slices.Sorted(maps.Keys(entries)) {
		record(i+1, name, entries[name])
	}
	record(0, "TRAILER!!!", entry{})
	if err := w.Flush(); err != nil {
		return err
	}
	return z.Close()
}

// pad fills up to the next multiple of four after n bytes.
func pad(w *bufio.Writer, n int) {
	for ; n%4 != 0; n++ {
		w.WriteByte(0)
	}
}
