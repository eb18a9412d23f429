package cgroup

import (
	"encoding/binary"
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

// bpfInsn is struct bpf_insn, linux/bpf.h.
type bpfInsn struct {
	code uint8
	regs uint8 // two fields of four bits, in the machine's order
	off  int16
	imm  int32
}

// Operations, as class|source|operation.
const (
	opLoad32   = unix.BPF_LDX | unix.BPF_W | unix.BPF_MEM
	opMove     = bpfALU64 | unix.BPF_X | bpfMov
	opMoveImm  = bpfALU64 | unix.BPF_K | bpfMov
	opAndImm   = bpfALU64 | unix.BPF_K | unix.BPF_AND
	opShiftImm = bpfALU64 | unix.BPF_K | unix.BPF_RSH
	opJumpNE   = unix.BPF_JMP | unix.BPF_K | bpfJNE
	opJumpEQ   = unix.BPF_JMP | unix.BPF_K | unix.BPF_JEQ
	opExit     = unix.BPF_JMP | bpfExit

	bpfALU64, bpfMov, bpfJNE, bpfExit = 0x07, 0xb0, 0x50, 0x90
)

// Registers of the filter: what it returns, its context, and what it takes of
// that.
const (
	rResult = iota
	rContext
	rType
	rAccess // what of the access asked for is not allowed yet
	rMajor
	rMinor
)

// Offsets in struct bpf_cgroup_dev_ctx, and its words for a type.
const (
	ctxAccessType, ctxMajor, ctxMinor = 0, 4, 8
	devBlock, devChar                 = 1, 2
)

func insn(code uint8, dst, src uint8, off int16, imm int32) bpfInsn {
	regs := dst | src<<4
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 { // big-endian
		regs = dst<<4 | src
	}
	return bpfInsn{code, regs, off, imm}
}

// filter compiles the rules, the last first: an access is denied as soon as a
// rule denies a part of it that none after it has allowed, and allowed as soon
// as all of it is.
func filter(rules []DeviceRule) []bpfInsn {
	prog := []bpfInsn{
		insn(opLoad32, rType, rContext, ctxAccessType, 0),
		insn(opMove, rAccess, rType, 0, 0),
		insn(opAndImm, rType, 0, 0, 0xffff),
		insn(opShiftImm, rAccess, 0, 0, 16),
		insn(opLoad32, rMajor, rContext, ctxMajor, 0),
		insn(opLoad32, rMinor, rContext, ctxMinor, 0),
	}
	for i := len(rules) - 1; i >= 0; i-- {
		r := rules[i]
		minors := []int64{r.Minor}
		// Rules that differ in the minor number alone are one: the kernel follows
		// every branch when it verifies the program, which costs a container more
		// than anything else about its devices.
		for ; i > 0 && r.Minor >= 0; i-- {
			other := rules[i-1]
			if other.Minor < 0 || other.Type != r.Type || other.Major != r.Major || other.Access != r.Access || other.Allow != r.Allow {
				break
			}
			minors = append(minors, other.Minor)
		}
		prog = append(prog, ruleInsns(r, minors)...)
	}
	return append(prog, insn(opMoveImm, rResult, 0, 0, 0), insn(opExit, 0, 0, 0, 0))
}

func ruleInsns(r DeviceRule, minors []int64) []bpfInsn {
	var code []bpfInsn
	var next []int // jumps to what comes after the rule
	jump := func(op, reg uint8, value int64) {
		next = append(next, len(code))
		code = append(code, insn(op, reg, 0, 0, int32(value)))
	}
	unless := func(reg uint8, value int64) { jump(opJumpNE, reg, value) }
	switch r.Type {
	case 'b':
		unless(rType, devBlock)
	case 'c':
		unless(rType, devChar)
	}
	if r.Major >= 0 {
		unless(rMajor, r.Major)
	}
	if last := len(minors) - 1; minors[last] >= 0 {
		for n, minor := range minors[:last] {
			code = append(code, insn(opJumpEQ, rMinor, 0, int16(last-n), int32(minor)))
		}
		unless(rMinor, minors[last])
	}
	result := int32(0)
	switch {
	case r.Allow && r.Access == accessAll && len(next) > 0: // else nothing leads to what follows
		result = 1
	case r.Allow:
		result = 1
		code = append(code, insn(opAndImm, rAccess, 0, 0, int32(accessAll&^r.Access)))
		unless(rAccess, 0)
	default:
		code = append(code, insn(opMove, rResult, rAccess, 0, 0), insn(opAndImm, rResult, 0, 0, int32(r.Access)))
		jump(opJumpEQ, rResult, 0)
	}
	code = append(code, insn(opMoveImm, rResult, 0, 0, result), insn(opExit, 0, 0, 0, 0))
	for _, at := range next {
		code[at].off = int16(len(code) - 1 - at)
	}
	return code
}

// Commands and words of bpf(2).
const (
	bpfProgLoad, bpfProgAttach, bpfProgDetach, bpfProgGetFDByID, bpfProgQuery = 5, 8, 9, 13, 16

	progTypeCgroupDevice = 15
	attachCgroupDevice   = 6
	allowMulti, replace  = 2, 4
)

func bpf[T any](command int, attr *T) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(command), uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr))
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// attachFilter makes prog the one filter of the cgroup. One that is there is
// replaced at once: there is no moment without.
func attachFilter(dir string, prog []bpfInsn) error {
	cgroup, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fault.Op(err, "open the cgroup %s", dir)
	}
	defer unix.Close(cgroup)
	fd, err := loadFilter(prog)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	old, err := filters(cgroup)
	if err != nil {
		return err
	}
	defer func() {
		for _, f := range old {
			unix.Close(f)
		}
	}()
	attach := struct{ target, prog, kind, flags, replaces uint32 }{uint32(cgroup), uint32(fd), attachCgroupDevice, allowMulti, 0}
	if len(old) == 1 {
		attach.flags, attach.replaces = allowMulti|replace, uint32(old[0])
	}
	if _, err := bpf(bpfProgAttach, &attach); err != nil {
		return fault.Op(err, "attach a device filter to %s", dir)
	}
	if len(old) > 1 {
		for _, f := range old {
			detach := struct{ target, prog, kind uint32 }{uint32(cgroup), uint32(f), attachCgroupDevice}
			if _, err := bpf(bpfProgDetach, &detach); err != nil {
				return fault.Op(err, "detach an old device filter from %s", dir)
			}
		}
	}
	return nil
}

