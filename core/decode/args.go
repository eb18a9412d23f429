package decode

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/names"
)

// arg prints argument i as its kind says. out tells that the call writes there,
// so that a failed one has left nothing to look at.
func (p *printer) arg(kind string, i int, out bool) {
	c := p.c
	if c.plain {
		p.hex(c.Args[i])
		return
	}
	kind, other, _ := strings.Cut(kind, ":")
	length := uint64(0)
	if other != "" {
		length = c.Args[other[0]-'0']
	}
	v := c.Args[i]
	if set := names.Find(kind); set != nil {
		p.set(set, v)
		return
	}
	switch kind {
	case "x":
		p.hex(v)
	case "p":
		p.addr(v)
	case "d":
		p.d(signed(v, 4))
	case "u":
		p.u(uint64(uint32(v)))
	case "ld":
		if c.word == 4 {
			v = uint64(int32(v))
		}
		p.d(int64(v))
	case "lu":
		p.u(v)
	case "fd":
		p.fd(v)
	case "dirfd":
		p.dirfd(v)
	case "path":
		p.str(v, unix.PathMax)
	case "str":
		p.str(v, p.Limit)
	case "buf":
		p.bytes(v, length)
	case "hostname":
		const most = 64 // __NEW_UTS_LEN
		if length > most {
			p.addr(v)
		} else {
			p.bytes(v, length)
		}
	case "mode":
		p.oct(uint64(uint32(v) & 0xffff))
	case "openmode":
		if flags := length; flags&unix.O_CREAT != 0 || flags&unix.O_TMPFILE == unix.O_TMPFILE {
			p.oct(uint64(uint16(v)))
		}
	case "uid":
		p.id(uint32(v))
	case "sig":
		p.s(Signal(int(int32(v))))
	default:
		p.pointed(kind, i, v, length, out)
	}
}

// pointed prints what v points to.
func (p *printer) pointed(kind string, i int, v, length uint64, out bool) {
	c := p.c
	if p.special(kind, i, v, length) {
		return
	}
	if v == 0 || out && c.Failed && kind != "socklen" && kind != "optlen" {
		p.addr(v)
		return
	}
	switch kind {
	case "random":
		if b, ok := p.read(v, min(uint64(c.Ret), uint64(p.Limit))); ok {
			p.b = quote(p.b, b, HexAll)
			if c.Ret > int64(p.Limit) {
				p.s("...")
			}
			return
		}
		p.addr(v)
	case "rbuf": // filled as far as the result says
		p.bytes(v, uint64(c.Ret))
	case "cwd":
		p.str(v, unix.PathMax)
	case "fds":
		p.list(v, 2, 4, func(b []byte) { p.fd(number(b)) })
	case "u32":
		p.boxed(v, func(b []byte) { p.u(number(b)) })
	case "cpuset":
		p.cpus(v)
	default:
		if c.word != 8 || !p.file(kind, v, length) && !p.process(kind, i, v, length) && !p.socket(kind, i, v, length) && !p.time(kind, v) {
			p.addr(v)
		}
	}
}

func (p *printer) set(s *names.Set, v uint64) {
	switch {
	case s == &names.Open || s.Kind == "openbits":
		v = uint64(uint32(v))
	case s.Kind == "keyring":
		v = uint64(int64(int32(v)))
		if s.Of(v) == "" {
			p.d(int64(v))
			return
		}
	case s.Kind == "personality" && uint32(v) == ^uint32(0): // which only asks
		p.hex(v & 0xffffffff)
		return
	case s.Kind == "ipcget":
		p.s(s.Format(v&0xfffffe00), "|", "0"+strconv.FormatUint(v&0o777, 8))
		return
	case s.Kind != "mount" && s.Kind != "namespace" && s.Kind != "mremap":
		v = uint64(uint32(v))
	}
	p.s(s.Format(v))
}

