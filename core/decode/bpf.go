package decode

import (
	"strconv"

	"golang.org/x/sys/unix"

	"ocibox/core/names"
)

// seccomp is the third argument of seccomp(2), by the first.
func (p *printer) seccomp(v uint64) {
	switch p.c.Args[0] {
	case unix.SECCOMP_SET_MODE_FILTER:
		p.filter(v)
	case unix.SECCOMP_GET_ACTION_AVAIL:
		if v == 0 {
			p.s("NULL")
			return
		}
		p.boxed(v, func(b []byte) { p.s(seccompAction(uint32(number(b)))) })
	case unix.SECCOMP_GET_NOTIF_SIZES:
		if p.c.Failed || !p.structure(v, 6, "seccomp_notif=u2@0 seccomp_notif_resp=u2@2 seccomp_data=u2@4") {
			p.addr(v)
		}
	default:
		p.addr(v)
	}
}

// filter is struct sock_fprog: its length, and its program if all is wanted.
func (p *printer) filter(addr uint64) {
	b, ok := p.read(addr, 16)
	if !ok || p.c.word != 8 {
		p.addr(addr)
		return
	}
	n, code := number(b[:2]), number(b[8:])
	p.s("{")
	p.members(b, "len=u2@0")
	p.s(", filter=")
	if p.Verbose {
		p.list(code, n, 8, p.filterInsn)
	} else {
		p.addr(code)
	}
	p.s("}")
}

// The words of a classic BPF instruction's code, linux/bpf_common.h.
var (
	bpfClasses = [...]string{"BPF_LD", "BPF_LDX", "BPF_ST", "BPF_STX", "BPF_ALU", "BPF_JMP", "BPF_RET", "BPF_MISC"}
	bpfSizes   = [...]string{"BPF_W", "BPF_H", "BPF_B", "BPF_DW"}
	bpfModes   = [...]string{"BPF_IMM", "BPF_ABS", "BPF_IND", "BPF_MEM", "BPF_LEN", "BPF_MSH", "BPF_XADD", "0xe0"}
	bpfALU     = [...]string{"BPF_ADD", "BPF_SUB", "BPF_MUL", "BPF_DIV", "BPF_OR", "BPF_AND", "BPF_LSH", "BPF_RSH", "BPF_NEG", "BPF_MOD", "BPF_XOR"}
	bpfJumps   = [...]string{"BPF_JA", "BPF_JEQ", "BPF_JGT", "BPF_JGE", "BPF_JSET"}
)

// filterInsn is struct sock_filter as the macros of linux/filter.h write it.
func (p *printer) filterInsn(b []byte) {
	code, k := number(b[:2]), number(b[4:])
	class := code & 7
	source := "BPF_K"
	if code&8 != 0 {
		source = "BPF_X"
	}
	op := int(code >> 4 & 0xf)
	word := func(words []string) string {
		if op < len(words) {
			return words[op]
		}
		return "0x" + strconv.FormatUint(uint64(op)<<4, 16)
	}
	const ld, ldx, alu, jmp, ret, misc = 0, 1, 4, 5, 6, 7
	if class == jmp {
		p.s("BPF_JUMP(BPF_JMP|", source, "|", word(bpfJumps[:]), ", ")
		p.hex(k)
		p.s(", ")
		p.hex(uint64(b[2]))
		p.s(", ")
		p.hex(uint64(b[3]))
		p.s(")")
		return
	}
	p.s("BPF_STMT(", bpfClasses[class])
	switch class {
	case ld, ldx:
		p.s("|", bpfSizes[code>>3&3], "|", bpfModes[code>>5])
	case alu:
		p.s("|", source, "|", word(bpfALU[:]))
	case ret:
		if code&0x18 == 0x10 {
			source = "BPF_A"
		}
		p.s("|", source)
		if source == "BPF_K" {
			p.s(", ", seccompAction(uint32(k)), ")")
			return
		}
	case misc:
		if code&0x80 != 0 {
			p.s("|BPF_TXA")
		} else {
			p.s("|BPF_TAX")
		}
	}
	p.s(", ")
	p.hex(k)
	p.s(")")
}

// seccompAction is what a filter returns, with its data.
func seccompAction(v uint32) string {
	s := names.Find("seccompret").Format(uint64(v & unix.SECCOMP_RET_ACTION_FULL))
	if data := uint64(v & unix.SECCOMP_RET_DATA); data != 0 {
		s += "|0x" + strconv.FormatUint(data, 16)
	}
	return s
}

// bpf is union bpf_attr of bpf(2), for the commands that container runtimes use
// for a cgroup's devices.
func (p *printer) bpf(addr, size uint64) bool {
	const most = 144
	b, ok := p.read(addr, min(size, most))
	if !ok {
		return false
	}
	// The kernel takes what is missing for zero.
	b = append(b, make([]byte, most)...)
	switch p.c.Args[0] {
	case unix.BPF_PROG_LOAD:
		p.s("{")
		p.members(b, "prog_type=bpfprog4@0 insn_cnt=u4@4 insns=p8@8")
		p.s(", license=")
		p.str(number(b[16:24]), p.Limit)
		p.s(", ")
		p.members(b, "log_level=u4@24 log_size=u4@28 log_buf=p8@32")
		p.s(", kern_version=KERNEL_VERSION(")
		p.u(number(b[42:44]))
		p.s(", ")
		p.u(uint64(b[41]))
		p.s(", ")
		p.u(uint64(b[40]))
		p.s("), ")
		p.members(b, "prog_flags=x4@44 prog_name=c16@48 prog_ifindex=u4@64 expected_attach_type=bpfattach4@68")
		if size > 72 {
			p.s(", ...")
		}
		p.s("}")
	case unix.BPF_PROG_ATTACH, unix.BPF_PROG_DETACH:
		spec := "target_fd=f4@0 attach_bpf_fd=f4@4 attach_type=bpfattach4@8 attach_flags=bpfattachflags4@12"
		if size > 16 && p.c.Args[0] == unix.BPF_PROG_ATTACH {
			spec += " replace_bpf_fd=f4@16"
		}
		p.braces(b, spec)
	default:
		return false
	}
	return true
}
