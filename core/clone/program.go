// Package clone runs a program of system calls in a raw child process.
//
// A Program is built step by step in Go, each step with the config.json field
// that asked for it; Link resolves its addresses into an arena; Start clones
// the process, and the child, in which no Go runs any more, carries the
// instructions out one after the other and ends in execve.
//
// The rules of the child hold in child.go, open.go, copy.go, spawn.go and
// image.go, and nowhere else.
package clone

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Reg is a register: a word that an instruction's result is kept in and
// that later instructions take as an argument. The zero Reg is none.
type Reg uint32

// An Arg is an argument of an instruction: a number, a register, or the
// address of something in the program's data.
type Arg struct {
	kind argKind
	v    uintptr
}

type argKind uint8

const (
	argNumber argKind = iota
	argReg
	argData
	argWide // a number that takes more than 32 bits: of an Insn, where it is in the data
)

// Num is a number as an argument; a negative one is sign-extended.
func Num[T ~int | ~int32 | ~uint32 | ~uintptr](v T) Arg { return Arg{argNumber, uintptr(v)} }

// In is the value of r as an argument.
func In(r Reg) Arg { return Arg{argReg, uintptr(r)} }

// Cwd is AT_FDCWD.
var Cwd = Num(unix.AT_FDCWD)

// A Step is the part of a program that one config.json field asked for.
type Step struct {
	Field  string // such as "mounts[2]"; "" for what every container needs
	Object string // such as the mount's destination
}

func (i *Insn) kind(n int) argKind { return argKind(i.kinds >> (kindBits * n) & (1<<kindBits - 1)) }

func (i *Insn) nargs() int { return int(i.flags >> nargsShift) }

// Save keeps the result in r.
//
//go:noinline
func (i *Insn) Save(r Reg) *Insn { i.save = r; return i }

// Ignore names up to three errnos after which the program goes on; the
// register that takes the result then holds the errno's negative.
//
//go:noinline
func (i *Insn) Ignore(errs ...unix.Errno) *Insn {
	for n, e := range errs {
		i.ignore[n] = uint16(e)
	}
	return i
}

// If makes the instruction run only if r holds v.
func (i *Insn) If(r Reg, v uintptr) *Insn { i.when(guard{r, v, false}); return i }

// Unless makes the instruction run only if r does not hold v.
func (i *Insn) Unless(r Reg, v uintptr) *Insn { i.when(guard{r, v, true}); return i }

func (i *Insn) when(g guard) {
	i.cond, i.value, i.flags = g.reg, g.value, i.flags&^negated
	if g.negate {
		i.flags |= negated
	}
}

// Log names the fs context (fsopen(2)) whose log tells why this call failed.
func (i *Insn) Log(fs Reg) *Insn { i.log = fs; return i }

// A Program is a list of instructions and the data that they point to.
type Program struct {
	// Flags of the clone3 that makes the child (CLONE_NEW*).
	Flags uint64
	// Preserve is how many descriptors from 3 up the child and what it
	// executes inherit, besides 0, 1 and 2.
	Preserve int
	// PreserveAll has them inherit every descriptor that is not close-on-exec.
	PreserveAll bool
	// SetsCPUs says that the program sets the child's CPU mask itself: it is the calling
	// thread's up to there, which may be one processor.
	SetsCPUs bool
	// Sync is the child's end of the socket to the parent.
	Sync Reg

	steps   []Step
	code    []*Insn
	free    []Insn // memory for the next ones
	data    []byte
	fixups  []uintptr // offsets in data of words that hold an offset in data
	regs    []string
	inherit []Reg
	empty   []Reg // from RegOfNone
	cgroup  Reg   // in which the child is born, 0 for the caller's
	guard   *guard
	forked  uintptr // offset in data of the pid that Fork made, 0 without one
	waits   int
	accepts bool             // it has an Accept, and no report to the starter since
	swept   bool             // it has a Sweep
	strs    [someStrs]uint32 // offsets in data of strings, by their hash; 0 for none
}

// What there is room for at first.
const (
	someInsns = 384
	moreInsns = 64
	someSteps = 64
	someRegs  = 160
	someData  = 8 << 10
	someStrs  = 256
)

