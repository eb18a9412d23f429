// Package inet has IP addresses as package net/netip has them. That one makes a table of
// values when a program starts, which takes as long as a fiftieth of the start of this one.
package inet

import (
	"errors"
	"strconv"
	"strings"
)

// An Addr is an address of 4 bytes, IPv4, or of 16, IPv6, as the kernel has it.
type Addr []byte

// AddrFrom is the address of so many bytes, false where no address has as many.
func AddrFrom(b []byte) (Addr, bool) { return Addr(b), len(b) == 4 || len(b) == 16 }

// Is4 says whether it is of IPv4.
func (a Addr) Is4() bool { return len(a) == 4 }

// String is its usual text, RFC 5952.
func (a Addr) String() string {
	if a.Is4() {
		return string(a.append4(nil))
	}
	if len(a) != 16 {
		return "invalid IP"
	}
	if mapped := "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff"; strings.HasPrefix(string(a), mapped) {
		return string(a[len(mapped):].append4([]byte("::ffff:")))
	}
	// The longest run of zeros, of two at least, is left out.
	from, to := 0, 0
	for i := 0; i < len(a); i += 2 {
		j := i
		for j < len(a) && a[j]|a[j+1] == 0 {
			j += 2
		}
		if j-i > max(to-from, 2) {
			from, to = i, j
		}
		i = max(i, j-2)
	}
	var text []byte
	for i := 0; i < len(a); i += 2 {
		if i == from && to > from {
			text = append(text, "::"...)
			if i = to; i == len(a) {
				break
			}
		} else if i > 0 {
			text = append(text, ':')
		}
		text = strconv.AppendUint(text, uint64(a[i])<<8|uint64(a[i+1]), 16)
	}
	return string(text)
}

func (a Addr) append4(text []byte) []byte {
	for i, b := range a {
		if i > 0 {
			text = append(text, '.')
		}
		text = strconv.AppendUint(text, uint64(b), 10)
	}
	return text
}

var errAddr = errors.New("no IP address")

// ParseAddr reads an address of either kind, without a zone.
func ParseAddr(s string) (Addr, error) {
	if !strings.Contains(s, ":") {
		if a := parse4(nil, s); a != nil {
			return a, nil
		}
		return nil, errAddr
	}
	// What is before and behind the zeros that are left out.
	before, behind, short := strings.Cut(s, "::")
	a, ok := words(before, !short)
	b, fine := words(behind, true)
	zeros := 16 - len(a) - len(b)
	if !ok || !fine || short && zeros < 2 || !short && zeros != 0 {
		return nil, errAddr
	}
	return append(append(a, make(Addr, zeros)...), b...), nil
}

// words reads numbers of 16 bits with colons between them; the last one may be an IPv4
// address, as the end of the whole.
func words(s string, end bool) (a Addr, ok bool) {
	for s != "" {
		word, rest, more := strings.Cut(s, ":")
		if more && rest == "" {
			return nil, false
		}
		n, err := strconv.ParseUint(word, 16, 16)
		switch {
		case !more && end && strings.Contains(word, "."):
			if a = parse4(a, word); a == nil {
				return nil, false
			}
		case err != nil || len(word) > 4:
			return nil, false
		default:
			a = append(a, byte(n>>8), byte(n))
		}
		s = rest
	}
	return a, true
}

// parse4 appends an IPv4 address, or gives nil.
func parse4(a Addr, s string) Addr {
	parts := strings.Split(s, ".")
	if len(parts) != 4 {
		return nil
	}
	for _, p := range parts {
		n, ok := decimal(p, 255)
		if !ok {
			return nil
		}
		a = append(a, byte(n))
	}
	return a
}

// decimal reads a number up to most, without zeros before it.
func decimal(s string, most uint64) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return n, err == nil && n <= most && (len(s) == 1 || s[0] != '0')
}

// A Prefix is an address and how many of its bits are those of the network.
type Prefix struct {
	Addr Addr
	Bits int
}

// ParsePrefix reads one, as in 10.0.0.10/24.
func ParsePrefix(s string) (Prefix, error) {
	addr, bits, _ := strings.Cut(s, "/")
	a, err := ParseAddr(addr)
	if err != nil {
		return Prefix{}, err
	}
	n, ok := decimal(bits, uint64(8*len(a)))
	if !ok {
		return Prefix{}, errors.New("no prefix length")
	}
	return Prefix{a, int(n)}, nil
}

// String is as ParsePrefix takes it.
func (p Prefix) String() string { return p.Addr.String() + "/" + strconv.Itoa(p.Bits) }

// MarshalText is String.
func (p Prefix) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePrefix.
func (p *Prefix) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePrefix(string(text))
	return err
}
