package ip

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/inet"
)

// prefix is an address with the length of a prefix. That of "default" has no
// address, and a family only where that is given.
type prefix struct {
	family uint8
	addr   []byte
	bits   int
}

func familyName(family uint8) string {
	switch family {
	case unix.AF_INET:
		return "inet"
	case unix.AF_INET6:
		return "inet6"
	}
	return "any valid"
}

func familyOf(name string) uint8 {
	switch name {
	case "inet":
		return unix.AF_INET
	case "inet6":
		return unix.AF_INET6
	}
	return unix.AF_UNSPEC
}

func hostBits(family uint8) int {
	if family == unix.AF_INET6 {
		return 128
	}
	return 32
}

func anywhere(word string) bool { return word == "default" || word == "any" || word == "all" }

// readAddress reads an address of a family, or of any with AF_UNSPEC. Numbers
// that an IPv4 address lacks at its end are 0.
func readAddress(word string, family uint8) (prefix, error) {
	p := prefix{family: family}
	if a, err := inet.ParseAddr(word); err == nil && !a.Is4() && family != unix.AF_INET {
		return prefix{unix.AF_INET6, a, 128}, nil
	}
	parts := strings.Split(word, ".")
	addr := make([]byte, 4)
	ok := len(parts) <= 4 && family != unix.AF_INET6
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 0, 8)
		if ok = ok && err == nil; ok {
			addr[i] = byte(n)
		}
	}
	if !ok {
		return p, fault.Op(nil, "%s address is expected rather than %q", familyName(family), word)
	}
	return prefix{unix.AF_INET, addr, 32}, nil
}

// readPrefix reads an address that may have a length or a mask behind it.
func readPrefix(word string, family uint8) (prefix, error) {
	wrong := fault.Op(nil, "%s prefix is expected rather than %q", familyName(family), word)
	if anywhere(word) {
		return prefix{family: family}, nil
	}
	address, length, has := strings.Cut(word, "/")
	p, err := readAddress(address, family)
	if err != nil {
		return p, wrong
	}
	if !has {
		return p, nil
	}
	if n, err := strconv.ParseUint(length, 0, 8); err == nil && int(n) <= p.bits {
		p.bits = int(n)
		return p, nil
	}
	mask, err := inet.ParseAddr(length)
	if err != nil || !mask.Is4() || p.family != unix.AF_INET {
		return p, wrong
	}
	n := uint32(mask[0])<<24 | uint32(mask[1])<<16 | uint32(mask[2])<<8 | uint32(mask[3])
	p.bits = 0
	for n&(1<<31) != 0 {
		n <<= 1
		p.bits++
	}
	if n != 0 {
		return p, wrong
	}
	return p, nil
}

// holds says whether the first bits of addr are the prefix's; of its own
// length, or fewer.
func (p *prefix) holds(addr []byte, bits int) bool {
	for i := 0; i < bits; i += 8 {
		mask := byte(0xff)
		if bits-i < 8 {
			mask <<= 8 - (bits - i)
		}
		var a, b byte
		if i/8 < len(addr) {
			a = addr[i/8]
		}
		if i/8 < len(p.addr) {
			b = p.addr[i/8]
		}
		if (a^b)&mask != 0 {
			return false
		}
	}
	return true
}

// host is an address as text.
func host(b []byte) string {
	if a, ok := inet.AddrFrom(b); ok {
		return a.String()
	}
	return fmt.Sprintf("%x", b)
}

// hardware is an address of the link layer as text.
func hardware(b []byte) string {
	parts := make([]string, len(b))
	for i, v := range b {
		parts[i] = fmt.Sprintf("%02x", v)
	}
	return strings.Join(parts, ":")
}

// readHardware reads one.
func readHardware(word string) ([]byte, error) {
	if !strings.Contains(word, ":") {
		if a, err := inet.ParseAddr(word); err == nil && a.Is4() {
			return a, nil // of a tunnel
		}
	}
	var b []byte
	for part := range strings.SplitSeq(word, ":") {
		n, err := strconv.ParseUint(part, 16, 8)
		if err != nil {
			return nil, fault.Op(nil, "%q is no link-layer address", word)
		}
		b = append(b, byte(n))
	}
	return b, nil
}
