package clone

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/names"
)

// Line is one instruction in words.
type Line struct {
	Step Step
	Text string // such as `fsopen("tmpfs", FSOPEN_CLOEXEC) = $fs`
	Call string // its system call, or "" for an instruction that is more than one
	Wait int    // number of the Rendezvous that this is, -1 for another
}

// Explain decodes the instructions from the arena that a child would run.
func (l *Linked) Explain() []Line {
	lines := []Line{{Text: "close_range: every descriptor but " + l.kept(), Wait: -1}}
	if l.prog.PreserveAll {
		lines = nil
	}
	waits := 0
	for pc, i := range l.prog.code {
		in := l.insn(l.head + pc)
		if in.op == opReport {
			continue
		}
		line := Line{Step: l.prog.steps[i.step], Text: l.text(in, i.nargs()), Wait: -1}
		if c := describeCall(uintptr(in.nr)); in.op == opCall && c != nil {
			line.Call = c.name
		}
		if in.op == opWait {
			line.Wait = waits
			waits++
		}
		lines = append(lines, line)
	}
	return lines
}

func (l *Linked) kept() string {
	names := []string{"0", "1", "2"}
	for n := range l.prog.Preserve {
		names = append(names, strconv.Itoa(3+n))
	}
	for _, r := range l.prog.inherit {
		names = append(names, l.regName(uint32(r)))
	}
	return strings.Join(names, ", ")
}

func (l *Linked) regName(r uint32) string { return "$" + l.prog.regs[r] }

// text is the instruction with its condition and what becomes of the result.
func (l *Linked) text(in *Insn, nargs int) string {
	var b strings.Builder
	if in.cond != 0 {
		op := "=="
		if in.flags&negated != 0 {
			op = "!="
		}
		fmt.Fprintf(&b, "if %s %s %s: ", l.regName(uint32(in.cond)), op, condValue(in.value))
	}
	b.WriteString(l.call(in, nargs))
	if in.save != 0 {
		b.WriteString(" = " + l.regName(uint32(in.save)))
	}
	sep := " (or "
	for _, e := range in.ignore {
		if e != 0 {
			b.WriteString(sep + unix.ErrnoName(unix.Errno(e)))
			sep = ", "
		}
	}
	if sep == ", " {
		b.WriteString(")")
	}
	return b.String()
}

func condValue(v uintptr) string {
	if int(v) < 0 {
		return "-" + unix.ErrnoName(unix.Errno(-int(v)))
	}
	return strconv.Itoa(int(v))
}

func (l *Linked) call(in *Insn, nargs int) string {
	str := func(i int) string { return strconv.Quote(l.str(l.value(in, i))) }
	val := func(i int) string { return l.arg(in, i, "int") }
	switch in.op {
	case opOpen:
		how := map[uintptr]string{MakeDir: ", make a directory", MakeFile: ", make a file", MakeLike: ", make one like " + l.regName(uint32(l.value(in, 3)))}[l.value(in, 2)]
		return fmt.Sprintf("open-in-root(%s, %s, %s%s)", val(0), str(1), names.Open.Format(uint64(l.value(in, 4))), how)
	case opStat:
		s := "statx(" + val(0) + ")"
		switch t := l.value(in, 1); t {
		case 0:
			return s + " is a directory"
		case tellMode:
			return s + "'s mode"
		case unix.S_IFCHR, unix.S_IFBLK:
			return fmt.Sprintf("%s must be %s %d:%d", s, names.FileTypes.Format(uint64(t)), l.value(in, 2), l.value(in, 3))
		default:
			return s + " must be " + names.FileTypes.Format(uint64(t))
		}
	case opWait:
		return "wait for the parent"
	case opSendFD:
		text := str(2)
		if in.kind(3) == argReg { // a Blank's, not written yet
			text = val(3)
		}
		return fmt.Sprintf("sendmsg(%s, %s, SCM_RIGHTS %s)", val(0), text, val(1))
	case opReceive:
		return "recvmsg(" + val(0) + ", SCM_RIGHTS)"
	case opFork:
		args := (*cloneArgs)(l.at(l.value(in, 0)))
		f := strings.TrimSuffix("CLONE_PARENT|"+names.Namespaces.Format(args.flags&^(unix.CLONE_PARENT|unix.CLONE_PARENT_SETTID)), "|0")
		return "clone3(" + f + "), go on in the child"
	case opAccept:
		return "accept4(" + val(0) + ") until a connection says go"
	case opExec:
		return fmt.Sprintf("execve(%s, %s, %s)", l.paths(in), l.arg(in, 1, "argv"), l.arg(in, 2, "envp"))
	case opFind:
		return fmt.Sprintf("faccessat(AT_FDCWD, %s, F_OK)", l.paths(in))
	case opImage:
		return "execute from " + val(0) + ", by which the program cannot be written to"
	case opCopy:
		return fmt.Sprintf("copy what is in %s to %s", val(0), val(1))
	case opOwner:
		id := "uid"
		if l.value(in, 1) != 0 {
			id = "gid"
		}
		return "statx(" + val(0) + ")." + id
	case opAmbient:
		return "capset(inheritable as permitted), prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE) of each"
	case opSpawn:
		s := fmt.Sprintf("spawn(%s, %s, %s)", str(0), l.arg(in, 1, "argv"), l.arg(in, 2, "envp"))
		for i, stream := range []string{"standard output", "standard error"} {
			if in.kind(4+i) == argReg {
				s += ", " + stream + " to " + val(4+i)
			}
		}
		if a := (*spawnArgs)(l.at(l.value(in, 3))); a.seconds != 0 {
			s += fmt.Sprintf(", for at most %d s", a.seconds)
		}
		return s
	}
	c := describeCall(uintptr(in.nr))
	if c == nil {
		return fmt.Sprintf("syscall_%d(…)", in.nr)
	}
	args := []string{}
	for i, kind := range strings.Fields(c.args) {
		if kind != "-" && i < max(nargs, 1) {
			args = append(args, l.arg(in, i, kind))
		}
	}
	return c.name + "(" + strings.Join(args, ", ") + ")"
}

