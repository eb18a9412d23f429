package link

import (
	"errors"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/rtnl"
)

// ownNS is the network namespace of the calling thread.
const ownNS = "/proc/thread-self/ns/net"

// network is a network namespace, held by a descriptor of it, with an rtnetlink
// socket in it.
type network struct {
	file *os.File
	conn *rtnl.Conn
}

// openNetwork opens the namespace that path refers to.
func openNetwork(path string) (*network, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fault.Op(err, "open a network namespace")
	}
	n := &network{file: file}
	if path == ownNS {
		err = n.connect()
	} else {
		err = n.within(n.connect)
	}
	if err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// within calls f with the thread in the namespace.
func (n *network) within(f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open(ownNS)
	if err != nil {
		runtime.UnlockOSThread()
		return fault.Op(err, "open the own network namespace")
	}
	defer home.Close()
	if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fault.Op(err, "enter network namespace %s", n.file.Name())
	}
	err = f()
	if e := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); e != nil {
		// The thread stays locked: no other goroutine shall run in there.
		return errors.Join(fault.Op(e, "leave network namespace %s", n.file.Name()), err)
	}
	runtime.UnlockOSThread()
	return err
}

// connect makes the socket, in the namespace that the thread is in.
func (n *network) connect() (err error) {
	n.conn, err = rtnl.Open()
	return err
}

func (n *network) close() {
	if n.conn != nil {
		n.conn.Close()
	}
	n.file.Close()
}

// same says whether both are one namespace, namespaces(7).
func (n *network) same(other *network) (bool, error) {
	a, err := n.file.Stat()
	if err != nil {
		return false, err
	}
	b, err := other.file.Stat()
	return err == nil && os.SameFile(a, b), err
}
