package cgroup

import (
	"encoding/binary"
	"errors"
	"math"
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
	opLoadImm  = unix.BPF_LD | bpfDW | unix.BPF_IMM // of 64 bits, the upper ones in the next instruction
	opMove     = bpfALU64 | unix.BPF_X | bpfMov
	opMoveImm  = bpfALU64 | unix.BPF_K | bpfMov
	opAddImm   = bpfALU64 | unix.BPF_K | unix.BPF_ADD
	opAnd      = bpfALU64 | unix.BPF_X | unix.BPF_AND
	opAndImm   = bpfALU64 | unix.BPF_K | unix.BPF_AND
	opOr       = bpfALU64 | unix.BPF_X | unix.BPF_OR
	opOrImm    = bpfALU64 | unix.BPF_K | unix.BPF_OR
	opXor      = bpfALU64 | unix.BPF_X | unix.BPF_XOR
	opNeg      = bpfALU64 | unix.BPF_K | unix.BPF_NEG
	opShiftUp  = bpfALU64 | unix.BPF_K | unix.BPF_LSH
	opShift    = bpfALU64 | unix.BPF_K | unix.BPF_RSH
	opShiftSgn = bpfALU64 | unix.BPF_K | bpfArsh // keeps the sign
	opExit     = unix.BPF_JMP | bpfExit

	bpfALU64, bpfMov, bpfArsh, bpfDW, bpfExit = 0x07, 0xb0, 0xc0, 0x18, 0x90
)

// Registers of the filter.
const (
	rResult  = iota
	rContext // as it is called
	rDevice  // type, major and minor as one number
	rAsked   // what of the access asked for is neither allowed nor denied yet
	rDenied  // what of it is denied
	rDiffers // of the device and a rule
	rOther
)

// How rDevice is composed: as the kernel composes its dev_t, with the type above.
const (
	minorBits, majorBits = 20, 12
	typeShift            = majorBits + minorBits
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

// filter compiles the rules, the last first. There is no branch in it: the kernel
// would follow every one when it verifies the program, and that costs a container
// more than anything else about its devices.
func filter(rules []DeviceRule) []bpfInsn {
	const head, each, tail = 11, 10, 5
	prog := append(make([]bpfInsn, 0, head+each*len(rules)+tail),
		insn(opLoad32, rAsked, rContext, ctxAccessType, 0),
		insn(opMove, rDevice, rAsked, 0, 0),
		insn(opAndImm, rDevice, 0, 0, 0xffff),
		insn(opShift, rAsked, 0, 0, 16),
		insn(opShiftUp, rDevice, 0, 0, majorBits),
		insn(opLoad32, rOther, rContext, ctxMajor, 0),
		insn(opOr, rDevice, rOther, 0, 0),
		insn(opShiftUp, rDevice, 0, 0, minorBits),
		insn(opLoad32, rOther, rContext, ctxMinor, 0),
		insn(opOr, rDevice, rOther, 0, 0),
		insn(opMoveImm, rDenied, 0, 0, 0))
	for i := len(rules) - 1; i >= 0; i-- {
		r := rules[i]
		if r.Major >= 1<<majorBits || r.Minor >= 1<<minorBits {
			continue // there is no such device
		}
		if i > 0 && r.with(rules[i-1]) {
			r.Type = 'a'
			i--
		}
		prog = r.insns(prog)
		if r.everything() && r.Access == accessAll {
			break // nothing is left for others
		}
	}
	// 1 if nothing is left and nothing denied, by the sign of one less.
	return append(prog,
		insn(opMove, rResult, rAsked, 0, 0), insn(opOr, rResult, rDenied, 0, 0),
		insn(opAddImm, rResult, 0, 0, -1), insn(opShift, rResult, 0, 0, 63), insn(opExit, 0, 0, 0, 0))
}

// with says whether the rule and other are the two halves of one for all devices.
func (r DeviceRule) with(other DeviceRule) bool {
	return r.Major < 0 && r.Minor < 0 && other.Major < 0 && other.Minor < 0 && r.Access == other.Access && r.Allow == other.Allow &&
		(r.Type == 'c' && other.Type == 'b' || r.Type == 'b' && other.Type == 'c')
}

// insns adds what moves all that the rule is about out of rAsked.
func (r DeviceRule) insns(code []bpfInsn) []bpfInsn {
	code = r.differs(code)
	if r.Allow {
		if r.Access != accessAll {
			code = append(code, insn(opOrImm, rDiffers, 0, 0, int32(accessAll&^r.Access)))
		}
		return append(code, insn(opAnd, rAsked, rDiffers, 0, 0))
	}
	return append(code,
		insn(opOrImm, rDiffers, 0, 0, int32(accessAll&^r.Access)),
		insn(opMove, rOther, rAsked, 0, 0), insn(opAnd, rAsked, rDiffers, 0, 0),
		insn(opXor, rOther, rAsked, 0, 0), insn(opOr, rDenied, rOther, 0, 0))
}

// differs adds what makes rDiffers all ones if the device is none of the rule's, else 0.
func (r DeviceRule) differs(code []bpfInsn) []bpfInsn {
	if r.everything() {
		return append(code, insn(opMoveImm, rDiffers, 0, 0, 0))
	}
	device, mask := uint64(devBlock), uint64(math.MaxUint64)
	if r.Type == 'c' {
		device = devChar
	}
	device <<= typeShift
	if r.Major < 0 {
		mask &^= (1<<majorBits - 1) << minorBits
	} else {
		device |= uint64(r.Major) << minorBits
	}
	if r.Minor < 0 {
		mask &^= 1<<minorBits - 1
	} else {
		device |= uint64(r.Minor)
	}
	code = append(code, insn(opLoadImm, rDiffers, 0, 0, int32(device)), insn(0, 0, 0, 0, int32(device>>32)), insn(opXor, rDiffers, rDevice, 0, 0))
	if mask != math.MaxUint64 {
		code = append(code, insn(opLoadImm, rOther, 0, 0, int32(mask)), insn(0, 0, 0, 0, int32(mask>>32)), insn(opAnd, rDiffers, rOther, 0, 0))
	}
	// The sign of a number's negative tells whether it is one.
	return append(code, insn(opNeg, rDiffers, 0, 0, 0), insn(opShiftSgn, rDiffers, 0, 0, 63))
}

// Commands and words of bpf(2).
const (
	bpfProgLoad, bpfProgAttach, bpfProgDetach, bpfProgGetFDByID, bpfObjGetInfoByFD, bpfProgQuery = 5, 8, 9, 13, 15, 16

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

// attachFilter makes prog the one filter of the cgroup, by sharedFilter. One that is
// there is replaced at once: there is no moment without. A fresh cgroup has none.
func attachFilter(dir, file string, prog []bpfInsn, fresh bool) error {
	cgroup, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fault.Op(err, "open the cgroup %s", dir)
	}
	defer unix.Close(cgroup)
	var old []int
	if !fresh {
		if old, err = filters(cgroup); err != nil {
			return err
		}
	}
	defer func() {
		for _, f := range old {
			unix.Close(f)
		}
	}()
	if len(old) > 1 {
		file = "" // one of them may be the shared one, which cannot be attached twice
	}
	fd, err := sharedFilter(file, prog)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
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
