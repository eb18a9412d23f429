// Package ere matches POSIX extended regular expressions, regex(7), with \d, \w
// and \s. Package regexp would be a twenty-fourth of the binary, for the ids of
// containers.
package ere

// Expr is an expression that was read. It is a program for many threads that
// go through a text side by side: the time is that of the text times that of
// the expression, whatever that is.
type Expr struct{ code []inst }

type inst struct {
	op   op
	set  set // of opByte
	x, y int // where opSplit goes on, and x of opJump
}

type op uint8

const (
	opByte op = iota // one of a set
	opBegin
	opEnd
	opSplit
	opJump
	opMatch
)

// set is a set of bytes.
type set [4]uint64

func (s *set) add(from, to byte) {
	for c := int(from); c <= int(to); c++ {
		s[c>>6] |= 1 << (c & 63)
	}
}

func (s *set) has(c byte) bool { return s[c>>6]>>(c&63)&1 != 0 }

func (s *set) join(t set) {
	for i := range s {
		s[i] |= t[i]
	}
}

func (s *set) invert() {
	for i := range s {
		s[i] = ^s[i]
	}
}

// Match tells whether the expression matches anywhere in the text.
func (e *Expr) Match(text string) bool {
	seen := make([]int, len(e.code)) // the position at which a thread was last there, and one
	var now, next []int
	for at := 0; ; at++ {
		now = e.thread(now, 0, at, text, seen)
		next = next[:0]
		for _, pc := range now {
			switch i := &e.code[pc]; {
			case i.op == opMatch:
				return true
			case at < len(text) && i.set.has(text[at]):
				next = e.thread(next, pc+1, at+1, text, seen)
			}
		}
		if at == len(text) {
			return false
		}
		now, next = next, now
	}
}

// thread adds to list what a thread at pc comes to before it takes a byte.
func (e *Expr) thread(list []int, pc, at int, text string, seen []int) []int {
	if seen[pc] == at+1 {
		return list
	}
	seen[pc] = at + 1
	switch i := &e.code[pc]; i.op {
	case opJump:
		return e.thread(list, i.x, at, text, seen)
	case opSplit:
		return e.thread(e.thread(list, i.x, at, text, seen), i.y, at, text, seen)
	case opBegin:
		if at > 0 {
			return list
		}
		return e.thread(list, pc+1, at, text, seen)
	case opEnd:
		if at < len(text) {
			return list
		}
		return e.thread(list, pc+1, at, text, seen)
	}
	return append(list, pc)
}