// roomy is a program with what most need, at once: to grow is to touch memory anew, and so
// is each other size to allocate.
type roomy struct {
	Program
	regs  [someRegs]string
	steps [someSteps]Step
	code  [someInsns]*Insn
	insns [someInsns]Insn
	data  [someData]byte
}

// New returns an empty program.
func New() *Program {
	r := &roomy{}
	p := &r.Program
	p.regs, p.steps, p.code, p.free, p.data = r.regs[:1], r.steps[:1], r.code[:0], r.insns[:], r.data[:8]
	p.Sync = p.Inherit("sync")
	return p
}

// Inherit returns a register for a descriptor that the child gets from the
// caller; Options.FDs says which one. Descriptors from 3 up that are neither
// inherited nor preserved are closed before the first instruction.
func (p *Program) Inherit(name string) Reg {
	r := p.Reg(name)
	p.inherit = append(p.inherit, r)
	return r
}

// BornIn has the child be born in a cgroup of version 2 (CLONE_INTO_CGROUP), and
// returns the register for a descriptor of its directory, which the child does
// not inherit.
func (p *Program) BornIn(name string) Reg {
	p.cgroup = p.Reg(name)
	return p.cgroup
}

// takes is how many descriptors Start has to be given for the program, its own
// end of the socket included.
func (p *Program) takes() int {
	if p.cgroup != 0 {
		return len(p.inherit) + 1
	}
	return len(p.inherit)
}

// Begin starts the step that the instructions to follow belong to.
func (p *Program) Begin(field, object string) {
	p.steps = append(p.steps, Step{field, object})
}

// Here is the step that the instructions to follow belong to.
func (p *Program) Here() Step { return p.steps[len(p.steps)-1] }

// Reg returns a new register; name is what explain prints for it.
func (p *Program) Reg(name string) Reg {
	p.regs = append(p.regs, name)
	return Reg(len(p.regs) - 1)
}

// RegOfNone is Reg for a descriptor that is not there at first: the register holds -1.
func (p *Program) RegOfNone(name string) Reg {
	r := p.Reg(name)
	p.empty = append(p.empty, r)
	return r
}

// When makes every instruction that body adds run only if r holds v.
func (p *Program) When(r Reg, v uintptr, body func()) { p.guarded(guard{r, v, false}, body) }

// WhenNot makes every instruction that body adds run only if r does not hold v.
func (p *Program) WhenNot(r Reg, v uintptr, body func()) { p.guarded(guard{r, v, true}, body) }

func (p *Program) guarded(g guard, body func()) {
	p.guard = &g
	body()
	p.guard = nil
}

type guard struct {
	reg    Reg
	value  uintptr
	negate bool
}

func (p *Program) add(op uint8, nr uintptr, args ...Arg) *Insn {
	if len(p.free) == 0 {
		p.free = make([]Insn, moreInsns)
	}
	i := &p.free[0]
	p.free = p.free[1:]
	i.op, i.nr, i.flags, i.step = op, uint16(nr), uint8(len(args)<<nargsShift), uint32(len(p.steps)-1)
	for n, a := range args {
		if a.kind == argNumber && uintptr(int32(a.v)) != a.v {
			a.kind, a.v = argWide, p.wide(a.v)
		}
		i.kinds |= uint16(a.kind) << (kindBits * n)
		i.args[n] = uint32(a.v)
	}
	if p.guard != nil {
		i.when(*p.guard)
	}
	p.code = append(p.code, i)
	return i
}

// Call appends the system call nr. It and its like are called so often that the
// binary would be 50 KB larger if they were inlined.
//
//go:noinline
func (p *Program) Call(nr uintptr, args ...Arg) *Insn { return p.add(opCall, nr, args...) }

// What open-in-root makes of a path that does not exist.
const (
	MustExist = iota // ENOENT
	MakeDir          // a directory, and the directories that lead to it
	MakeFile         // an empty regular file, and the directories that lead to it
	MakeLike         // one or the other, as the descriptor like is a directory or not
)

