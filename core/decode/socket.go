package decode

import (
	"encoding/binary"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/inet"
	"ocibox/core/names"
)

// socket prints what calls on sockets point to; it is false for another kind,
// and where the memory cannot be read.
func (p *printer) socket(kind string, i int, v, length uint64) bool {
	c := p.c
	switch kind {
	case "sockaddr":
		if p.exit { // the length is where another argument points to
			b, ok := p.read(length, 4)
			if !ok {
				return false
			}
			if c.before != unknown {
				length = min(c.before, number(b))
			}
		}
		return p.sockaddr(v, uint64(uint32(length)))
	case "socklen":
		b, ok := p.read(v, 4)
		if !ok {
			return false
		}
		p.s("[")
		p.changed(number(b))
		p.s("]")
	case "optlen":
		return p.socket("socklen", i, v, length)
	case "iov", "riov", "iovs":
		n := length
		left := uint64(1) << 62
		if kind == "riov" {
			left = uint64(c.Ret)
		}
		p.iovec(v, n, left, kind == "iovs")
	case "msghdr", "rmsghdr":
		return p.msghdr(v, kind == "rmsghdr")
	case "netbuf":
		if family, ok := p.read(c.Args[4], 2); !ok || number(family) != unix.AF_NETLINK || !p.netlink(v, length) {
			p.bytes(v, length)
		}
	case "optin":
		if length == 4 {
			b, ok := p.read(v, 4)
			if !ok {
				return false
			}
			p.s("[")
			p.d(signed(number(b), 4))
			p.s("]")
			return true
		}
		p.bytes(v, length)
	case "optout":
		b, ok := p.read(length, 4)
		if !ok {
			return false
		}
		return p.option(v, number(b))
	default:
		return false
	}
	return true
}

// changed prints a length that the call was given and has overwritten.
func (p *printer) changed(now uint64) {
	if before := p.c.before; before != unknown && before != now {
		p.u(before)
		p.s(" => ")
	}
	p.u(now)
}

// option is what getsockopt(2) has put at addr.
func (p *printer) option(addr, length uint64) bool {
	const most = 64
	b, ok := p.read(addr, min(length, most))
	if !ok {
		return false
	}
	switch {
	case p.c.Args[1] == unix.SOL_SOCKET && p.c.Args[2] == unix.SO_PEERCRED && length == 12:
		p.braces(b, ucred)
	case length == 4:
		p.s("[")
		p.d(signed(number(b), 4))
		p.s("]")
	default:
		p.bytes(addr, length)
	}
	return true
}

// ucred is struct ucred, unix(7).
const ucred = "pid=u4@0 uid=u4@4 gid=u4@8"

// sockaddr is one of the structures of sockaddr(3type).
func (p *printer) sockaddr(addr, length uint64) bool {
	const most = 128 // struct sockaddr_storage
	b, ok := p.read(addr, min(length, most))
	if !ok || len(b) < 2 {
		return false
	}
	family := number(b[:2])
	data := b[2:]
	p.s("{sa_family=", names.Families.Format(family))
	port := func(name string) {
		p.s(", ", name, "=htons(")
		p.u(uint64(binary.BigEndian.Uint16(data)))
		p.s(")")
	}
	switch {
	case family == unix.AF_UNIX:
		if len(data) == 0 {
			break
		}
		p.s(", sun_path=")
		if data[0] == 0 {
			p.s("@")
			p.b = p.quote(p.b, data[1:])
		} else {
			p.b = p.quote(p.b, cut(data))
		}
	case family == unix.AF_INET && len(data) >= 6:
		port("sin_port")
		p.s(", sin_addr=inet_addr(")
		p.b = p.quote(p.b, []byte(inet.Addr(data[2:6]).String()))
		p.s(")")
	case family == unix.AF_INET6 && len(data) >= 26:
		port("sin6_port")
		p.s(", sin6_flowinfo=htonl(")
		p.u(uint64(binary.BigEndian.Uint32(data[2:])))
		p.s("), inet_pton(AF_INET6, ")
		p.b = p.quote(p.b, []byte(inet.Addr(data[6:22]).String()))
		p.s(", &sin6_addr), ")
		p.members(b, "sin6_scope_id=u4@24")
	case family == unix.AF_NETLINK && len(data) >= 10:
		groups := strconv.FormatUint(number(data[6:10]), 16)
		if groups != "0" {
			groups = "0x" + strings.Repeat("0", max(0, 6-len(groups))) + groups
		} else {
			groups = "00000000"
		}
		p.s(", ")
		p.members(b, "nl_pid=d4@4")
		p.s(", nl_groups=", groups)
	default:
		p.s(", sa_data=")
		p.b = p.quote(p.b, data)
	}
	p.s("}")
	return true
}

