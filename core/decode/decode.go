// Package decode puts a process's system calls into words, in the form of
// strace(1): names and flags for numbers, and what an address points to.
//
// A call is decoded in two parts: what it passes at its entry, and what it got
// back at its exit. Memory that cannot be read is printed as its address.
package decode

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/names"
	"ocibox/core/seccomp"
)

// Options say how much is printed.
type Options struct {
	// Read reads memory of process pid at addr into b and returns how much
	// could be read.
	Read func(pid int, addr uint64, b []byte) int
	// Link returns what link of process pid's /proc directory leads to, such as
	// "fd/3"; "" for nothing.
	Link func(pid int, link string) string

	Limit   int  // bytes of a string, and elements of a list, that are printed
	Verbose bool // print all of a structure
	Paths   bool // print the path of each descriptor
	Hex     Hex  // which strings are printed in hexadecimal
}

// Hex says which strings are printed in hexadecimal.
type Hex int

const (
	HexNone     Hex = iota
	HexNonASCII     // those with a byte that is no ASCII text
	HexAll
)

// Call is one system call of a process.
type Call struct {
	Pid    int    // thread that makes it
	Arch   uint32 // AUDIT_ARCH_X86_64 …
	Nr     uint64
	Args   [6]uint64
	SP     uint64 // stack pointer
	Ret    int64  // result, from Exit on
	Failed bool   // Ret is an errno's negative
	// Previous is the call that restart_syscall(2) goes on with, if it is known.
	Previous string

	name   string
	kinds  []string // of the arguments
	form   string   // of the result
	plain  bool     // its arguments are printed as they are
	word   int      // bytes of a pointer
	next   int      // of kinds that Enter has printed
	before uint64   // what an argument that goes both ways held at the entry
	extra  string   // what is printed behind the result
}

// NewCall looks the call up. One that nobody knows is named by its number.
func NewCall(pid int, arch uint32, nr uint64, args [6]uint64) *Call {
	c := &Call{Pid: pid, Arch: arch, Nr: nr, Args: args, word: wordSize(arch, nr)}
	c.name = seccomp.CallName(arch, uint32(nr))
	if line, ok := describe(c.name); ok {
		c.kinds = strings.Fields(line)[1:]
		if n := len(c.kinds); n > 0 && c.kinds[n-1][0] == '=' {
			c.form, c.kinds = c.kinds[n-1][1:], c.kinds[:n-1]
		}
	} else {
		if c.name == "" {
			c.name = "syscall_0x" + strconv.FormatUint(nr, 16)
		}
		c.kinds = []string{"x", "x", "x", "x", "x", "x"}
	}
	if c.word == 4 {
		for i := range c.Args {
			c.Args[i] = uint64(uint32(c.Args[i]))
		}
	}
	return c
}

// wordSize is the size of a pointer of the ABI.
func wordSize(arch uint32, nr uint64) int {
	const is64 = 0x80000000 // __AUDIT_ARCH_64BIT, linux/audit.h
	if arch&is64 == 0 || arch == unix.AUDIT_ARCH_X86_64 && nr&(1<<30) != 0 {
		return 4
	}
	return 8
}

// Name is the call's name, or syscall_0x and its number.
func (c *Call) Name() string { return c.name }

// Raw makes the call's arguments be printed as numbers.
func (c *Call) Raw() { c.plain = true }

// Enter is the call as far as it is known when it is made: "read(3, ".
func (o *Options) Enter(c *Call) string {
	p := printer{Options: o, c: c}
	p.s(c.name, "(")
	for c.next < len(c.kinds) && !p.later(c.kinds[c.next]) {
		p.next()
	}
	if c.next > 0 && c.next < len(c.kinds) && !p.lazy() {
		p.s(", ")
	}
	c.before = p.old()
	return string(p.b)
}

// Exit is what is left of the arguments, and the result: "\"text\", 10)" and
// "= 10". Ret and Failed have been set.
func (o *Options) Exit(c *Call) (args, result string) {
	p := printer{Options: o, c: c, exit: true}
	lazy := p.lazy()
	for p.first = c.next > 0 && !lazy; c.next < len(c.kinds); {
		p.next()
	}
	p.s(")")
	args = string(p.b)
	p.b = nil
	p.result()
	return args, string(p.b)
}

// printer writes one part of a call.
type printer struct {
	*Options
	c     *Call
	b     []byte
	exit  bool
	first bool // the comma before the argument has been printed
}

//go:noinline
func (p *printer) s(strs ...string) {
	for _, s := range strs {
		p.b = append(p.b, s...)
	}
}

// unknown is the old value of what cannot be read.
const unknown = ^uint64(0)

