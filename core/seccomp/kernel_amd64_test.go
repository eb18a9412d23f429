package seccomp

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func callers(name string) (caller, error) {
	switch name {
	case "":
		return rawSyscall, nil
	case "int80":
		return newInt80()
	}
	return nil, fmt.Errorf("there is no caller %q", name)
}

// newInt80 writes a function that makes calls through int 0x80, as any 64-bit
// process can; the kernel takes them for those of a 32-bit program.
func newInt80() (caller, error) {
	page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_32BIT)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	return func(c rawCall) int {
		// mov eax, NR; mov ebx, ARG; mov ecx, ARG; int 0x80; cdqe; ret. Go keeps
		// nothing in these registers over a call.
		code := binary.LittleEndian.AppendUint32([]byte{0xb8}, uint32(c.NR))
		code = binary.LittleEndian.AppendUint32(append(code, 0xbb), uint32(c.Args[0]))
		code = binary.LittleEndian.AppendUint32(append(code, 0xb9), uint32(c.Args[1]))
		copy(page, append(code, 0xcd, 0x80, 0x48, 0x98, 0xc3))
		// A function value is a pointer to a word that points to the code.
		entry := &page[0]
		closure := &entry
		return (*(*func() int)(unsafe.Pointer(&closure)))()
	}, nil
}

// Numbers of i386 and of x32 that the tests call.
const (
	nr386Getpgid    = 132
	nr386Socketcall = 102
	nr386IPC        = 117
)

// Neither x32 numbers nor int 0x80 lead around a rule.
func TestKernelOtherABIs(t *testing.T) {
	refuse := func(arches ...specs.Arch) *specs.LinuxSeccomp {
		s := one(specs.ActErrno, number(7))
		s.Architectures = arches
		return s
	}
	sockets := refuse(specs.ArchX86)
	sockets.Syscalls = []specs.LinuxSyscall{{
		Names: []string{"socket", "shmget"}, Action: specs.ActErrno, ErrnoRet: number(8),
		Args: []specs.LinuxSeccompArg{{Index: 0, Op: specs.OpEqualTo, Value: unix.AF_ALG}},
	}}
	for _, c := range []kernelCase{
		{"an x32 number", refuse(), "", []rawCall{{NR: x32Bit | unix.SYS_GETPGID}}, "SIGSYS"},
		{"any x32 number", refuse(), "", []rawCall{{NR: x32Bit | 0xfff}}, "SIGSYS"},
		{"an x32 number where x32 is listed", refuse(specs.ArchX32), "", []rawCall{{NR: x32Bit | unix.SYS_GETPGID}}, "-7"},
		{"int 0x80", refuse(), "int80", []rawCall{{NR: nr386Getpgid}}, "SIGSYS"},
		{"int 0x80 where x32 is listed", refuse(specs.ArchX32), "int80", []rawCall{{NR: nr386Getpgid}}, "SIGSYS"},
		{"int 0x80 where x86 is listed", refuse(specs.ArchX86), "int80", []rawCall{{NR: nr386Getpgid}}, "-7"},
		{"socketcall and ipc", sockets, "int80",
			[]rawCall{{nr386Socketcall, [6]uintptr{1}}, {nr386IPC, [6]uintptr{23}}, {nr386IPC, [6]uintptr{1<<16 | 23}}}, "-8 -8 -8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			free := job{&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86}}, []rawCall{{NR: nr386Getpgid}}, "int80"}
			if c.through == "int80" && strings.HasPrefix(outcome(t, free), "SIGSEGV") {
				t.Skip("the kernel has no int 0x80")
			}
			c.test(t)
		})
	}
}
