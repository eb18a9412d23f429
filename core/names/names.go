// Package names tells the names of the kernel's constants, in the form in which
// strace(1) prints them. What explains a container's program and what decodes
// another process's calls both ask here.
package names

import (
	"strconv"
	"strings"
)

// Set is the names that one kind of argument is made of: one of several values,
// an or of bits, or one value in some of the bits and an or of the others.
type Set struct {
	Kind    string // the word that a call's description has for it
	Unknown string // such as MS_???, for what none of the names says
	Mask    uint64 // bits that are one of Values; 0 where all are bits
	Values  List
	Bits    List
}

// List is names in the order in which they are printed.
type List struct {
	Names []Name
	// Words are the names of consecutive values from First, or of consecutive
	// bits from bit First; "-" is one that has none, and "@N" goes on from bit N.
	First int
	Words string
}

// Name is the name of a value.
type Name struct {
	Value uint64
	Name  string
}

// all is the mask of a set that is values only.
const all = ^uint64(0)

// sets are all that Find knows.
var sets = [...]*Set{
	&Open, &OpenBits, &Resolves, &At, &statxAt, &accessAt, &statxMask, &statxAttr, &access, &FileTypes, &dirTypes, &whences,
	&CloseRange, &renames, &fallocates, &flocks, &xattrs, &rwfs, &splice, &memfds, &seals, &fcntls, &lockTypes, &fdFlags, &epolls,
	&epollOps, &epollBits, &pollBits, &eventfds, &inotifies, &inotifyBit, &timerfds, &signalfds, &uffds, &magics, &statfsBits,
	&Mounts, &Propagation, &Umounts, &FSOpen, &FSPick, &FSMount, &FSConfigs, &MountAttrs, &OpenTree, &MoveMounts, &Clone, &Clone3,
	&Namespaces, &waits, &idTypes, &pidfds, &Prctls, &Ambients, &Dumpables, &secureBits, &vmas, &archPrctls, &Seccomps,
	&SeccompFlags, &seccompModes, &seccompActions, &Rlimits, &Personalities, &SchedPolicies, &SchedFlags, &IOClasses, &IOWhos,
	&prioWhos, &rusages, &MemPolicies, &Keyctls, &keyrings, &keyPerms, &capVersions, &landlockFS, &landlockNet, &landlockNew, &landlockRule, &bpfs, &bpfMaps,
	&bpfProgs, &bpfAttaches, &bpfAttach, &kcmps, &ptraces, &iocDirs, &prots, &maps, &mremaps, &mlocks, &msyncs, &madvise, &mbinds,
	&barriers, &futexes, &randoms, &clocks, &timers, &itimers, &sigHows, &sigActions, &sigStacks, &sigCodes, &illCodes, &fpeCodes,
	&segvCodes, &busCodes, &trapCodes, &cldCodes, &pollCodes, &sysCodes, &ipcs, &ipcCmds, &Families, &SockTypes, &sockFlags,
	&ipProtos, &nlProtos, &nlTypes, &rtTypes, &nlFlags, &nlGetFlags, &nlNewFlags, &msgFlags, &levels, &cmsgTypes, &shutdowns,
	&sockOpts, &tcpOpts, &nlOpts, &Ioctls,
}

// Find returns the set of that kind, nil for none.
func Find(kind string) *Set {
	for _, s := range sets {
		if s.Kind == kind {
			return s
		}
	}
	return nil
}

// each calls f with every name of the list until f returns false. bits says
// that Words are those of bits.
func (l *List) each(bits bool, f func(v uint64, name string) bool) {
	for _, n := range l.Names {
		if !f(n.Value, n.Name) {
			return
		}
	}
	v := uint64(l.First)
	if bits {
		v = 1 << l.First
	}
	for word := range strings.FieldsSeq(l.Words) {
		if bit, ok := strings.CutPrefix(word, "@"); ok {
			n, _ := strconv.Atoi(bit) // a test knows that it is a number
			v = 1 << n
			continue
		}
		if word != "-" && !f(v, word) {
			return
		}
		if v++; bits {
			v = (v - 1) << 1
		}
	}
}

// Of returns the name of the one value v, "" if it has none.
func (s *Set) Of(v uint64) (name string) {
	s.Values.each(false, func(value uint64, n string) bool {
		if value == v {
			name = n
		}
		return name == ""
	})
	return name
}

// Value returns the value that has the name.
func (s *Set) Value(name string) (v uint64, ok bool) {
	found := func(value uint64, n string) bool {
		if n == name {
			v, ok = value, true
		}
		return !ok
	}
	s.Values.each(false, found)
	if !ok {
		s.Bits.each(true, found)
	}
	return v, ok
}

// Format gives v in names: "O_RDONLY|O_CLOEXEC". What has no name is a number,
// with a comment if nothing has: "0x63 /* CLOCK_??? */".
func (s *Set) Format(v uint64) string {
	var b []byte
	if s.Mask != 0 {
		name := s.Of(v & s.Mask)
		if name == "" && (v&s.Mask != 0 || s.Mask == all) {
			name = number(v&s.Mask) + " /* " + s.Unknown + " */"
		}
		b = append(b, name...)
	}
	rest := v &^ s.Mask
	s.Bits.each(true, func(bits uint64, name string) bool {
		if bits != 0 && rest&bits == bits {
			b = append(or(b), name...)
			rest &^= bits
		}
		return rest != 0
	})
	switch {
	case rest == 0 && len(b) == 0:
		for _, n := range s.Bits.Names {
			if n.Value == 0 {
				return n.Name
			}
		}
		return "0"
	case rest == 0:
	case len(b) == 0:
		b = append(append(b, number(rest)...), " /* "+s.Unknown+" */"...)
	default:
		b = append(or(b), number(rest)...)
	}
	return string(b)
}

func or(b []byte) []byte {
	if len(b) > 0 {
		b = append(b, '|')
	}
	return b
}

// Capability is the name of capability n of capabilities(7), "" if it has none.
func Capability(n int) string {
	if n < 0 || n >= len(Capabilities) {
		return ""
	}
	return Capabilities[n]
}

// Capabilities are the names by number, linux/capability.h, as of Linux 5.9.
var Capabilities = [...]string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER",
	"CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
	"CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP",
	"CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
}

// number is v as C's %#x has it.
func number(v uint64) string {
	if v == 0 {
		return "0"
	}
	return "0x" + strconv.FormatUint(v, 16)
}
