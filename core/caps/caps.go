// Package caps reads capability names and makes the instructions that leave a
// process with exactly the capabilities it was given.
package caps

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/names"
)

// Set is a set of capabilities: bit n is capability n of capabilities(7).
type Set uint64

// All is every capability up to last.
func All(last int) Set { return Set(1)<<(last+1) - 1 }

// Sets are the five sets of a thread.
type Sets struct{ Bounding, Effective, Permitted, Inheritable, Ambient Set }

// Parse reads a name such as CAP_NET_RAW.
func Parse(name string) (int, bool) {
	for n, c := range names.Capabilities {
		if strings.EqualFold(c, name) {
			return n, true
		}
	}
	return 0, false
}

// Names lists the set's capabilities in the kernel's order.
func (s Set) Names() []string {
	var list []string
	for n := range 64 {
		if s&(1<<n) == 0 {
			continue
		}
		name := names.Capability(n)
		if name == "" {
			name = "CAP_" + strconv.Itoa(n)
		}
		list = append(list, name)
	}
	return list
}

// Read makes sets of the names in a config.json. What the kernel does not
// know or have does not grant is left out with a warning, as config.md asks
// ("process.capabilities"). have is what may be permitted.
func Read(c *specs.LinuxCapabilities, have Set) (Sets, []string) {
	var s Sets
	var warnings []string
	if c == nil {
		return s, nil
	}
	warn := func(list, why string, names []string) {
		if len(names) > 0 {
			slices.Sort(names)
			warnings = append(warnings, fmt.Sprintf("process.capabilities.%s: %s: %s", list, strings.Join(names, ", "), why))
		}
	}
	read := func(list string, names []string) Set {
		var set Set
		var unknown []string
		for _, name := range names {
			if n, ok := Parse(name); ok {
				set |= 1 << n
			} else {
				unknown = append(unknown, name)
			}
		}
		warn(list, "unknown", unknown)
		return set
	}
	limit := func(list string, set *Set, to Set, why string) {
		warn(list, why, (*set &^ to).Names())
		*set &= to
	}
	s.Bounding = read("bounding", c.Bounding)
	s.Effective = read("effective", c.Effective)
	s.Permitted = read("permitted", c.Permitted)
	s.Inheritable = read("inheritable", c.Inheritable)
	s.Ambient = read("ambient", c.Ambient)
	const lacking = "cannot be granted, for want of it in ocibox itself"
	limit("bounding", &s.Bounding, have, lacking)
	limit("permitted", &s.Permitted, have, lacking)
	limit("effective", &s.Effective, s.Permitted, "cannot be granted, not being permitted")
	limit("inheritable", &s.Inheritable, have, lacking)
	limit("inheritable", &s.Inheritable, s.Bounding, "cannot be granted, not being in the bounding set")
	limit("ambient", &s.Ambient, s.Permitted&s.Inheritable, "cannot be granted, not being permitted and inheritable")
	return s, warnings
}

// Own gives the permitted set of the calling thread, and the last capability
// that the kernel knows.
func Own() (have Set, last int, err error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return 0, 0, fmt.Errorf("capget: %w", err)
	}
	have = Set(data[0].Permitted) | Set(data[1].Permitted)<<32
	there := func(n int) bool {
		_, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(n), 0, 0, 0)
		return err == nil
	}
	// Most kernels have the last that was added, Linux 5.9.
	for last = unix.CAP_CHECKPOINT_RESTORE; last > 0 && !there(last); last-- {
	}
	for last < 63 && there(last+1) {
		last++
	}
	return have, last, nil
}

// Bound drops from the bounding set what it shall not have; it takes
// CAP_SETPCAP, so it stands before the ids change.
func (s Sets) Bound(p *clone.Program, last int) {
	for n := range last + 1 {
		if s.Bounding&(1<<n) == 0 {
			p.Call(unix.SYS_PRCTL, clone.Num(unix.PR_CAPBSET_DROP), clone.Num(n))
		}
	}
}

// Keep makes the permitted set survive the change of ids, capabilities(7).
func Keep(p *clone.Program) {
	p.Call(unix.SYS_PRCTL, clone.Num(unix.PR_SET_KEEPCAPS), clone.Num(1))
}

// Apply sets the other four sets, after the change of ids.
func (s Sets) Apply(p *clone.Program) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for i := range data {
		shift := 32 * i
		data[i] = unix.CapUserData{Effective: uint32(s.Effective >> shift), Permitted: uint32(s.Permitted >> shift), Inheritable: uint32(s.Inheritable >> shift)}
	}
	p.Call(unix.SYS_CAPSET, p.Data(clone.Bytes(&hdr)), p.Data(clone.Bytes(&data)))
	p.Call(unix.SYS_PRCTL, clone.Num(unix.PR_CAP_AMBIENT), clone.Num(unix.PR_CAP_AMBIENT_CLEAR_ALL))
	for n := range 64 {
		if s.Ambient&(1<<n) != 0 {
			p.Call(unix.SYS_PRCTL, clone.Num(unix.PR_CAP_AMBIENT), clone.Num(unix.PR_CAP_AMBIENT_RAISE), clone.Num(n))
		}
	}
}

// Known is every capability that has a name here.
func Known() Set {
	return All(len(names.Capabilities) - 1)
}