//go:noinline
func (p *printer) hex(v uint64) {
	if v != 0 {
		p.s("0x")
	}
	p.b = strconv.AppendUint(p.b, v, 16)
}

// oct is C's %#03lo.
func (p *printer) oct(v uint64) {
	s := strconv.FormatUint(v, 8)
	if v != 0 {
		s = "0" + s
	}
	for len(s) < 3 {
		s = "0" + s
	}
	p.s(s)
}

//go:noinline
func (p *printer) addr(v uint64) {
	if v == 0 {
		p.s("NULL")
		return
	}
	p.hex(v)
}

// id is a user or group: -1 leaves it as it is.
func (p *printer) id(v uint32) {
	if v == ^uint32(0) {
		p.s("-1")
		return
	}
	p.u(uint64(v))
}

func (p *printer) fd(v uint64) {
	fd := int(int32(v))
	p.s(strconv.Itoa(fd))
	if p.Paths && fd >= 0 {
		if path := p.Link(p.c.Pid, "fd/"+strconv.Itoa(fd)); path != "" {
			p.path(path)
		}
	}
}

// path prints what a descriptor leads to.
func (p *printer) path(path string) {
	p.s("<")
	if p.Hex == HexAll {
		p.b = appendHex(p.b, []byte(path))
	} else {
		p.b = appendPath(p.b, path)
	}
	p.s(">")
}

func (p *printer) dirfd(v uint64) {
	if int32(v) != unix.AT_FDCWD {
		p.fd(v)
		return
	}
	p.s("AT_FDCWD")
	if p.Paths {
		if path := p.Link(p.c.Pid, "cwd"); path != "" {
			p.path(path)
		}
	}
}

// read reads n bytes at addr, all or nothing.
//
//go:noinline
func (p *printer) read(addr, n uint64) ([]byte, bool) {
	b := make([]byte, n)
	return b, addr != 0 && p.Read(p.c.Pid, addr, b) == len(b)
}

// pointer reads a pointer at addr.
func (p *printer) pointer(addr uint64) (uint64, bool) {
	b, ok := p.read(addr, uint64(p.c.word))
	if !ok {
		return 0, false
	}
	return number(b), true
}

// boxed prints the four bytes at addr in brackets, or the address.
func (p *printer) boxed(addr uint64, print func([]byte)) {
	b, ok := p.read(addr, 4)
	if !ok {
		p.addr(addr)
		return
	}
	p.s("[")
	print(b)
	p.s("]")
}

// mostElements bounds what is read of a list whose length makes no sense.
const mostElements = 1 << 12

// list prints n elements of size bytes at addr: "[a, b, ...]". No more than
// Limit of them are printed.
func (p *printer) list(addr, n, size uint64, print func(b []byte)) {
	if addr == 0 {
		p.s("NULL")
		return
	}
	if n == 0 {
		p.s("[]")
		return
	}
	for i := range n {
		b, ok := p.read(addr+i*size, size)
		switch {
		case !ok && i == 0:
			p.addr(addr)
			return
		case i == 0:
			p.s("[")
		default:
			p.s(", ")
		}
		if i >= uint64(p.Limit) && !p.Verbose || i >= mostElements {
			p.s("...")
			break
		}
		if !ok {
			p.s("... /* ")
			p.hex(addr + i*size)
			p.s(" */")
			break
		}
		print(b)
	}
	p.s("]")
}

// cpus prints a mask of CPUs.
func (p *printer) cpus(addr uint64) {
	n := p.c.Args[1]
	if p.exit {
		n = uint64(p.c.Ret)
	}
	const most = 1 << 12
	b, ok := p.read(addr, min(n, most))
	if !ok {
		p.addr(addr)
		return
	}
	p.s("[")
	sep := ""
	for i := range len(b) * 8 {
		if b[i/8]>>(i%8)&1 != 0 {
			p.s(sep, strconv.Itoa(i))
			sep = " "
		}
	}
	p.s("]")
}
