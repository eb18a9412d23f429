// Package rootfs makes a root file system out of the host's own programs and
// what they need to run: their dynamic linker, their libraries, the
// interpreters of scripts. Every file keeps the path it has on the host, and
// the symbolic links on the way to it come along.
//
// Everything is looked up before anything is written. What is written goes
// through os.Root, so no symbolic link below the directory leads out of it.
package rootfs

import (
	"errors"
	"io/fs"
	"os"

	"ocibox/core/fault"
)

// Options says what to put where.
type Options struct {
	Dir      string   // the root file system to be; made where it is missing
	Programs []string // names, looked up along Path, or paths; none stands for a default set
	Path     string   // directories to look in, as $PATH has them

	// Busybox is the busybox to install, a name or a path. Where it is "" and
	// Programs is empty, one found along Path is taken, unless NoBusybox is set.
	Busybox   string
	NoBusybox bool
}

// Result counts what was written.
type Result struct {
	Programs  int      // program files, interpreters of scripts among them
	Libraries int      // libraries and dynamic linkers
	Applets   int      // links to busybox
	Bytes     int64    // size of all regular files; one linked twice counts once
	Missing   []string // programs of the default set that the host does not have
}

// Build makes the root file system. An error before the first write leaves
// o.Dir as it was; one that comes later removes again what was new.
func Build(o Options) (Result, error) { return build(host{}, o) }

func build(h host, o Options) (Result, error) {
	if err := checkDir(o.Dir); err != nil {
		return Result{}, err
	}
	c := newCollector(h, o.Path)
	c.skeleton()
	if err := c.named(o.Programs); err != nil {
		return Result{}, err
	}
	if err := c.rest(o); err != nil {
		return Result{}, err
	}
	c.files()
	return c.write(o.Dir)
}

// rest adds what the user did not name: busybox or the default set.
func (c *collector) rest(o Options) error {
	bare := len(o.Programs) == 0
	var busybox string
	var err error
	switch {
	case o.Busybox != "":
		busybox, err = c.lookup(o.Busybox, c.path)
	case bare && !o.NoBusybox:
		busybox = c.findBusybox()
	}
	switch {
	case err != nil:
		return err
	case busybox != "":
		return c.busybox(busybox)
	case bare:
		return c.defaults()
	}
	return nil
}

// write merges the collected tree with what dir holds and writes it there.
func (c *collector) write(dir string) (Result, error) {
	w, err := newWriter(dir, c.tree)
	if err != nil {
		return Result{}, err
	}
	defer w.close()
	if err := w.run(); err != nil {
		w.undo()
		return Result{}, err
	}
	r := Result{Applets: c.applets, Bytes: w.bytes, Missing: c.missing}
	for _, e := range c.tree.entries {
		switch e.role {
		case program:
			r.Programs++
		case library:
			r.Libraries++
		}
	}
	return r, nil
}

// checkDir refuses a dir that is no directory.
func checkDir(dir string) error {
	if dir == "" {
		return fault.Op(nil, "the directory's name is empty")
	}
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fault.Op(cause(err), "%s", dir)
	case !st.IsDir():
		return fault.Op(nil, "%s is not a directory", dir)
	}
	return nil
}

// cause is the errno of an error of package os, whose path the caller names itself.
func cause(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}