// OpenIn opens path below the descriptor root into the register fd, as if root
// were the root directory: no "..", no absolute symlink and no magic link
// leads out of it (openat2(2), RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS). flags
// are openat2's, such as O_PATH. What is missing is made as kind says, one
// component at a time, a last directory with mode perm and a last file with
// perm as well; a symlink that leads nowhere is followed, and its target made.
func (p *Program) OpenIn(root Reg, path string, kind int, like Reg, flags int, perm uint32, fd Reg) *Insn {
	return p.add(opOpen, 0, In(root), p.Str(path), Num(kind), In(like), Num(flags|unix.O_CLOEXEC), Num(perm)).Save(fd)
}

// Must fails with err unless fd is of the file type want (S_IFMT bits of
// st_mode), and of the device number major:minor where that is a device.
func (p *Program) Must(fd Reg, want uint32, major, minor uint32, err unix.Errno) *Insn {
	return p.add(opStat, 0, In(fd), Num(want), Num(major), Num(minor), Num(uintptr(err)))
}

// Mode keeps in mode the permissions of what fd refers to.
func (p *Program) Mode(fd, mode Reg) *Insn {
	return p.add(opStat, 0, In(fd), Num(tellMode)).Save(mode)
}

// IsDir keeps 1 in yes if fd is a directory, 0 if it is something else, and
// -EBADF if it is no descriptor.
func (p *Program) IsDir(fd, yes Reg) *Insn {
	return p.add(opStat, 0, In(fd), Num(0)).Save(yes).Ignore(unix.EBADF)
}

// Owner keeps the uid of the owner of fd, or the gid where group is set, as the
// child's user namespace has it.
func (p *Program) Owner(fd Reg, group bool, id Reg) *Insn {
	g := 0
	if group {
		g = 1
	}
	return p.add(opOwner, 0, In(fd), Num(g)).Save(id)
}

// RaiseAmbient makes all capabilities that are permitted inheritable and ambient,
// so that they are kept by an execve, capabilities(7).
func (p *Program) RaiseAmbient() *Insn { return p.add(opAmbient, 0) }

// DieWithParent has the kernel send sig to the child when the thread that started
// it ends, prctl(2) PR_SET_PDEATHSIG, and ends it if that is so already. It stands
// behind all that changes ids or capabilities, which takes it back.
func (p *Program) DieWithParent(sig unix.Signal) {
	p.Call(unix.SYS_PRCTL, Num(unix.PR_SET_PDEATHSIG), Num(int(sig)))
	// The end of the parent's socket is the end of the parent.
	heard := p.Reg("heard")
	p.Call(unix.SYS_RECVFROM, In(p.Sync), p.Data(make([]byte, 8)), Num(1), Num(unix.MSG_PEEK|unix.MSG_DONTWAIT), Num(0), Num(0)).Ignore(unix.EAGAIN).Save(heard)
	p.Call(unix.SYS_EXIT_GROUP, Num(exitFailed)).If(heard, 0)
}

// Rendezvous makes the child wait for Process.Go and returns the number of the
// wait, from 0. Unless quiet, Process.Next returns once the child is there. A
// child whose parent is gone exits.
func (p *Program) Rendezvous(quiet bool) int {
	if !quiet {
		p.add(opReport, 0)
	}
	p.add(opWait, 0, In(p.Sync))
	p.waits++
	return p.waits - 1
}

// SendFD sends descriptor fd over the socket sock with name as the message's
// text (SCM_RIGHTS, unix(7)).
func (p *Program) SendFD(sock, fd Reg, name string) *Insn {
	return p.add(opSendFD, 0, In(sock), In(fd), p.Str(name), Num(len(name)))
}

// SendBlank is SendFD with the text that Linked.Fill has put into b.
func (p *Program) SendBlank(sock, fd Reg, b Blank) *Insn {
	return p.add(opSendFD, 0, In(sock), In(fd), Arg{argData, b.at}, In(b.n))
}

// Receive keeps in fd the descriptor of the next message on the socket sock,
// as SendFD sends it. EPIPE: the other end was closed; EMFILE: it could not be
// taken, getrlimit(2).
func (p *Program) Receive(sock, fd Reg) *Insn { return p.add(opReceive, 0, In(sock)).Save(fd) }

