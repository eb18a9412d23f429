package clone

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// Failure is an instruction that failed in a child, or the clone itself.
type Failure struct {
	Step  Step
	Call  string        // such as "fsconfig(size=64q)"
	Errno syscall.Errno // 0 if it is only the end of a spawned program
	Log   string        // the kernel's own words, from an fs context; how a spawned program ended
	Pid   int           // process that ran it
	// Filtered says that it came after the program's own seccomp filter. Not
	// known to Outcome.
	Filtered bool
}

// Error is "call: reason".
func (f *Failure) Error() string {
	if f.Log != "" {
		return f.Call + ": " + f.Log
	}
	return f.Call + ": " + f.Errno.Error()
}

func (f *Failure) Unwrap() error { return f.Errno }

// Fault is f with the config.json field it comes from.
func (f *Failure) Fault() *fault.Error {
	return &fault.Error{Field: strings.TrimSpace(f.Step.Field + " " + f.Step.Object), Err: f}
}

// set takes over what m says of the failure; log is the text that came with it.
func (f *Failure) set(m message, log []byte) {
	switch m.kind {
	case msgExited:
		f.Log = describe(unix.WaitStatus(m.errno))
	case msgTimeout:
		f.Errno, f.Log = unix.ETIMEDOUT, fmt.Sprintf("has not ended within %d s, and was killed", m.errno)
	default:
		f.Errno, f.Log = syscall.Errno(m.errno), fsLog(log)
	}
}

// receive reads one message; io.EOF when the other end is closed.
func receive(sock int) (message, []byte, error) {
	var m message
	for {
		// Mostly it is short: a label's three texts and a log may follow.
		buf := make([]byte, 64)
		n, err := 0, error(nil)
		size, _, errno := syscall.Syscall6(unix.SYS_RECVFROM, uintptr(sock), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), unix.MSG_PEEK|unix.MSG_TRUNC, 0, 0)
		if errno != 0 {
			err = errno
		} else {
			if int(size) > len(buf) {
				buf = make([]byte, size)
			}
			n, err = unix.Read(sock, buf)
		}
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ECONNRESET || err == nil && n == 0:
			return m, nil, io.EOF
		case err != nil:
			return m, nil, err
		case n < int(unsafe.Sizeof(m)):
			return m, nil, unix.EBADMSG
		}
		copy(Bytes(&m), buf)
		return m, buf[unsafe.Sizeof(m):n], nil
	}
}

// Outcome reads from a connection to a program's Accept until it knows how
// the execve went: nil, a *Failure, or that the process ended before it.
func Outcome(sock int) error {
	executes := false
	for {
		m, text, err := receive(sock)
		switch {
		case errors.Is(err, io.EOF) && executes:
			return nil
		case errors.Is(err, io.EOF):
			return fault.Op(nil, "the container's process ended before it executed anything")
		case err != nil:
			return fault.Op(err, "hear from the container's init")
		case m.kind == msgReached:
			executes = true
			continue
		}
		parts := strings.SplitN(string(text), "\x00", 4)
		if m.kind < msgFailed || m.kind > msgTimeout || len(parts) != 4 {
			return fault.Op(unix.EBADMSG, "hear from the container's init")
		}
		f := &Failure{Step: Step{parts[0], parts[1]}, Call: parts[2]}
		f.set(m, []byte(parts[3]))
		return f
	}
}

// fsLog makes one line of an fs context's messages: "e tmpfs: Bad value" and
// its like, errors before warnings and notes (fsopen(2)).
func fsLog(text []byte) string {
	var errs, rest []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch msg, isErr := strings.CutPrefix(line, "e "); {
		case isErr:
			errs = append(errs, msg)
		case len(line) > 2:
			rest = append(rest, line[2:])
		}
	}
	if len(errs) == 0 {
		errs = rest
	}
	return strings.Join(errs, "; ")
}