func loadFilter(prog []bpfInsn) (int, error) {
	license := []byte("Apache-2.0\x00")
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&prog[0])
	pin.Pin(&license[0])
	load := struct {
		kind, count    uint32
		insns, license uint64
		logLevel, size uint32
		log            uint64
		kernel, flags  uint32
	}{kind: progTypeCgroupDevice, count: uint32(len(prog)), insns: uint64(uintptr(unsafe.Pointer(&prog[0]))), license: uint64(uintptr(unsafe.Pointer(&license[0])))}
	fd, err := bpf(bpfProgLoad, &load)
	for errors.Is(err, unix.EAGAIN) { // a signal came meanwhile
		fd, err = bpf(bpfProgLoad, &load)
	}
	if err != nil {
		return -1, fault.Op(err, "load a device filter of %d instructions", len(prog))
	}
	return fd, nil
}

// filters are descriptors of the device filters that are attached to the cgroup
// itself.
func filters(cgroup int) ([]int, error) {
	ids := make([]uint32, 64) // BPF_CGROUP_MAX_PROGS
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&ids[0])
	query := struct {
		target, kind, queryFlags, attachFlags uint32
		ids                                   uint64
		count, _                              uint32
	}{target: uint32(cgroup), kind: attachCgroupDevice, ids: uint64(uintptr(unsafe.Pointer(&ids[0]))), count: uint32(len(ids))}
	if _, err := bpf(bpfProgQuery, &query); err != nil {
		return nil, fault.Op(err, "look for device filters of the cgroup")
	}
	var fds []int
	for _, id := range ids[:query.count] {
		get := struct{ id, next, flags uint32 }{id: id}
		fd, err := bpf(bpfProgGetFDByID, &get)
		if errors.Is(err, unix.ENOENT) {
			continue // it was detached meanwhile
		}
		if err != nil {
			return fds, fault.Op(err, "open a device filter of the cgroup")
		}
		fds = append(fds, fd)
	}
	return fds, nil
}
