package plan

import (
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"ocibox/core/clone"
)

// maxCPU and maxNode are the last that any kernel has, by CONFIG_NR_CPUS and
// CONFIG_NODES_SHIFT.
const (
	maxCPU  = 8191
	maxNode = 1023
)

// wordBits is the size of the words that the kernel's masks are made of.
const wordBits = 8 * int(unsafe.Sizeof(uintptr(0)))

// bitmap reads a list such as "0-3,7" into the words of the kernel's masks,
// bit n for n. Spaces around and empty elements count for nothing.
func bitmap(list string, last int) ([]uintptr, error) {
	var words []uintptr
	for part := range strings.SplitSeq(list, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err := strconv.ParseUint(from, 10, 32)
		end, err2 := strconv.ParseUint(to, 10, 32)
		switch {
		case err != nil || err2 != nil:
			return nil, fmt.Errorf("%q is neither a number nor a range", part)
		case first > end:
			return nil, fmt.Errorf("%q ends before it begins", part)
		case end > uint64(last):
			return nil, fmt.Errorf("%d is more than %d, the last that a kernel can have", end, last)
		}
		for len(words) <= int(end)/wordBits {
			words = append(words, 0)
		}
		for n := int(first); n <= int(end); n++ {
			words[n/wordBits] |= 1 << (n % wordBits)
		}
	}
	return words, nil
}

// words puts a mask into the program's data.
func (c *compiler) words(mask []uintptr) clone.Arg {
	var b []byte
	for i := range mask {
		b = append(b, clone.Bytes(&mask[i])...)
	}
	return c.p.Data(b)
}
