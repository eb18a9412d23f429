package decode

import (
	"bytes"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"

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
				length = min(c.before, uint64(u32(b)))
			}
		}
		return p.sockaddr(v, uint64(uint32(length)))
	case "socklen":
		b, ok := p.read(v, 4)
		if !ok {
			return false
		}
		p.s("[")
		if c.before != unknown && c.before != uint64(u32(b)) {
			p.s(num(c.before), " => ")
		}
		p.s(num(u32(b)), "]")
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
		p.bytes(v, length)
	case "optin":
		if length == 4 && c.Args[1] == unix.SOL_SOCKET || length == 4 && c.Args[1] != unix.SOL_SOCKET {
			b, ok := p.read(v, 4)
			if !ok {
				return false
			}
			p.s("[", strconv.Itoa(int(int32(u32(b)))), "]")
			return true
		}
		p.bytes(v, length)
	case "optout":
		b, ok := p.read(length, 4)
		if !ok {
			return false
		}
		return p.option(v, u32(b))
	default:
		return false
	}
	return true
}

// option is what getsockopt(2) has put at addr.
func (p *printer) option(addr uint64, length uint32) bool {
	level, opt := p.c.Args[1], p.c.Args[2]
	b, ok := p.read(addr, uint64(min(length, 64)))
	switch {
	case !ok:
		return false
	case level == unix.SOL_SOCKET && opt == unix.SO_PEERCRED && length == 12:
		p.s("{pid=", num(u32(b)), ", uid=", num(u32(b[4:])), ", gid=", num(u32(b[8:])), "}")
	case level == unix.SOL_SOCKET && opt == unix.SO_TYPE && length == 4:
		p.s("[", names.SockTypes.Format(uint64(u32(b))), "]")
	case level == unix.SOL_SOCKET && opt == unix.SO_DOMAIN && length == 4:
		p.s("[", names.Families.Format(uint64(u32(b))), "]")
	case length == 4:
		p.s("[", strconv.Itoa(int(int32(u32(b)))), "]")
	default:
		p.bytes(addr, uint64(length))
	}
	return true
}

// sockaddr is one of the structures of sockaddr(3type).
func (p *printer) sockaddr(addr, length uint64) bool {
	const most = 128 // struct sockaddr_storage
	b, ok := p.read(addr, min(length, most))
	if !ok || len(b) < 2 {
		return false
	}
	family := u16(b)
	data := b[2:]
	p.s("{sa_family=", names.Families.Format(uint64(family)))
	port := func(name string) { p.s(", ", name, "=htons(", num(uint16(data[0])<<8|uint16(data[1])), ")") }
	switch {
	case family == unix.AF_UNIX:
		if len(data) > 0 {
			p.s(", sun_path=")
			if data[0] == 0 {
				p.s("@")
				p.b = p.quote(p.b, data[1:])
			} else {
				p.b = p.quote(p.b, []byte(unix.ByteSliceToString(data)))
			}
		}
	case family == unix.AF_INET && len(data) >= 6:
		port("sin_port")
		p.s(`, sin_addr=inet_addr("`, netip.AddrFrom4([4]byte(data[2:6])).String(), `")`)
	case family == unix.AF_INET6 && len(data) >= 26:
		port("sin6_port")
		p.s(", sin6_flowinfo=htonl(", num(uint32(data[2])<<24|uint32(data[3])<<16|uint32(data[4])<<8|uint32(data[5])),
			`), inet_pton(AF_INET6, "`, netip.AddrFrom16([16]byte(data[6:22])).String(), `", &sin6_addr), sin6_scope_id=`, num(u32(data[22:])))
	case family == unix.AF_NETLINK && len(data) >= 10:
		groups := strconv.FormatUint(uint64(u32(data[6:])), 16)
		for len(groups) < 8 {
			groups = "0" + groups
		}
		if u32(data[6:]) != 0 {
			groups = "0x" + groups[2:]
		}
		p.s(", nl_pid=", num(u32(data[2:])), ", nl_groups=", groups)
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
		p.s(", iov_len=", num(length), "}")
	})
}

// words are the two words in b.
func (p *printer) words(b []byte) (first, second uint64) {
	if p.c.word == 4 {
		return uint64(u32(b)), uint64(u32(b[4:]))
	}
	return u64(b), u64(b[8:])
}