// value is argument i of the instruction: of a register its number, of what is in the data the
// address.
func (l *Linked) value(in *Insn, i int) uintptr {
	switch v := in.args[i]; in.kind(i) {
	case argReg:
		return uintptr(v)
	case argData:
		return uintptr(l.base) + l.data + uintptr(v)
	case argWide:
		return *(*uintptr)(unsafe.Add(l.base, l.data+uintptr(v)))
	default:
		return uintptr(int32(v))
	}
}

// arg formats argument i of the instruction as the kind says.
func (l *Linked) arg(in *Insn, i int, kind string) string {
	v := l.value(in, i)
	if in.kind(i) == argReg {
		return l.regName(uint32(v))
	}
	switch kind {
	case "fd":
		if int32(v) == unix.AT_FDCWD {
			return "AT_FDCWD"
		}
	case "oct":
		return fmt.Sprintf("%#03o", v)
	case "str":
		if v == 0 {
			return "NULL"
		}
		return strconv.Quote(l.str(v))
	case "argv", "envp":
		var s []string
		for n := v; *(*uintptr)(l.at(n)) != 0; n += wordSize {
			s = append(s, strconv.Quote(l.str(*(*uintptr)(l.at(n)))))
		}
		if kind == "envp" {
			return fmt.Sprintf("{%d variables}", len(s))
		}
		return "[" + strings.Join(s, ", ") + "]"
	case "filemode":
		return names.FileTypes.Format(uint64(v&unix.S_IFMT)) + "|0" + strconv.FormatUint(uint64(v&^unix.S_IFMT), 8)
	case "dev":
		return fmt.Sprintf("makedev(%d, %d)", unix.Major(uint64(v)), unix.Minor(uint64(v)))
	case "mountattr":
		a := (*unix.MountAttr)(l.at(v))
		return mountAttrText(a)
	case "rlimit":
		r := (*[2]uint64)(l.at(v))
		return "{" + rlimitText(r[0]) + ", " + rlimitText(r[1]) + "}"
	case "groups":
		n := l.value(in, 0)
		return fmt.Sprint(unsafe.Slice((*uint32)(l.at(v)), n))
	case "capdata":
		d := (*[2]unix.CapUserData)(l.at(v))
		return fmt.Sprintf("{effective %s, permitted %s, inheritable %s}", capSet(d[0].Effective, d[1].Effective),
			capSet(d[0].Permitted, d[1].Permitted), capSet(d[0].Inheritable, d[1].Inheritable))
	case "filter":
		return fmt.Sprintf("{%d instructions}", *(*uint16)(l.at(v)))
	case "openhow":
		h := (*unix.OpenHow)(l.at(v))
		return "{" + names.Open.Format(h.Flags) + ", " + names.Resolves.Format(h.Resolve) + "}"
	case "schedattr":
		return SchedText((*unix.SchedAttr)(l.at(v)))
	case "ioprio":
		return IOPrioText(int(v))
	case "cpus": // the mask's bytes are counted before it
		return maskText(unsafe.Slice((*uintptr)(l.at(v)), l.value(in, 1)/wordSize))
	case "nodes": // its bits behind it, and one
		if v == 0 {
			return "NULL"
		}
		return maskText(unsafe.Slice((*uintptr)(l.at(v)), l.value(in, 2)/(8*wordSize)))
	case "prctlarg":
		switch l.value(in, 0) {
		case unix.PR_CAPBSET_DROP:
			return capName(v)
		case unix.PR_CAP_AMBIENT:
			return names.Ambients.Format(uint64(v))
		case unix.PR_SET_PDEATHSIG:
			return unix.SignalName(unix.Signal(v))
		}
	case "prctlarg2":
		if l.value(in, 0) == unix.PR_CAP_AMBIENT && l.value(in, 1) == unix.PR_CAP_AMBIENT_RAISE {
			return capName(v)
		}
	case "ioctlarg":
		switch l.value(in, 1) {
		case unix.TIOCSPTLCK:
			return fmt.Sprintf("&%d", *(*int32)(l.at(v)))
		case unix.TIOCGPTPEER:
			return names.Open.Format(uint64(v))
		case unix.TIOCSWINSZ:
			w := (*unix.Winsize)(l.at(v))
			return fmt.Sprintf("{%d rows, %d columns}", w.Row, w.Col)
		case unix.SIOCSIFFLAGS:
			return "{" + strconv.Quote(l.str(v)) + ", IFF_UP}"
		}
	default:
		if s := names.Find(kind); s != nil {
			return s.Format(uint64(v))
		}
	}
	return strconv.Itoa(int(v))
}

