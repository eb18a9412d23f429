package seccomp

import "strings"

// CallName is the name of system call nr of the ABI with the audit value arch
// (AUDIT_ARCH_X86_64 …, linux/audit.h), as a filter and ptrace(2) get the two;
// "" if there is none.
func CallName(arch, nr uint32) string {
	for col, a := range abis {
		// x32 shares x86_64's audit value and has a bit of its own.
		if a.audit != arch || a.base != nr&x32Bit {
			continue
		}
		for i := range table {
			if e := &table[i]; e.nr[col] >= 0 && uint32(e.nr[col]) == nr&^a.base {
				return e.name
			}
		}
	}
	return ""
}

// ABIName is what programmers call the ABI with that audit value and, for x32,
// that bit in the number of its calls: "x86_64"; "" if it is not known.
func ABIName(arch, nr uint32) string {
	for _, a := range abis {
		if a.audit == arch && a.base == nr&x32Bit {
			return strings.ToLower(strings.TrimPrefix(string(a.arch), "SCMP_ARCH_"))
		}
	}
	return ""
}

// IsCall tells whether any ABI has a call of that name.
func IsCall(name string) bool {
	_, ok := row(name, 0)
	return ok
}
