package rootfs

import (
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"ocibox/core/elf"
	"ocibox/core/fault"
)

// program adds the program at the absolute path p and all that it needs.
func (c *collector) program(p string) error {
	real, err := c.file(p, program)
	if err != nil {
		return err
	}
	if slices.Contains(c.done, real) {
		return nil
	}
	c.done = append(c.done, real)
	head, err := c.head(real)
	if err != nil {
		return err
	}
	interp, arg := shebang(head)
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return c.libraries(real)
	case interp == "":
		return nil
	case !strings.HasPrefix(interp, "/"):
		return fault.Op(nil, "%s: its interpreter %q is no absolute path", p, interp)
	case !c.h.executable(interp):
		return fault.Op(nil, "%s: its interpreter %q is no program on this host", p, interp)
	}
	if err := c.program(interp); err != nil {
		return err
	}
	name := envProgram(interp, arg)
	if name == "" {
		return nil
	}
	found, err := c.lookup(name, c.system)
	if err != nil {
		return fault.Op(err, "%s: its interpreter", p)
	}
	return c.program(found)
}

// head is as much of a file as the kernel looks at to decide how to run it.
func (c *collector) head(p string) ([]byte, error) {
	f, err := c.h.open(p)
	if err != nil {
		return nil, fault.Op(cause(err), "open %s", p)
	}
	defer f.Close()
	b := make([]byte, shebangMax)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && err != io.EOF {
		return nil, fault.Op(cause(err), "read %s", p)
	}
	return b[:n], nil
}

func (c *collector) isELF(p string) bool {
	b, err := c.head(p)
	return err == nil && bytes.HasPrefix(b, []byte("\x7fELF"))
}

// shebangMax is how much of a script the kernel looks at: BINPRM_BUF_SIZE, execve(2).
const shebangMax = 256

// shebang takes a script's first line apart as the kernel does: the
// interpreter, and all the rest of the line as one argument. head is the
// start of the file. The interpreter is "" in a file that is no script.
func shebang(head []byte) (interp, arg string) {
	line, ok := bytes.CutPrefix(head, []byte("#!"))
	if !ok {
		return "", ""
	}
	if len(head) > shebangMax {
		line = head[2:shebangMax]
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	s := strings.Trim(string(line), " \t")
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], strings.Trim(s[i:], " \t")
	}
	return s, ""
}

// envProgram is the program that env(1) would run for the argument of a
// `#!/usr/bin/env` line, or "". Without -S, env takes the whole of it as one word.
func envProgram(interp, arg string) string {
	if path.Base(interp) != "env" {
		return ""
	}
	if !strings.HasPrefix(arg, "-") {
		return arg
	}
	words := strings.Fields(arg)
	for i := 0; i < len(words); i++ {
		switch w := words[i]; {
		case w == "-u", w == "-C", w == "--unset", w == "--chdir":
			i++
		case strings.HasPrefix(w, "--split-string="):
			words[i] = strings.TrimPrefix(w, "--split-string=")
			i--
		case strings.HasPrefix(w, "-S") && len(w) > 2, strings.HasPrefix(w, "-vS") && len(w) > 3:
			words[i] = w[strings.Index(w, "S")+1:]
			i--
		case strings.HasPrefix(w, "-"), strings.Contains(w, "="):
		default:
			return w
		}
	}
	return ""
}

// Interpreter says what the kernel needs to execute a program file besides it:
// the dynamic linker of an ELF file or the interpreter of a script, and for
// which machine it is (EM_NONE for a script). Both are zero for a static
// program and for a file that is neither ELF nor script; isProgram tells.
func Interpreter(r io.ReaderAt) (interp string, machine elf.Machine, isProgram bool) {
	head := make([]byte, shebangMax)
	n, _ := r.ReadAt(head, 0)
	if interp, _ := shebang(head[:n]); interp != "" {
		return interp, elf.EM_NONE, true
	}
	o, err := readObject(r)
	if err != nil {
		return "", elf.EM_NONE, false
	}
	return o.interp, o.machine, true
}