func capName(v uintptr) string { return names.Capability(int(v)) }

func capSet(lo, hi uint32) string {
	mask := uint64(hi)<<32 | uint64(lo)
	var s []string
	for c := range uintptr(64) {
		if mask&(1<<c) != 0 {
			s = append(s, capName(c))
		}
	}
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, "|")
}

func rlimitText(v uint64) string {
	if v == ^uint64(0) {
		return "RLIM_INFINITY"
	}
	return strconv.FormatUint(v, 10)
}

func mountAttrText(a *unix.MountAttr) string {
	var s []string
	if a.Attr_set != 0 {
		s = append(s, "set "+names.MountAttrs.Format(a.Attr_set))
		if a.Attr_set&unix.MOUNT_ATTR_IDMAP != 0 {
			s = append(s, fmt.Sprintf("userns_fd %d", a.Userns_fd))
		}
	}
	if a.Attr_clr != 0 {
		s = append(s, "clear "+names.MountAttrs.Format(a.Attr_clr))
	}
	if a.Propagation != 0 {
		s = append(s, "propagation "+names.Propagation.Format(a.Propagation))
	}
	return "{" + strings.Join(s, ", ") + "}"
}

// SchedText is a struct sched_attr in words.
func SchedText(a *unix.SchedAttr) string {
	s := []string{names.SchedPolicies.Format(uint64(a.Policy))}
	for _, f := range []struct {
		name  string
		value uint64
	}{{"priority", uint64(a.Priority)}, {"runtime", a.Runtime}, {"deadline", a.Deadline}, {"period", a.Period}} {
		if f.value != 0 {
			s = append(s, f.name+" "+strconv.FormatUint(f.value, 10))
		}
	}
	if a.Nice != 0 {
		s = append(s, "nice "+strconv.Itoa(int(a.Nice)))
	}
	if a.Flags != 0 {
		s = append(s, names.SchedFlags.Format(a.Flags))
	}
	return "{" + strings.Join(s, ", ") + "}"
}

// IOPrioText is an I/O priority of ioprio_set(2) in words.
func IOPrioText(v int) string {
	const classShift = 13
	return names.IOClasses.Format(uint64(v>>classShift)) + " " + strconv.Itoa(v&(1<<classShift-1))
}

