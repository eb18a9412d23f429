package clone

import "unsafe"

// The arena is one anonymous shared mapping, laid out as
//
//	header | registers | instructions | scratch | copyState | data | labels
//
// It never moves and the garbage collector does not know it. The parent fills
// it before the clone; after that the child writes registers, results and
// scratch, and the parent only reads. Offsets are from its start; what a
// system call takes is an address.
type header struct {
	code    uintptr // offset of the first Insn
	data    uintptr // offset of what arguments refer to
	regs    uintptr // offset of the registers, one uintptr each
	scratch uintptr // offset of a scratch
	copy    uintptr // offset of a copyState, in a program with an opCopy
	ncode   uint32
	pc      uint32 // instruction that runs, or ran last
	report  uint32 // register with the descriptor that reports go to
	sync    uint32 // register with the socket to the parent
	inherit uint32 // the first descriptor that what is executed does not inherit
	state   uint32 // of the instruction pc; written by the child, as the next
	errno   uint32 // of it
	labels  uint32 // offset of a label for each instruction from labeled on
	labeled uint32 // 0 where none has one
}

// label is a text that goes with the report of a failure.
type label struct{ at, size uint32 }

// Kinds of instruction.
const (
	opCall    = iota // a system call
	opOpen           // open-in-root
	opStat           // check, or tell, what a descriptor refers to
	opWait           // wait for the parent's word
	opReport         // tell the parent that this point is reached
	opSendFD         // send a descriptor
	opReceive        // receive a descriptor
	opFork           // clone once more; the child goes on
	opAccept         // wait for a connection, and for the word on it
	opExec           // execve, along a list of paths
	opFind           // fail where that would find nothing to execute
	opCopy           // copy a directory's content
	opSpawn          // run a program as a child, and wait for its end
	opOwner          // tell whose a descriptor is
	opAmbient        // make what is permitted ambient
	opImage          // execute from another file of the same content
)

// What an instruction came to.
const (
	stateNew = iota
	stateRunning
	stateDone
	stateSkipped
)

// An Insn is one instruction. Register 0 means "none". There are hundreds, and every page of
// them is one that has to be had: it is kept small.
type Insn struct {
	op     uint8
	flags  uint8 // negated, and the number of arguments
	nr     uint16
	kinds  uint16    // two bits for each argument, an argKind
	ignore [3]uint16 // errnos that are no failure; the result is then its negative
	step   uint32    // what it belongs to, for who built it
	save   Reg       // takes the result
	cond   Reg       // is compared with value
	log    Reg       // fs context whose log explains a failure
	value  uintptr
	args   [maxArgs]uint32
}

const (
	negated = 1 // in flags: it runs unless cond holds value, and otherwise only if it does

	// nargs is how many arguments there are, in flags.
	nargsShift = 1

	maxArgs  = 6
	kindBits = 2
)

// scratch is the child's working memory.
type scratch struct {
	msg  message
	iov  [3]iovec
	hdr  msghdr
	cmsg cmsg
	how  openHow
	word [8]byte // what opWait and opAccept read into
	stat [256]byte
	path [2 * pathMax]byte // open-in-root's path, cut at component borders
	link [pathMax]byte
	text [pathMax]byte // log of an fs context

	// What opSpawn has of its process.
	poll   pollFD
	left   [2]uintptr // timespec of ppoll(2), of longs
	sigset uint64
	status uint32 // of wait4(2)
	errno  uint32 // why it executed nothing, by itself
}

type pollFD struct {
	fd              int32
	events, revents int16
}

// spawnArgs are arguments of opSpawn, as words in the data.
type spawnArgs struct {
	name            uintptr // of the file that is standard input
	before, nbefore uintptr // its text up to the pid
	after, nafter   uintptr // and from there on
	seconds         uintptr // timeout, 0 for none
}

// maxDigits is room for a pid in decimal.
const maxDigits = 20

const pathMax = 4096 // PATH_MAX of limits.h

// message is a report. A failure is followed by the instruction's label and the
// log text, in the same datagram.
type message struct {
	kind  uint32
	pc    uint32
	errno uint32 // or what the kind says
}

const (
	msgReached = 1 + iota // the program stands at the opWait after pc, or for a starter before its opExec
	msgFailed
	msgExited  // a spawned program failed: errno is its status, wait4(2)
	msgTimeout // and did not end: errno is its timeout in seconds
)

type iovec struct{ base, len uintptr }

// msghdr and cmsg are those of sendmsg(2) with every pointer a uintptr: the
// child stores no Go pointer. The size of cmsg is CMSG_SPACE(4), with no word
// too many: a 64-bit kernel takes that for one more header of a 32-bit caller's.
type msghdr struct {
	name       uintptr
	namelen    uint32
	iov        uintptr
	iovlen     uintptr
	control    uintptr
	controllen uintptr
	flags      int32
}

type cmsg struct {
	len   uintptr
	level int32
	typ   int32
	fd    int32
}

type openHow struct{ flags, mode, resolve uint64 }

// Layout of struct statx, statx(2).
const (
	statxUID   = 20
	statxGID   = 24
	statxMode  = 28
	statxAtime = 64
	statxMtime = 112
	statxMajor = 128
	statxMinor = 132
)

// copyState is the stack of directories that opCopy is in.
type copyState struct {
	level [copyDepth]copyLevel
	times [4]int64 // two timespecs with 64 bits a field, as the kernel's own
}

type copyLevel struct {
	src, dst uintptr // descriptors
	pos, n   uintptr // in buf
	buf      [4096]byte
}

// copyDepth bounds how deep a tree opCopy takes; deeper is ELOOP.
const copyDepth = 128

// Layout of struct linux_dirent64, getdents(2).
const (
	direntReclen = 16
	direntName   = 19
)

const (
	headerSize  = unsafe.Sizeof(header{})
	insnSize    = unsafe.Sizeof(Insn{})
	scratchSize = unsafe.Sizeof(scratch{})
	wordSize    = unsafe.Sizeof(uintptr(0))
)