// msghdr is struct msghdr of sendmsg(2) and recvmsg(2).
func (p *printer) msghdr(addr uint64, received bool) bool {
	b, ok := p.read(addr, 56)
	if !ok {
		return false
	}
	name, namelen := u64(b), u32(b[8:])
	iov, iovlen, control, controllen, flags := u64(b[16:]), u64(b[24:]), u64(b[32:]), u64(b[40:]), u32(b[48:])
	p.s("{msg_name=")
	if name == 0 || !p.sockaddr(name, uint64(namelen)) {
		p.addr(name)
	}
	p.s(", msg_namelen=")
	if received && p.c.before != unknown && p.c.before != uint64(namelen) {
		p.s(num(p.c.before), " => ")
	}
	p.s(num(namelen), ", msg_iov=")
	left := uint64(1) << 62
	if received {
		left = uint64(p.c.Ret)
	}
	if !p.netlinkIov(name, iov, iovlen, left) {
		p.iovec(iov, iovlen, left, false)
	}
	p.s(", msg_iovlen=", num(iovlen))
	if controllen != 0 {
		p.s(", msg_control=")
		p.control(control, controllen)
	}
	p.s(", msg_controllen=", num(controllen), ", msg_flags=", names.Find("msg").Format(uint64(flags)), "}")
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
		size, level, kind := u64(b), u32(b[8:]), u32(b[12:])
		p.s("{cmsg_len=", num(size), ", cmsg_level=", names.Find("sol").Format(uint64(level)), ", cmsg_type=")
		if level == unix.SOL_SOCKET {
			p.s(names.Find("scm").Format(uint64(kind)))
		} else {
			p.hex(uint64(kind))
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

func (p *printer) controlData(level, kind uint32, data []byte) {
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
			p.fd(uint64(u32(data[i:])))
		}
		p.s("]")
	case level == unix.SOL_SOCKET && kind == unix.SCM_CREDENTIALS && len(data) >= 12:
		p.s("{pid=", num(u32(data)), ", uid=", num(u32(data[4:])), ", gid=", num(u32(data[8:])), "}")
	default:
		p.b = quote(p.b, data, HexAll)
	}
}

// netlinkIov prints a message to or from a netlink address, whose first bytes
// are a struct nlmsghdr, netlink(7).
func (p *printer) netlinkIov(name, iov, n, left uint64) bool {
	family, ok := p.read(name, 2)
	if !ok || u16(family) != unix.AF_NETLINK || n != 1 {
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
	p.s(", iov_len=", num(length), "}]")
	return true
}

// netlink prints the netlink messages in size bytes at addr.
func (p *printer) netlink(addr, size uint64) bool {
	const header, most = 16, 1 << 16
	b, ok := p.read(addr, min(size, most))
	if !ok || len(b) < header {
		return false
	}
	several := uint64(u32(b)) < uint64(len(b))
	if several {
		p.s("[")
	}
	for first := true; len(b) >= header; first = false {
		if !first {
			p.s(", ")
		}
		length := int(u32(b))
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
	kind, flags := u16(b[4:]), u16(b[6:])
	set := names.Find("nlflags")
	if first := uint16(unix.RTM_BASE); kind >= first {
		// rtnetlink(7) has its verbs in the two low bits: new, del, get, set.
		switch (kind - first) & 3 {
		case 0:
			set = names.Find("nlnewflags")
		case 2:
			set = names.Find("nlgetflags")
		}
	}
	p.s("{nlmsg_len=", num(u32(b)), ", nlmsg_type=", names.Find("rttype").Format(uint64(kind)), ", nlmsg_flags=", set.Format(uint64(flags)),
		", nlmsg_seq=", num(u32(b[8:])), ", nlmsg_pid=", strconv.Itoa(int(int32(u32(b[12:])))), "}")
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
		p.s(num(uint32(v)))
		return
	}
	p.s(names.Find(kind).Format(uint64(uint32(v))))
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
	p.s(names.Find(kind).Format(uint64(uint32(v))))
}

// interfaceName is the name at the start of struct ifreq, netdevice(7).
func interfaceName(b []byte) []byte {
	b = b[:unix.IFNAMSIZ]
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	return b
}
