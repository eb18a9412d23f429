//go:build amd64 || arm64 || riscv64

package strace

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"ocibox/core/decode"
	"ocibox/core/fault"
)

// sink is a file of lines. A line may be open: a call that has not ended.
type sink struct {
	w      io.Writer
	buf    []byte
	column int
	owner  *thread // whose line is open
}

// thread is what is known of a tracee.
type thread struct {
	tid      int
	sink     *sink
	call     *decode.Call // that it is in, nil for none
	shown    bool         // the call is printed
	cut      bool         // its line was ended for somebody else's
	since    time.Time    // when the call began
	system   int64        // system time used until then
	arch     uint32       // of its last call
	previous string       // name of its last call
	starting bool         // it is strace-lite's own, until it has executed the program
}

// print writes to the open line.
//
//go:noinline
func (s *sink) print(strs ...string) {
	for _, text := range strs {
		s.buf = append(s.buf, text...)
		s.column += len(text)
	}
}

// end ends the open line.
func (s *sink) end() {
	s.buf = append(s.buf, '\n')
	s.column, s.owner = 0, nil
}

// flush hands what was printed to the file.
func (s *sink) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	_, err := s.w.Write(s.buf)
	s.buf = s.buf[:0]
	if err != nil {
		return fault.Op(err, "write the trace")
	}
	return nil
}

// lead begins a line of t, with the process and the time as the options ask
// for; it cuts another one's that is open.
func (r *run) lead(t *thread) *sink {
	s := t.sink
	if s.owner != nil && s.column > 0 {
		s.owner.cut = true
		s.print(" <unfinished ...>")
		s.end()
	}
	s.owner = t
	switch {
	case r.toFile() && *r.follow > 0 && !r.separate():
		s.print(fmt.Sprintf("%-5d ", t.tid))
	case !r.toFile() && len(r.threads) > 1:
		s.print(fmt.Sprintf("[pid %5d] ", t.tid))
	}
	r.clock(s)
	return s
}

// clock prints the time as the options ask for.
func (r *run) clock(s *sink) {
	if *r.times == 0 && !*r.relative {
		return
	}
	now := time.Now()
	if *r.relative {
		var since time.Duration
		if !r.last.IsZero() {
			since = now.Sub(r.last)
		}
		r.last = now
		s.print(seconds("%6d.%06d ", since))
	}
	layout := [...]string{"", "15:04:05 ", "15:04:05.000000 ", ".000000 "}[min(*r.times, 3)]
	if *r.times > 2 {
		s.print(strconv.FormatInt(now.Unix(), 10))
	}
	s.print(now.Format(layout))
}

// seconds formats the seconds and microseconds of d.
func seconds(format string, d time.Duration) string {
	us := d.Microseconds()
	return fmt.Sprintf(format, us/1e6, us%1e6)
}

// toFile tells whether the trace goes to a file of its own.
func (r *run) toFile() bool { return *r.output != "" }

// line prints a whole line of t.
func (r *run) line(t *thread, text string) error {
	s := r.lead(t)
	s.print(text)
	s.end()
	return s.flush()
}

// result prints the result of a call behind its arguments, from the column on.
func (r *run) result(t *thread, args, result string) error {
	s := t.sink
	if s.owner != t || t.cut {
		s = r.lead(t)
		s.print("<... ", t.call.Name(), " resumed>")
		t.cut = false
	}
	s.print(args)
	s.print(strings.Repeat(" ", max(1, *r.column-s.column)), result)
	if *r.took {
		s.print(seconds(" <%d.%06d>", time.Since(t.since)))
	}
	s.end()
	return s.flush()
}

// open makes the sink of thread tid.
func (r *run) open(tid int) (*sink, error) {
	if !r.separate() {
		return r.common, nil
	}
	return r.file(*r.output + "." + strconv.Itoa(tid))
}

// file is a sink that writes to path.
func (r *run) file(path string) (*sink, error) {
	how := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if *r.appnd {
		how = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	f, err := os.OpenFile(path, how, 0o666)
	if err != nil {
		return nil, err
	}
	return &sink{w: f}, nil
}
