package signals

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// Last is the kernel's _NSIG on every architecture that we build for.
const Last = 64

// rtMin is the first real-time signal of the kernel, whose names count from
// there; libc keeps two of them to itself.
const rtMin = 34

// Parse reads a signal's number or name: 9, KILL, SIGKILL, rtmin+3. 0 only
// asks whether there is somebody, kill(2).
func Parse(s string) (unix.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil {
		if n < 0 || n > Last {
			return 0, fault.Op(nil, "signal %d is not in 0…%d", n, Last)
		}
		return unix.Signal(n), nil
	}
	name := "SIG" + strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if sig := unix.SignalNum(name); sig != 0 {
		return sig, nil
	}
	for _, base := range []struct {
		name string
		from int
	}{{"SIGRTMIN", rtMin}, {"SIGRTMAX", Last}} {
		if rest, ok := strings.CutPrefix(name, base.name); ok {
			n := 0
			if rest != "" {
				var err error
				if n, err = strconv.Atoi(rest); err != nil {
					break
				}
			}
			if n += base.from; n >= rtMin && n <= Last {
				return unix.Signal(n), nil
			}
		}
	}
	return 0, fault.Op(nil, "%s is no signal", s)
}