// iovec is an array of n struct iovec; left is how many bytes of all of them
// there are. bare tells that they are another process's.
func (p *printer) iovec(addr, n, left uint64, bare bool) {
	word := uint64(p.c.word)
	p.list(addr, n, 2*word, func(b []byte) {
		base, length := p.words(b)
		p.s("{iov_base=")
		if bare {
			p.addr(base)
		} else {
			part := min(length, left)
			left -= part
			p.bytes(base, part)
		}
		p.s(", iov_len=")
		p.u(length)
		p.s("}")
	})
}

// words are the two words in b.
func (p *printer) words(b []byte) (first, second uint64) {
	return number(b[:p.c.word]), number(b[p.c.word : 2*p.c.word])
}

// msghdr is struct msghdr of sendmsg(2) and recvmsg(2).
func (p *printer) msghdr(addr uint64, received bool) bool {
	b, ok := p.read(addr, 56)
	if !ok {
		return false
	}
	word := func(at int) uint64 { return number(b[at : at+8]) }
	name, namelen, iov, iovlen, control, controllen := word(0), number(b[8:12]), word(16), word(24), word(32), word(40)
	p.s("{msg_name=")
	if name == 0 || !p.sockaddr(name, namelen) {
		p.addr(name)
	}
	p.s(", msg_namelen=")
	left := uint64(1) << 62
	if received {
		left = uint64(p.c.Ret)
		p.changed(namelen)
	} else {
		p.u(namelen)
	}
	p.s(", msg_iov=")
	if !p.netlinkIov(name, iov, iovlen, left) {
		p.iovec(iov, iovlen, left, false)
	}
	p.s(", ")
	p.members(b, "msg_iovlen=u8@24")
	if controllen != 0 {
		p.s(", msg_control=")
		p.control(control, controllen)
	}
	p.s(", ")
	p.members(b, "msg_controllen=u8@40 msg_flags=msg4@48")
	p.s("}")
	return true
}

// control are the control messages of unix(7): descriptors and credentials.
func (p *printer) control(addr, length uint64) {
	const most = 1 << 12
	b, ok := p.read(addr, min(length, most))
	if !ok || len(b) < 16 {
		p.addr(addr)
		return
	}
	p.s("[")
	for first := true; len(b) >= 16; first = false {
		if !first {
			p.s(", ")
		}
		size, level, kind := number(b[:8]), number(b[8:12]), number(b[12:16])
		p.s("{")
		if level == unix.SOL_SOCKET {
			p.members(b, "cmsg_len=u8@0 cmsg_level=sol4@8 cmsg_type=scm4@12")
		} else {
			p.members(b, "cmsg_len=u8@0 cmsg_level=sol4@8 cmsg_type=x4@12")
		}
		if size < 16 || size > uint64(len(b)) {
			p.s("}")
			break
		}
		p.controlData(level, kind, b[16:size])
		p.s("}")
		b = b[min((size+7)&^7, uint64(len(b))):]
	}
	p.s("]")
}

