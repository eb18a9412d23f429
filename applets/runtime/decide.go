package runtime

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"ocibox/core/fault"
	"ocibox/core/seccomp"
)

// decide prints what a profile does with each of calls, [ARCH/]NAME[:ARG,…].
func decide(w io.Writer, s *specs.LinuxSeccomp, calls []string) error {
	for _, call := range calls {
		arch, name, args, err := parseCall(call)
		if err != nil {
			return err
		}
		d, err := seccomp.Decide(s, arch, name, args)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s: %s by %s: %s\n", call, d.Action, d.Field, d.Why); err != nil {
			return err
		}
	}
	return nil
}

// parseCall reads a call. The architecture is written as in config.json, or
// short: "x86_64". Arguments that are left out are 0.
func parseCall(text string) (arch specs.Arch, name string, args [6]uint64, err error) {
	call, list, some := strings.Cut(text, ":")
	prefix, name, found := strings.Cut(call, "/")
	if found {
		const long = "SCMP_ARCH_"
		arch = specs.Arch(long + strings.TrimPrefix(strings.ToUpper(prefix), long))
	} else {
		name = prefix
	}
	if !some {
		return arch, name, args, nil
	}
	words := strings.Split(list, ",")
	if len(words) > len(args) {
		return "", "", args, fault.Op(nil, "--seccomp %s: more than %d arguments", text, len(args))
	}
	for i, word := range words {
		if args[i], err = strconv.ParseUint(word, 0, 64); err != nil {
			return "", "", args, fault.Op(nil, "--seccomp %s: %q is no number", text, word)
		}
	}
	return arch, name, args, nil
}
