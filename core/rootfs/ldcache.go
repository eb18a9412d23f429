package rootfs

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// The format of /etc/ld.so.cache, glibc's sysdeps/generic/dl-cache.h: a
// header, entries of fixed size, strings. Numbers have the machine's byte
// order. The old header may stand before it, with the new one where the old
// format has its strings; offsets count from the new header in both cases.
const (
	cacheMagic    = "glibc-ld.so.cache1.1"
	cacheOldMagic = "ld.so-1.7.0"

	cacheHeader   = 48
	cacheEntryLen = 24

	cacheOldHeader   = 16
	cacheOldEntryLen = 12
)

// cacheEntry is one library in the cache.
type cacheEntry struct {
	name  string // what DT_NEEDED says
	path  string
	flags uint32 // libc and architecture, as ldconfig found them
	hwcap uint64 // not 0: only for some processors
}

// parseCache reads an ld.so.cache.
func parseCache(b []byte) ([]cacheEntry, error) {
	order := binary.NativeEndian
	if bytes.HasPrefix(b, []byte(cacheOldMagic)) {
		if len(b) < cacheOldHeader {
			return nil, errors.New("cut short")
		}
		end := cacheOldHeader + uint64(order.Uint32(b[12:]))*cacheOldEntryLen
		// The new header is aligned as its 64-bit member is: to 4 bytes on
		// i386, to 8 elsewhere.
		at := (end + 7) &^ 7
		if end < uint64(len(b)) && bytes.HasPrefix(b[end:], []byte(cacheMagic)) {
			at = end
		}
		if at >= uint64(len(b)) {
			return nil, errors.New("of a format before glibc 2.2")
		}
		b = b[at:]
	}
	if !bytes.HasPrefix(b, []byte(cacheMagic)) {
		return nil, errors.New("of an unknown format")
	}
	if len(b) < cacheHeader {
		return nil, errors.New("cut short")
	}
	n := uint64(order.Uint32(b[20:]))
	if cacheHeader+n*cacheEntryLen > uint64(len(b)) {
		return nil, errors.New("cut short")
	}
	entries := make([]cacheEntry, 0, n)
	for i := range n {
		e := b[cacheHeader+i*cacheEntryLen:]
		key, value := order.Uint32(e[4:]), order.Uint32(e[8:])
		if uint64(max(key, value)) >= uint64(len(b)) {
			return nil, errors.New("with a string outside of it")
		}
		entries = append(entries, cacheEntry{
			name:  cstring(b[key:]),
			path:  cstring(b[value:]),
			flags: order.Uint32(e),
			hwcap: order.Uint64(e[16:]),
		})
	}
	return entries, nil
}

// formatCache writes entries, less their hwcap, in the new format, which every
// glibc since 2.2 reads. They need not be sorted.
func formatCache(entries []cacheEntry) []byte {
	order := binary.NativeEndian
	entries = slices.Clone(entries)
	// ld.so searches by halves, in the descending order of ldconfig.
	slices.SortStableFunc(entries, func(a, b cacheEntry) int {
		return cmp.Or(compareNames(b.name, a.name), cmp.Compare(b.flags, a.flags))
	})
	base := cacheHeader + len(entries)*cacheEntryLen
	table := make([]byte, cacheHeader, base)
	copy(table, cacheMagic)
	var strings []byte
	add := func(s string) uint32 {
		at := base + len(strings)
		strings = append(append(strings, s...), 0)
		return uint32(at)
	}
	for _, e := range entries {
		table = order.AppendUint32(table, e.flags)
		table = order.AppendUint32(table, add(e.name))
		table = order.AppendUint32(table, add(e.path))
		table = append(table, make([]byte, 12)...)
	}
	order.PutUint32(table[20:], uint32(len(entries)))
	order.PutUint32(table[24:], uint32(len(strings)))
	const little, big = 2, 3
	table[28] = big
	if order.Uint16([]byte{1, 0}) == 1 {
		table[28] = little
	}
	return append(table, strings...)
}

// mergeCache is old with the entries of add in place of those for the same
// name and architecture.
func mergeCache(old, add []cacheEntry) []cacheEntry {
	merged := slices.DeleteFunc(slices.Clone(old), func(o cacheEntry) bool {
		return o.hwcap != 0 || slices.ContainsFunc(add, func(a cacheEntry) bool {
			return a.name == o.name && a.flags == o.flags
		})
	})
	return append(merged, add...)
}

// compareNames is glibc's _dl_cache_libcmp: numbers compare by value.
func compareNames(a, b string) int {
	digit := func(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }
	number := func(s string) (n int32, rest string) {
		for ; digit(s); s = s[1:] {
			n = n*10 + int32(s[0]-'0')
		}
		return n, s
	}
	for a != "" {
		switch {
		case digit(a) && digit(b):
			var m, n int32
			m, a = number(a)
			n, b = number(b)
			if m != n {
				return cmp.Compare(m, n)
			}
		case digit(a):
			return 1
		case digit(b):
			return -1
		case b == "":
			return 1
		case a[0] != b[0]:
			return cmp.Compare(a[0], b[0])
		default:
			a, b = a[1:], b[1:]
		}
	}
	return -len(b)
}