// maskText is the list of the bits in a mask, such as "0-3,7".
func maskText(words []uintptr) string {
	const wordBits = 8 * int(wordSize)
	var s []string
	set := func(n int) bool { return n < len(words)*wordBits && words[n/wordBits]>>(n%wordBits)&1 != 0 }
	for n := range len(words) * wordBits {
		if !set(n) || n > 0 && set(n-1) {
			continue
		}
		end := n
		for set(end + 1) {
			end++
		}
		text := strconv.Itoa(n)
		if end > n {
			text += "-" + strconv.Itoa(end)
		}
		s = append(s, text)
	}
	return "{" + strings.Join(s, ",") + "}"
}

// at is the memory at an address in the arena.
func (l *Linked) at(addr uintptr) unsafe.Pointer {
	return unsafe.Add(l.base, addr-uintptr(l.base))
}

func (l *Linked) str(addr uintptr) string {
	return unix.BytePtrToString((*byte)(l.at(addr)))
}

// brief names a call in an error: its name, and those of its arguments that
// are strings, as in fsconfig(size=64q).
func (p *Program) brief(i *Insn) string {
	var strs []string
	name, sep := "", ", "
	str := func(a Arg) {
		if s := unix.ByteSliceToString(p.data[a.v:]); s != "" {
			strs = append(strs, s)
		}
	}
	switch i.op {
	case opOpen:
		name = "open"
		str(p.arg(i, 1))
	case opStat, opOwner:
		name = "statx"
	case opAmbient:
		name = "capset"
	case opSendFD, opReport:
		name = "sendmsg"
	case opWait:
		name = "read"
	case opReceive:
		name = "recvmsg"
	case opFork:
		name = "clone3"
	case opAccept:
		name = "accept4"
	case opCopy:
		name = "copy"
	case opImage:
		name = "prctl"
	case opSpawn:
		name = "spawn"
		str(p.arg(i, 0))
	case opExec:
		// execvp(3) is told one name; the first path may only be one try.
		name = "execve"
		argv := p.word(p.arg(i, 1).v)
		str(Arg{argData, argv})
	case opFind:
		name = "faccessat"
		str(p.arg(i, 1))
	case opCall:
		c := describeCall(uintptr(i.nr))
		if c == nil {
			return fmt.Sprintf("syscall_%d", i.nr)
		}
		name = c.name
		if i.nr == unix.SYS_FSCONFIG {
			sep = "="
		}
		for n, kind := range strings.Fields(c.args) {
			a := p.arg(i, n)
			switch {
			case kind == "str" && a.kind == argData:
				str(a)
			case slices.Contains(shown[:], kind) && a.kind == argNumber:
				strs = append(strs, names.Find(kind).Format(uint64(a.v)))
			}
		}
	}
	return name + "(" + strings.Join(strs, sep) + ")"
}

// paths are those of an opExec or opFind.
func (l *Linked) paths(in *Insn) string {
	var paths []string
	for off := l.value(in, 0); *(*uintptr)(l.at(off)) != 0; off += wordSize {
		paths = append(paths, strconv.Quote(l.str(*(*uintptr)(l.at(off)))))
	}
	return strings.Join(paths, " or ")
}

// arg is argument n of an instruction, as it was given.
func (p *Program) arg(i *Insn, n int) Arg {
	switch v := i.args[n]; i.kind(n) {
	case argNumber:
		return Arg{argNumber, uintptr(int32(v))}
	case argWide:
		return Arg{argNumber, p.word(uintptr(v))}
	default:
		return Arg{i.kind(n), uintptr(v)}
	}
}

// word is one of the unlinked data: a number, or an offset there.
func (p *Program) word(at uintptr) uintptr {
	b := p.data[at : at+wordSize]
	return *(*uintptr)(unsafe.Pointer(&b[0]))
}

// Clone is the call that makes the child, in words.
func (l *Linked) Clone() string {
	var flags []string
	if l.prog.Flags != 0 {
		flags = append(flags, names.Namespaces.Format(l.prog.Flags))
	}
	if r := l.prog.cgroup; r != 0 {
		flags = append(flags, "CLONE_INTO_CGROUP "+l.regName(uint32(r)))
	}
	return "clone3(" + strings.Join(append(flags, "SIGCHLD"), ", ") + ")"
}