func (p *printer) controlData(level, kind uint64, data []byte) {
	if len(data) == 0 {
		return
	}
	p.s(", cmsg_data=")
	switch {
	case level == unix.SOL_SOCKET && kind == unix.SCM_RIGHTS:
		p.s("[")
		for i := 0; i+4 <= len(data); i += 4 {
			if i > 0 {
				p.s(", ")
			}
			p.fd(number(data[i : i+4]))
		}
		p.s("]")
	case level == unix.SOL_SOCKET && kind == unix.SCM_CREDENTIALS && len(data) >= 12:
		p.braces(data, ucred)
	default:
		p.b = quote(p.b, data, HexAll)
	}
}

// netlinkIov prints a message to or from a netlink address, whose first bytes
// are a struct nlmsghdr, netlink(7).
func (p *printer) netlinkIov(name, iov, n, left uint64) bool {
	family, ok := p.read(name, 2)
	if !ok || number(family) != unix.AF_NETLINK || n != 1 {
		return false
	}
	b, ok := p.read(iov, 16)
	if !ok {
		return false
	}
	base, length := p.words(b)
	size := min(length, left)
	mark := len(p.b)
	p.s("[{iov_base=")
	if !p.netlink(base, size) {
		p.b = p.b[:mark]
		return false
	}
	p.s(", iov_len=")
	p.u(length)
	p.s("}]")
	return true
}

// netlink prints the netlink messages in size bytes at addr.
func (p *printer) netlink(addr, size uint64) bool {
	const header, most = 16, 1 << 16
	b, ok := p.read(addr, min(size, most))
	if !ok || len(b) < header {
		return false
	}
	several := (number(b[:4])+3)&^3 < uint64(len(b))
	if several {
		p.s("[")
	}
	for first := true; len(b) >= header; first = false {
		if !first {
			p.s(", ")
		}
		length := int(number(b[:4]))
		p.s("[")
		p.nlmsghdr(b)
		end := min(max(length, header), len(b))
		if end > header {
			p.s(", ")
			body := b[header:end]
			cut := min(len(body), p.Limit)
			p.b = quote(p.b, body[:cut], HexAll)
			if cut < len(body) {
				p.s("...")
			}
		}
		p.s("]")
		b = b[min((end+3)&^3, len(b)):]
	}
	if several {
		p.s("]")
	}
	return true
}

func (p *printer) nlmsghdr(b []byte) {
	flags := "nlflags"
	if kind := number(b[4:6]); kind >= unix.RTM_BASE {
		// rtnetlink(7) has its verbs in the two low bits: new, del, get, set.
		switch kind & 3 {
		case 0:
			flags = "nlnewflags"
		case 2:
			flags = "nlgetflags"
		}
	}
	p.braces(b, "nlmsg_len=u4@0 nlmsg_type=rttype2@4 nlmsg_flags="+flags+"2@6 nlmsg_seq=u4@8 nlmsg_pid=d4@12")
}

// protocol is the third argument of socket(2).
func (p *printer) protocol(family, v uint64) {
	kind := ""
	switch uint32(family) {
	case unix.AF_INET, unix.AF_INET6:
		kind = "ipproto"
	case unix.AF_NETLINK:
		kind = "nlproto"
	}
	if kind == "" {
		p.u(uint64(uint32(v)))
		return
	}
	p.named(kind, uint64(uint32(v)))
}

// optionName is the third argument of getsockopt(2) and setsockopt(2).
func (p *printer) optionName(level, v uint64) {
	kind := ""
	switch uint32(level) {
	case unix.SOL_SOCKET:
		kind = "sockopt"
	case unix.IPPROTO_TCP:
		kind = "tcpopt"
	case unix.SOL_NETLINK:
		kind = "nlopt"
	}
	if kind == "" {
		p.hex(uint64(uint32(v)))
		return
	}
	p.named(kind, uint64(uint32(v)))
}