// old is the length that the call is given and will overwrite.
func (p *printer) old() uint64 {
	for i, kind := range p.c.kinds {
		at := uint64(0)
		switch kind {
		case ">socklen", ">optlen":
			at = p.c.Args[i]
		case ">rmsghdr":
			at = p.c.Args[i] + 8 // msg_namelen
		default:
			continue
		}
		if b, ok := p.read(at, 4); ok && p.c.Args[i] != 0 {
			return number(b)
		}
	}
	return unknown
}

// later tells whether an argument is printed at the exit, because the call
// writes there.
func (p *printer) later(kind string) bool {
	c := p.c
	switch kind {
	case ">fcntlarg":
		return c.Args[1] == unix.F_GETLK || c.Args[1] == unix.F_OFD_GETLK
	case ">ioctlarg":
		return p.ioctlReads()
	case ">keyarg":
		return c.Args[0] == unix.KEYCTL_DESCRIBE || c.Args[0] == unix.KEYCTL_READ
	case ">seccomparg":
		return c.Args[0] == unix.SECCOMP_GET_NOTIF_SIZES
	case ">prctlargs":
		return c.Args[0] == unix.PR_GET_PDEATHSIG || c.Args[0] == unix.PR_GET_CHILD_SUBREAPER || c.Args[0] == unix.PR_GET_NAME
	}
	return kind[0] == '>'
}

// lazy tells whether the argument to come may be nothing, so that the comma
// before it waits until it is known.
func (p *printer) lazy() bool {
	if p.c.next >= len(p.c.kinds) {
		return false
	}
	kind := p.c.kinds[p.c.next]
	return kind == ">clonetail" || kind == ">cloneout"
}

// next prints the next argument with the comma before it.
func (p *printer) next() {
	i := p.c.next
	kind, out := strings.CutPrefix(p.c.kinds[i], ">")
	p.c.next++
	comma := i > 0 && !p.first && kind != "cloneout"
	p.first = false
	mark := len(p.b)
	if comma {
		p.s(", ")
	}
	begin := len(p.b)
	p.arg(kind, i, out)
	if len(p.b) == begin {
		p.b = p.b[:mark]
	}
}

// result prints the call's result.
func (p *printer) result() {
	c := p.c
	switch {
	case c.Failed:
		p.errno(-c.Ret)
		return
	case c.form == "?":
		p.s("= ?")
		return
	}
	p.s("= ")
	v := uint64(c.Ret)
	switch c.form {
	case "":
		p.d(c.Ret)
	case "fd":
		p.fd(v)
	case "hex":
		p.hex(v)
	case "oct":
		p.oct(v)
	case "sig":
		p.s(strconv.FormatInt(c.Ret, 10), " (", Signal(int(v)), ")")
	case "schedpolicy":
		p.s(strconv.FormatInt(c.Ret, 10), " (", names.SchedPolicies.Format(v), ")")
	case "personality":
		p.hex(v)
		p.s(" (", names.Personalities.Format(v), ")")
	case "fcntl":
		p.fcntlResult(v)
	case "prctl":
		p.prctlResult(v)
	case "ioprio":
		p.d(c.Ret)
		p.s(" (")
		p.ioprio(v)
		p.s(")")
	case "select":
		p.d(c.Ret)
		p.selectResult()
	case "ruleset":
		if c.Args[2] == 0 {
			p.fd(v)
		} else {
			p.d(c.Ret)
		}
	case "poll", "ppoll":
		p.d(c.Ret)
		p.pollResult()
	}
	if c.extra != "" {
		p.s(" ", c.extra)
	}
}

// errno prints a failed call's result. Those numbers that only the kernel and a
// tracer see tell what happens to a call that a signal interrupted.
func (p *printer) errno(e int64) {
	for _, r := range [...]struct {
		errno      int64
		name, text string
	}{
		{512, "ERESTARTSYS", "To be restarted if SA_RESTART is set"},
		{513, "ERESTARTNOINTR", "To be restarted"},
		{514, "ERESTARTNOHAND", "To be restarted if no handler"},
		{516, "ERESTART_RESTARTBLOCK", "Interrupted by signal"},
	} {
		if r.errno == e {
			p.s("= ? ", r.name, " (", r.text, ")")
			return
		}
	}
	name := unix.ErrnoName(unix.Errno(e))
	if name == "ENOTSUP" {
		name = "EOPNOTSUPP" // which has the same number
	}
	if name == "" {
		p.s("= ", strconv.FormatInt(-e, 10), " (errno ", strconv.FormatInt(e, 10), ")")
		return
	}
	p.s("= -1 ", name, " (", strerror(unix.Errno(e)), ")")
}

// Entered tells whether Enter has printed all of the call's arguments.
func (c *Call) Entered() bool { return c.next == len(c.kinds) }
