package link

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// maxDumps bounds how often a list is asked for that changes meanwhile.
const maxDumps = 100

// request sends an rtnetlink message and gives the payloads of the answers.
func (n *network) request(kind uint16, flags int, data ...nl.NetlinkRequestData) ([][]byte, error) {
	for tries := 1; ; tries++ {
		r := nl.NewNetlinkRequest(int(kind), flags)
		for _, d := range data {
			r.AddData(d)
		}
		answers, err := n.exchange(r)
		if tries == maxDumps || !errors.Is(err, nl.ErrDumpInterrupted) {
			return answers, err
		}
	}
}

// exchange sends r and receives all that answers it. (The library's own
// Execute, as of v1.3.1, panics over what the kernel says of a list that it
// refuses.)
func (n *network) exchange(r *nl.NetlinkRequest) ([][]byte, error) {
	sock := n.sock.Socket
	if err := sock.Send(r); err != nil {
		return nil, fault.Op(err, "send to rtnetlink")
	}
	var answers [][]byte
	interrupted := false
	for {
		messages, from, err := sock.Receive()
		if err != nil {
			return nil, fault.Op(err, "receive from rtnetlink")
		}
		if from.Pid != nl.PidKernel {
			continue // anybody may send to the socket
		}
		for _, m := range messages {
			if m.Header.Seq != r.Seq {
				continue
			}
			interrupted = interrupted || m.Header.Flags&unix.NLM_F_DUMP_INTR != 0
			switch {
			case m.Header.Type == unix.NLMSG_DONE || m.Header.Type == unix.NLMSG_ERROR:
				if err := refusal(m); err != nil {
					return nil, err
				}
			case m.Header.Flags&unix.NLM_F_MULTI != 0:
				answers = append(answers, m.Data)
				continue
			default:
				answers = append(answers, m.Data)
			}
			if interrupted {
				return answers, nl.ErrDumpInterrupted
			}
			return answers, nil
		}
	}
}

// refusal is the error of an NLMSG_ERROR or an NLMSG_DONE, with what the kernel
// says in words, netlink(7); nil for an acknowledgement.
func refusal(m syscall.NetlinkMessage) error {
	if len(m.Data) < 4 {
		return nil
	}
	errno := -int32(nl.NativeEndian().Uint32(m.Data))
	if errno == 0 {
		return nil
	}
	err := unix.Errno(errno)
	rest := m.Data[4:]
	if m.Header.Type == unix.NLMSG_ERROR {
		// The request that is refused comes back: its header, or all of it.
		size := unix.SizeofNlMsghdr
		if len(rest) >= size && m.Header.Flags&unix.NLM_F_CAPPED == 0 {
			size = int(nl.NativeEndian().Uint32(rest))
		}
		rest = rest[min((size+3)&^3, len(rest)):]
	}
	if m.Header.Flags&unix.NLM_F_ACK_TLVS == 0 {
		return err
	}
	attrs, bad := ParseAttrs(rest)
	if text := attrs.Get(nl.NLMSGERR_ATTR_MSG); bad == nil && text != nil {
		return fmt.Errorf("%w: %s", err, unix.ByteSliceToString(text))
	}
	return err
}
