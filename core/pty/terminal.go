package pty

import (
	"io"
	"os"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// terminal is the caller's own terminal, if it has one.
type terminal struct {
	console.Console
	file  *os.File
	raw   bool // it is read, and so raw meanwhile
	taken bool // it was made raw, and Console holds the mode before
	show  bool // what the container writes goes to it
}

// findTerminal takes in for the caller's terminal, or else out, which then only
// lends its size: a key that is not read here keeps its meaning. It returns nil
// if neither is a terminal.
func findTerminal(in *os.File, out io.Writer) *terminal {
	shown, _ := out.(*os.File)
	if c := asConsole(in); c != nil {
		return &terminal{Console: c, file: in, raw: true, show: sameTerminal(in, shown)}
	}
	if c := asConsole(shown); c != nil {
		return &terminal{Console: c, file: shown, show: true}
	}
	return nil
}

func asConsole(f *os.File) console.Console {
	if f == nil {
		return nil
	}
	c, err := console.ConsoleFromFile(f)
	if err != nil {
		return nil
	}
	return c
}

// sameTerminal asks the terminals for their device numbers: those of the files
// differ where one was opened as /dev/tty.
func sameTerminal(a, b *os.File) bool {
	if a == nil || b == nil {
		return false
	}
	x, err := unix.IoctlGetUint32(int(a.Fd()), unix.TIOCGDEV)
	if err != nil {
		return false
	}
	y, err := unix.IoctlGetUint32(int(b.Fd()), unix.TIOCGDEV)
	return err == nil && x == y
}

// takesRaw says that what the container writes reaches a terminal which adds
// nothing to it.
func (t *terminal) takesRaw() bool { return t != nil && t.raw && t.show }

// setRaw makes the terminal raw, and keeps the mode that it had the first time.
func (t *terminal) setRaw() error {
	if t == nil || !t.raw {
		return nil
	}
	if !t.taken {
		c, err := console.ConsoleFromFile(t.file)
		if err != nil {
			return fault.Op(err, "read the terminal's mode")
		}
		t.Console, t.taken = c, true
	}
	if err := t.SetRaw(); err != nil {
		return fault.Op(err, "make the terminal raw")
	}
	if !t.show {
		return nil
	}
	// The console package leaves OPOST on, which would make a plain line feed
	// of the container (a cursor movement in vi) a new line.
	fd := int(t.file.Fd())
	mode, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err == nil {
		mode.Oflag &^= unix.OPOST
		err = unix.IoctlSetTermios(fd, unix.TCSETS, mode)
	}
	if err != nil {
		return fault.Op(err, "make the terminal raw")
	}
	return nil
}

// restore gives the terminal the mode it had. In the background the terminal is
// the shell's, with the shell's mode, and to set it would stop the process.
func (t *terminal) restore() {
	if t != nil && t.taken && t.foreground() {
		t.Reset()
	}
}

// foreground says whether the terminal may be made raw and read. TIOCGPGRP
// fails on a terminal that is not the controlling one, where there is no job
// control, and gives 0 for a group of an outer PID namespace.
func (t *terminal) foreground() bool {
	if t == nil || !t.raw {
		return true
	}
	group, err := unix.IoctlGetUint32(int(t.file.Fd()), unix.TIOCGPGRP)
	return err != nil || group == 0 || int(group) == unix.Getpgrp()
}

// suspend stops the process group as the use of the terminal from the
// background does, until the shell continues it. A group without a shell
// (orphaned) goes on.
func (t *terminal) suspend() {
	if !t.foreground() {
		unix.Kill(0, unix.SIGTTOU)
	}
}

// resize gives the pty the terminal's size, if that has one: a serial line says
// 0x0.
func (t *terminal) resize(pty console.Console) {
	if t == nil {
		return
	}
	if size, err := t.Size(); err == nil && (size.Height != 0 || size.Width != 0) {
		pty.Resize(size)
	}
}
