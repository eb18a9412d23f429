package rtnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// maxDumps bounds how often a list is asked for that changes meanwhile.
const maxDumps = 100

// errInterrupted is of a list that has changed meanwhile, NLM_F_DUMP_INTR.
var errInterrupted = errors.New("results may be incomplete or inconsistent")

// A Header is the fixed part of a message, or a value within one.
type Header interface {
	unix.IfInfomsg | unix.IfAddrmsg | unix.RtMsg | unix.NdMsg | unix.RtNexthop | unix.IfaCacheinfo
}

// BytesOf is the memory of a header, to be read or written.
func BytesOf[T Header](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// Request sends a message of that type, with a fixed part and attributes, and
// gives the payloads of the answers. flags are NLM_F_ flags, netlink(7): without
// NLM_F_ACK or NLM_F_DUMP, the kernel has to have an answer to it.
func (c *Conn) Request(kind uint16, flags int, header []byte, attrs Attrs) ([][]byte, error) {
	if err := attrs.check(); err != nil {
		return nil, err
	}
	for tries := 1; ; tries++ {
		answers, err := c.exchange(kind, uint16(flags), header, attrs)
		if tries == maxDumps || err != errInterrupted {
			return answers, err
		}
	}
}

// exchange sends a message and receives all that answers it.
func (c *Conn) exchange(kind, flags uint16, header []byte, attrs Attrs) ([][]byte, error) {
	c.seq++
	m := message{kind: kind, flags: flags | unix.NLM_F_REQUEST, seq: c.seq, data: attrs.appendTo(slices.Clip(header))}
	if err := unix.Sendto(c.fd, m.bytes(), 0, &c.peer); err != nil {
		return nil, fault.Op(err, "send to rtnetlink")
	}
	a := answer{seq: c.seq}
	for {
		b, err := c.receive()
		if err != nil {
			return nil, fault.Op(err, "receive from rtnetlink")
		}
		if last, err := a.take(b); err != nil {
			return nil, err
		} else if last {
			return a.payloads, nil
		}
	}
}

// A message is a struct nlmsghdr and what follows it.
type message struct {
	kind, flags uint16
	seq         uint32
	data        []byte
}

func (m *message) bytes() []byte {
	b := make([]byte, unix.SizeofNlMsghdr+len(m.data)) // in which the sender's number stays 0
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], m.kind)
	binary.NativeEndian.PutUint16(b[6:], m.flags)
	binary.NativeEndian.PutUint32(b[8:], m.seq)
	copy(b[unix.SizeofNlMsghdr:], m.data)
	return b
}

// cutMessage gives the first message of b, and what follows it.
func cutMessage(b []byte) (m message, rest []byte, ok bool) {
	if len(b) < unix.SizeofNlMsghdr {
		return m, nil, false
	}
	length := binary.NativeEndian.Uint32(b)
	if length < unix.SizeofNlMsghdr || uint64(length) > uint64(len(b)) {
		return m, nil, false
	}
	size := int(length)
	m = message{
		kind:  binary.NativeEndian.Uint16(b[4:]),
		flags: binary.NativeEndian.Uint16(b[6:]),
		seq:   binary.NativeEndian.Uint32(b[8:]),
		data:  b[unix.SizeofNlMsghdr:size],
	}
	return m, b[min(align(size), len(b)):], true
}

// An answer is what has come so far to the request with that number.
type answer struct {
	seq         uint32
	payloads    [][]byte
	interrupted bool
}

// take adds a datagram, and says whether it has the last of the answer.
func (a *answer) take(b []byte) (last bool, err error) {
	for more := true; more; more = len(b) > 0 {
		m, rest, ok := cutMessage(b)
		if !ok {
			return false, errBroken()
		}
		b = rest
		if m.seq != a.seq { // of a request that failed
			continue
		}
		a.interrupted = a.interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
		if m.kind == unix.NLMSG_DONE || m.kind == unix.NLMSG_ERROR {
			if err := m.refusal(); err != nil {
				return false, err
			}
		} else {
			a.payloads = append(a.payloads, m.data)
			if m.flags&unix.NLM_F_MULTI != 0 {
				continue
			}
		}
		if a.interrupted {
			return false, errInterrupted
		}
		return true, nil
	}
	return false, nil
}

// refusal is the error of an NLMSG_ERROR or an NLMSG_DONE, with what the kernel
// says in words, netlink(7); nil for an acknowledgement.
func (m *message) refusal() error {
	if len(m.data) < 4 {
		if m.kind == unix.NLMSG_ERROR {
			return errBroken()
		}
		return nil
	}
	errno := -int32(binary.NativeEndian.Uint32(m.data))
	if errno == 0 {
		return nil
	}
	err := unix.Errno(errno)
	rest := m.data[4:]
	if m.kind == unix.NLMSG_ERROR {
		// The request that is refused comes back: its header, or all of it.
		size := uint64(unix.SizeofNlMsghdr)
		if len(rest) >= unix.SizeofNlMsghdr && m.flags&unix.NLM_F_CAPPED == 0 {
			size = uint64(binary.NativeEndian.Uint32(rest))
		}
		rest = rest[min(align(int(min(size, uint64(len(rest))))), len(rest)):]
	}
	if m.flags&unix.NLM_F_ACK_TLVS == 0 {
		return err
	}
	attrs, bad := ParseAttrs(rest)
	if text := attrs.Get(unix.NLMSGERR_ATTR_MSG); bad == nil && text != nil {
		return fmt.Errorf("%w: %s", err, unix.ByteSliceToString(text))
	}
	return err
}
