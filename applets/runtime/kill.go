package runtime

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/fault"
)

func kill(e *env, f *cli.Flags, args []string) error {
	if err := f.Parse(e.std, args); err != nil {
		return err
	}
	ops, err := f.Operands(1, 2)
	if err != nil {
		return err
	}
	sig := unix.SIGTERM
	if len(ops) == 2 {
		if sig, err = parseSignal(ops[1]); err != nil {
			return err
		}
	}
	return e.store.Kill(ops[0], sig)
}

// maxSignal is the kernel's _NSIG on every architecture that we build for.
const maxSignal = 64

// rtMin is the first real-time signal of the kernel, whose names count from
// there; libc keeps two of them to itself.
const rtMin = 34

// parseSignal reads a signal's number or name: 9, KILL, SIGKILL, rtmin+3. 0 only
// asks whether there is somebody, kill(2).
func parseSignal(s string) (unix.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil {
		if n < 0 || n > maxSignal {
			return 0, fault.Op(nil, "signal %d is not in 0…%d", n, maxSignal)
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
	}{{"SIGRTMIN", rtMin}, {"SIGRTMAX", maxSignal}} {
		if rest, ok := strings.CutPrefix(name, base.name); ok {
			n := 0
			if rest != "" {
				var err error
				if n, err = strconv.Atoi(rest); err != nil {
					break
				}
			}
			if n += base.from; n >= rtMin && n <= maxSignal {
				return unix.Signal(n), nil
			}
		}
	}
	return 0, fault.Op(nil, "%s is no signal", s)
}

func deleteCommand(e *env, f *cli.Flags, args []string) error {
	force := f.BoolP("force", "f", false, "kill the container first if it runs; no error if it is not there")
	id, err := parseID(e, f, args)
	if err != nil {
		return err
	}
	return e.store.Delete(id, *force)
}