// Fork clones the process with flags and goes on in the new one; the old one
// exits. With CLONE_PARENT the new process is the caller's child, as the old
// one was. A program forks at most once.
func (p *Program) Fork(flags uint64) *Insn {
	// The kernel writes the pid where the caller sees it before the new
	// process runs: it is known even if the old one is killed just then.
	pid := p.Data(make([]byte, 8))
	p.forked = pid.v
	args := cloneArgs{flags: flags | unix.CLONE_PARENT_SETTID}
	at := p.Data(Bytes(&args))
	word := at.v + unsafe.Offsetof(args.parentTID)
	if wordSize == 8 {
		binary.NativeEndian.PutUint64(p.data[word:], uint64(pid.v))
	} else {
		binary.NativeEndian.PutUint32(p.data[word:], uint32(pid.v))
	}
	p.fixups = append(p.fixups, word)
	return p.add(opFork, 0, at, Num(unsafe.Sizeof(args)))
}

// Accept waits on the listening socket for a connection that sends a word,
// and keeps it in conn. Connections that close without one are let go. A
// failure from here on is reported to the connection.
func (p *Program) Accept(listen, conn Reg) *Insn {
	p.accepts = true
	return p.add(opAccept, 0, In(listen)).Save(conn)
}

// Executes tells a starter, if there is one, that what comes is the execve and
// what that needs: it sees the same end of its connection after an execve as
// after a death. Exec begins with it, unless it was called.
func (p *Program) Executes() {
	if p.accepts {
		p.accepts = false
		// A starter that has gone keeps nothing from being executed.
		p.add(opReport, 0).Ignore(unix.EPIPE, unix.ECONNRESET)
	}
}

// Exec tries execve with each of paths, in order, as execvp(3) does along
// PATH: what is not there is passed over, and a file that may not be executed
// is the failure if nothing else can be.
func (p *Program) Exec(paths, argv, envp []string) *Insn {
	p.Executes()
	return p.add(opExec, 0, p.list(paths), p.list(argv), p.list(envp))
}

// Find fails with ENOENT, as Exec will, where none of paths is there. Whatever
// else stands in the way is for Exec to find out: it may be another user's.
func (p *Program) Find(paths []string, name string) *Insn {
	return p.add(opFind, 0, p.list(paths), p.Str(name))
}

// Spawned is a program that a child runs besides what it executes itself.
type Spawned struct {
	Path       string
	Argv, Envp []string
	// Stdin is what the program reads, with the child's pid in its own PID
	// namespace, in decimal, between the two.
	Stdin    [2]string
	Out, Err Reg // descriptors for its 1 and 2; 0 for the child's own
	Timeout  int // in seconds, 0 for none
}

// Sweep keeps what the child executes from inheriting any descriptor from 3 up
// but those to preserve, of those that there are. Whatever an instruction opens
// afterwards is close-on-exec anyway.
func (p *Program) Sweep() {
	p.swept = true
	p.Call(unix.SYS_CLOSE_RANGE, Num(3+p.Preserve), Num(-1), Num(unix.CLOSE_RANGE_CLOEXEC))
}

// Spawn runs a program as a process of its own, in a new session and with none
// of the child's descriptors but Out and Err, and waits for its end. An exit
// status but 0 is a failure; so is the timeout, after which the process and
// its group are killed. A seccomp filter that is loaded already has to allow
// only what it takes to start a process: behind a Sweep that are old calls.
func (p *Program) Spawn(s Spawned) *Insn {
	if !p.swept {
		p.Sweep()
	}
	texts := p.Words([]Arg{
		p.Str("state"), p.Str(s.Stdin[0]), Num(len(s.Stdin[0])), p.Str(s.Stdin[1]), Num(len(s.Stdin[1])), Num(s.Timeout),
	})
	fd := func(r Reg, own int) Arg {
		if r == 0 {
			return Num(own)
		}
		return In(r)
	}
	return p.add(opSpawn, 0, p.Str(s.Path), p.list(s.Argv), p.list(s.Envp), texts, fd(s.Out, 1), fd(s.Err, 2))
}

// CopyTree copies the content of directory src into directory dst: directories,
// regular files, symlinks, device nodes, fifos and sockets, with their modes
// and times, and with their owners as far as the user namespace has them. A
// tree deeper than 128 directories fails with ELOOP.
func (p *Program) CopyTree(src, dst Reg) *Insn { return p.add(opCopy, 0, In(src), In(dst)) }
