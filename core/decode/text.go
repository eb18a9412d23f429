package decode

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"
)

// str prints the NUL-terminated string at addr, no more than limit bytes of it.
func (p *printer) str(addr uint64, limit int) {
	if addr == 0 {
		p.s("NULL")
		return
	}
	text, ended, ok := p.cstring(addr, limit)
	if !ok {
		p.addr(addr)
		return
	}
	p.b = p.quote(p.b, text)
	if !ended {
		p.s("...")
	}
}

// cstring reads a string of at most limit bytes; ended tells that it ends there.
func (p *printer) cstring(addr uint64, limit int) (text []byte, ended, ok bool) {
	const step = 256 // a read does not go past the end of a page in vain
	for len(text) <= limit {
		at := addr + uint64(len(text))
		b := make([]byte, min(step-int(at%step), limit+1-len(text)))
		b = b[:p.Read(p.c.Pid, at, b)]
		if len(b) == 0 {
			return nil, false, false
		}
		if end := bytes.IndexByte(b, 0); end >= 0 {
			return append(text, b[:end]...), true, true
		}
		text = append(text, b...)
	}
	return text[:limit], false, true
}

// bytes prints n bytes at addr, no more than Limit of them.
func (p *printer) bytes(addr, n uint64) {
	if addr == 0 {
		p.s("NULL")
		return
	}
	if n > 1<<62 { // a negative length
		p.addr(addr)
		return
	}
	b, ok := p.read(addr, min(n, uint64(p.Limit)))
	if !ok {
		p.addr(addr)
		return
	}
	p.b = p.quote(p.b, b)
	if n > uint64(p.Limit) {
		p.s("...")
	}
}

// quote appends text as a C string.
func (p *printer) quote(to, text []byte) []byte {
	return quote(to, text, p.Hex)
}

func quote(to, text []byte, mode Hex) []byte {
	to = append(to, '"')
	if mode == HexAll || mode == HexNonASCII && bytes.ContainsFunc(text, func(r rune) bool { return r >= 0x7f || r < ' ' && (r < '\t' || r > '\r') }) {
		return append(appendHex(to, text), '"')
	}
	for i, c := range text {
		digit := i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9'
		to = escape(to, c, digit, `"`)
	}
	return append(to, '"')
}

func appendHex(to, text []byte) []byte {
	const digits = "0123456789abcdef"
	for _, c := range text {
		to = append(to, '\\', 'x', digits[c>>4], digits[c&15])
	}
	return to
}

// escape appends c; what is no text is an octal number, with all its digits
// where one follows. quoted are the characters that need a backslash.
func escape(to []byte, c byte, digit bool, quoted string) []byte {
	const letters = "tnvfr" // of \t, which is 9, to \r
	switch {
	case c == '\\' || bytes.IndexByte([]byte(quoted), c) >= 0:
		return append(to, '\\', c)
	case c >= '\t' && c <= '\r':
		return append(to, '\\', letters[c-'\t'])
	case c >= ' ' && c < 0x7f:
		return append(to, c)
	}
	to = append(to, '\\')
	if c >= 0o100 || digit {
		to = append(to, '0'+c>>6)
	}
	if c >= 0o10 || digit {
		to = append(to, '0'+c>>3&7)
	}
	return append(to, '0'+c&7)
}

// appendPath appends the path of a descriptor, as it stands between < and >.
func appendPath(to []byte, path string) []byte {
	for i := range len(path) {
		digit := i+1 < len(path) && path[i+1] >= '0' && path[i+1] <= '9'
		switch c := path[i]; c {
		case '<', '>':
			to = append(to, `\7`...)
			to = append(to, '4'+(c-'<'))
		default:
			to = escape(to, c, digit, "")
		}
	}
	return to
}

// Signal is a signal's name: SIGINT, SIGRT_1, or its number.
func Signal(n int) string {
	const first = 32 // SIGRTMIN of the kernel
	if name := unix.SignalName(unix.Signal(n)); name != "" {
		return name
	}
	switch {
	case n == first:
		return "SIGRTMIN"
	case n > first && n <= first+32:
		return "SIGRT_" + strconv.Itoa(n-first)
	}
	return strconv.Itoa(n)
}

// strerror is the C library's text, which x/sys has in lower case.
func strerror(e unix.Errno) string {
	text := []byte(e.Error())
	// Its first word may be an acronym or a name: those have capitals already.
	if len(text) > 0 && text[0] >= 'a' && text[0] <= 'z' {
		text[0] -= 'a' - 'A'
	}
	return string(text)
}
