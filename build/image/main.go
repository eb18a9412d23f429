// Command image makes an initramfs out of ocibox, its links, a busybox if one is
// given, and other files: a cpio archive in gzip, the same bytes for the same
// contents, and without root.
//
//	image [OPTION…] OUT [FILE:PATH | ->TARGET:PATH | PATH/]…
//
//	--arch ARCH     of the machine, a GOARCH (default: this one's)
//	--ocibox FILE   instead of a binary that is built
//	--busybox FILE  a static busybox for that machine
//	--applets FILE  a busybox for this machine that tells their names, if that one
//	                is for another
//
// FILE:PATH is a file of the host, of mode 755 if it can be executed and else 644,
// whatever umask it was made with; "->TARGET:PATH" a symlink; PATH/ an empty
// directory. Directories above are made. A PATH that is given
// replaces what is there by itself: /init leads to ocibox's init, and each of
// its applets, and each of busybox's, has a link in /bin.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"ocibox/applets"
	"ocibox/build/binary"
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
	f := flag.NewFlagSet("image", flag.ContinueOnError)
	arch := f.String("arch", runtime.GOARCH, "of the machine, a `GOARCH`")
	ocibox := f.String("ocibox", "", "`FILE` instead of a binary that is built")
	busybox := f.String("busybox", "", "`FILE`, a static busybox for that machine")
	list := f.String("applets", "", "`FILE`, a busybox for this machine that tells their names")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return errors.New("usage: image [OPTION…] OUT [FILE:PATH | ->TARGET:PATH | PATH/]…")
	}
	if *ocibox == "" {
		dir, err := os.MkdirTemp("", "ocibox-image-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		*ocibox = filepath.Join(dir, "ocibox")
		if err := binary.Build(*arch, *ocibox); err != nil {
			return err
		}
	}
	words := []string{"/proc/", "/sys/", "/dev/", "/run/", "/tmp/", "/root/", "->bin/ocibox:/init"}
	if *busybox != "" {
		if *list == "" {
			*list = *busybox
		}
		names, err := exec.Command(*list, "--list").Output()
		if err != nil {
			return fmt.Errorf("%s --list: %w", *list, err)
		}
		words = append(words, *busybox+":/bin/busybox")
		for _, name := range strings.Fields(string(names)) {
			if name != "busybox" {
				words = append(words, "->busybox:/bin/"+name)
			}
		}
	}
	words = append(words, *ocibox+":/bin/ocibox")
	for _, name := range applets.Names() {
		words = append(words, "->ocibox:/bin/"+name)
	}
	entries := map[string]entry{}
	for _, word := range append(words, f.Args()[1:]...) {
		if err := add(entries, word); err != nil {
			return err
		}
	}
	var out bytes.Buffer
	if err := write(&out, entries); err != nil {
		return err
	}
	return os.WriteFile(f.Arg(0), out.Bytes(), 0o644)
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
	mode := uint32(fileMode | 0o644)
	if st.Mode()&0o111 != 0 {
		mode = fileMode | 0o755
	}
	return put(at, entry{mode, data})
}

// write writes the archive in the format "newc", cpio(5).
func write(out io.Writer, entries map[string]entry) error {
	z, err := gzip.NewWriterLevel(out, gzip.BestCompression)
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
