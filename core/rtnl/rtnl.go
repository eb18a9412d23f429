// Package rtnl speaks rtnetlink(7): the socket, the messages, their attributes,
// and the kernel's own words for what it refuses.
package rtnl

import (
	"bytes"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// timeout bounds the wait for an answer, in seconds.
const timeout = 60

// leastBuffer is the size of the kernel's largest piece of a list. It makes the
// pieces smaller for one who receives less at a time.
const leastBuffer = 32 << 10

// A Conn is an rtnetlink socket, in the network namespace in which it was
// opened. It carries one request at a time.
type Conn struct {
	fd   int
	seq  uint32
	buf  []byte
	peer unix.SockaddrNetlink // the kernel
}

// Open makes a socket in the network namespace of the calling thread. The
// caller closes it.
func Open() (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fault.Op(err, "open an rtnetlink socket")
	}
	c := &Conn{fd: fd, peer: unix.SockaddrNetlink{Family: unix.AF_NETLINK}}
	// One without a number of its own is in no list of sockets, by which strace(1)
	// knows the protocol.
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		c.Close()
		return nil, fault.Op(err, "bind an rtnetlink socket")
	}
	// With the errno, the kernel tells in words what it does not like.
	if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1); err != nil {
		c.Close()
		return nil, fault.Op(err, "setsockopt(NETLINK_EXT_ACK)")
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: timeout}); err != nil {
		c.Close()
		return nil, fault.Op(err, "set the timeout of an rtnetlink socket")
	}
	return c, nil
}

// CheckStrictly has the kernel look at what a list is to be of, and say what it
// does not understand (Linux 4.20).
func (c *Conn) CheckStrictly() error {
	if err := unix.SetsockoptInt(c.fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1); err != nil {
		return fault.Op(err, "setsockopt(NETLINK_GET_STRICT_CHK)")
	}
	return nil
}

// Close closes the socket; a second time it does nothing.
func (c *Conn) Close() {
	if c.fd >= 0 {
		unix.Close(c.fd)
	}
	c.fd = -1
}

// receive gives the next datagram that is the kernel's: anybody may send to the
// socket.
func (c *Conn) receive() ([]byte, error) {
	for {
		// What does not fit would be lost, so its size is asked for first.
		size, _, err := c.recvfrom(nil, unix.MSG_PEEK|unix.MSG_TRUNC)
		if err != nil {
			return nil, err
		}
		if size > len(c.buf) {
			c.buf = make([]byte, max(size, leastBuffer))
		}
		n, from, err := c.recvfrom(c.buf, 0)
		if err != nil {
			return nil, err
		}
		if from, ok := from.(*unix.SockaddrNetlink); ok && from.Pid == 0 {
			return bytes.Clone(c.buf[:n]), nil
		}
	}
}

// recvfrom is recvfrom(2) again after a signal, which ends it whatever the
// signal's flags where there is a timeout, signal(7).
func (c *Conn) recvfrom(b []byte, flags int) (n int, from unix.Sockaddr, err error) {
	for {
		n, from, err = unix.Recvfrom(c.fd, b, flags)
		if err != unix.EINTR {
			return n, from, err
		}
	}
}
