package pty

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"

	"ocibox/core/early"
	"ocibox/core/fault"
)

// Options are what ends a Relay besides the end of the session.
type Options struct {
	// Signals brings those that end the relay at once with an Interrupted.
	// With nil, signals are the caller's matter (SIGWINCH and SIGCONT are
	// handled either way). A caller that uses Signals asks for it before it
	// takes the pty, so that none is missed.
	Signals <-chan os.Signal

	// Done, once closed, makes the relay copy what the pty holds and return,
	// though someone may still have it open: a process that the container's
	// own left behind. nil waits for the pty's end.
	Done <-chan struct{}
}

// Interrupted is the error of a Relay that a signal ended.
type Interrupted struct{ Signal syscall.Signal }

func (e Interrupted) Error() string {
	return fmt.Sprintf("interrupted by %s", unix.SignalName(e.Signal))
}

// Signals catches SIGHUP, SIGINT, SIGQUIT and SIGTERM, except those that the
// process was told to ignore (nohup, a shell's background job), until stop is
// called.
func Signals() (c <-chan os.Signal, stop func()) {
	ch := make(chan os.Signal, 4) // one of each
	for _, s := range []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM} {
		if !signal.Ignored(s) {
			signal.Notify(ch, s)
		}
	}
	return ch, func() { signal.Stop(ch) }
}

// interruptGrace is how long an interrupted relay waits for a write to out that
// has begun, which nothing can cut short.
const interruptGrace = 200 * time.Millisecond

// suspendGrace lets a signal that came along with SIGCONT (a shell's kill sends
// both to a stopped job) end the relay before the terminal stops it again.
const suspendGrace = 50 * time.Millisecond

// Relay copies between the pty behind master and the caller's in and out until
// the pty's other side is closed and all that was written there is in out. nil
// for in reads nothing; the end of in does not end the relay.
//
// If in is a terminal it is raw meanwhile, and restored at every return. In its
// background the process is stopped, until the shell brings it to the front. The
// pty follows the size of the caller's terminal. Line ends are made once: the
// pty's ONLCR is cleared unless out is a terminal that was made raw.
//
// After the return in is not read any more, so the next key is the caller's.
// Only after Interrupted, a write to out that is blocked may still be under way.
// master stays open.
func Relay(master, in *os.File, out io.Writer, o Options) error {
	m, release, err := pollable(master)
	if err != nil {
		return err
	}
	defer release()
	pty, err := console.ConsoleFromFile(m)
	if err != nil {
		return fault.Op(err, "relay")
	}

	winch, cont, pipe := make(chan os.Signal, 1), make(chan os.Signal, 1), make(chan os.Signal, 1)
	defer signal.Stop(winch)
	defer signal.Stop(cont)
	defer signal.Stop(pipe)
	// Without it, a write to a standard output that nobody reads kills the
	// process, and leaves the terminal raw (os/signal, SIGPIPE).
	signal.Notify(pipe, unix.SIGPIPE)
	host := findTerminal(in, out)
	if host != nil {
		signal.Notify(winch, unix.SIGWINCH)
		signal.Notify(cont, unix.SIGCONT)
	}
	if !host.takesRaw() {
		if err := console.ClearONLCR(m.Fd()); err != nil {
			return fault.Op(err, "set the pty's line ends")
		}
	}
	defer host.restore()
	var keys *input
	defer func() { keys.stop() }()
	var suspend <-chan time.Time
	enter := func() (err error) {
		if !host.foreground() {
			suspend = time.After(suspendGrace)
			return nil
		}
		if err := host.setRaw(); err != nil {
			return err
		}
		host.resize(pty)
		if keys == nil {
			keys, err = startInput(m, in)
		}
		return err
	}
	if err := enter(); err != nil {
		return err
	}
	early.Stay()
	output := make(chan error, 1)
	go func() { output <- copyOutput(m, out) }()
	for {
		select {
		case err := <-output:
			if inErr := keys.stop(); err == nil {
				err = inErr
			}
			return err
		case <-winch:
			host.resize(pty)
		case <-cont:
			// A terminal that has gone brings this too, behind its SIGHUP.
			_ = enter()
		case <-suspend:
			host.suspend()
		case <-o.Done:
			o.Done = nil
			m.SetReadDeadline(time.Unix(1, 0))
		case s := <-o.Signals:
			m.Close()
			select {
			case <-output:
			case <-time.After(interruptGrace):
			}
			number, _ := s.(syscall.Signal)
			return Interrupted{number}
		}
	}
}

// pollable gives a descriptor of its own for master, so that a caller who
// closes master does not pull the number from under a copy, in the non-blocking
// mode that lets its reads and writes be ended.
func pollable(master *os.File) (m *os.File, release func(), err error) {
	raw, err := master.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	fd, flags := -1, 0
	var errno error
	err = raw.Control(func(old uintptr) {
		if flags, errno = unix.FcntlInt(old, unix.F_GETFL, 0); errno != nil {
			return
		}
		if errno = unix.SetNonblock(int(old), true); errno != nil {
			return
		}
		fd, errno = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = errno
	}
	if err != nil {
		return nil, nil, fault.Op(err, "relay")
	}
	m = os.NewFile(uintptr(fd), "pty")
	release = func() {
		m.Close()
		if flags&unix.O_NONBLOCK == 0 {
			raw.Control(func(old uintptr) { unix.SetNonblock(int(old), false) })
		}
	}
	if err := m.SetDeadline(time.Time{}); err != nil {
		release()
		return nil, nil, fault.Op(err, "relay")
	}
	return m, release, nil
}

// ended says that a read or write of the master failed because the other side
// is closed, or the relay over.
func ended(err error) bool {
	return errors.Is(err, unix.EIO) || errors.Is(err, os.ErrClosed)
}
