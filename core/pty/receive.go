package pty

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

const (
	nameMax = 4096 // PATH_MAX, as runc has it
	fdMax   = 253  // SCM_MAX_FD: no message brings more
)

// Receive takes the master of a pty from conn, a connection of a console
// socket or one end of a socketpair, and gives the name that came with it,
// which may be empty. The master is close-on-exec and non-blocking. A message
// with no descriptor, with several, or with one that is not a terminal is an
// error, and nothing that it brought stays open. Closing a non-blocking conn
// ends the wait with os.ErrClosed.
func Receive(conn *os.File) (master *os.File, name string, err error) {
	text := make([]byte, nameMax)
	control := make([]byte, unix.CmsgSpace(4*fdMax))
	var n, cn, flags int
	err = whenReadable(conn, func(s int) (err error) {
		n, cn, flags, _, err = unix.Recvmsg(s, text, control, unix.MSG_CMSG_CLOEXEC)
		return err
	})
	if err == os.ErrClosed {
		return nil, "", err
	}
	if err != nil {
		return nil, "", fault.Op(err, "receive a terminal")
	}
	fds := descriptors(control[:cn])
	if err := verify(fds, n, flags); err != nil {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return nil, "", err
	}
	// x/sys and others send one NUL for an empty name, as the kernel passes no
	// descriptor along with no text.
	name = strings.TrimRight(string(text[:n]), "\x00")
	return os.NewFile(uintptr(fds[0]), name), name, nil
}

// descriptors gives every descriptor in the control data, which now are the
// caller's to close.
func descriptors(control []byte) (fds []int) {
	for len(control) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			break
		}
		m := unix.SocketControlMessage{Header: h, Data: data}
		if got, err := unix.ParseUnixRights(&m); err == nil {
			fds = append(fds, got...)
		}
		control = rest
	}
	return fds
}

func verify(fds []int, n, flags int) error {
	switch {
	case flags&unix.MSG_CTRUNC != 0:
		// The buffer holds what any message can bring, so it is not that.
		return fault.Op(nil, "receive a terminal: descriptors were lost on the way (too many open files, or a security module)")
	case len(fds) == 0 && n == 0:
		return fault.Op(nil, "receive a terminal: the sender closed the connection without sending one")
	case len(fds) != 1:
		return fault.Op(nil, "receive a terminal: %d descriptors came, 1 expected", len(fds))
	}
	if _, err := unix.IoctlGetTermios(fds[0], unix.TCGETS); err != nil {
		return fault.Op(err, "receive a terminal: the descriptor that came is none")
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return fault.Op(err, "receive a terminal")
	}
	return nil
}
