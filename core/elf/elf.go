// Package elf has the numbers of elf(5) that ocibox looks at, by the names of
// package debug/elf, which brings three decompressors and DWARF.
package elf

import "strconv"

// A Class is how wide the file's words are.
type Class byte

const (
	ELFCLASS32 Class = 1
	ELFCLASS64 Class = 2
)

func (c Class) String() string {
	switch c {
	case ELFCLASS32:
		return "ELFCLASS32"
	case ELFCLASS64:
		return "ELFCLASS64"
	}
	return strconv.Itoa(int(c))
}

// Data is the file's byte order.
type Data byte

const (
	ELFDATA2LSB Data = 1
	ELFDATA2MSB Data = 2
)

// Places in the first bytes of a file, and what stands there.
const (
	EI_CLASS   = 4
	EI_DATA    = 5
	EI_VERSION = 6
	EI_NIDENT  = 16
	EV_CURRENT = 1
	ELFMAG     = "\x7fELF"
)

// A Type is what a file is for.
type Type uint16

const ET_DYN Type = 3

// A Machine is a family of processors.
type Machine uint16

const (
	EM_NONE    Machine = 0
	EM_386     Machine = 3
	EM_PPC64   Machine = 21
	EM_S390    Machine = 22
	EM_ARM     Machine = 40
	EM_X86_64  Machine = 62
	EM_AARCH64 Machine = 183
	EM_RISCV   Machine = 243
)

// others are machines that programs come for, besides.
var others = [...]struct {
	m    Machine
	name string
}{
	{EM_NONE, "NONE"}, {EM_386, "386"}, {EM_PPC64, "PPC64"}, {EM_S390, "S390"}, {EM_ARM, "ARM"}, {EM_X86_64, "X86_64"}, {EM_AARCH64, "AARCH64"}, {EM_RISCV, "RISCV"},
	{2, "SPARC"}, {4, "68K"}, {8, "MIPS"}, {15, "PARISC"}, {20, "PPC"}, {42, "SH"}, {43, "SPARCV9"}, {50, "IA_64"}, {258, "LOONGARCH"},
}

func (m Machine) String() string {
	for _, o := range others {
		if o.m == m {
			return "EM_" + o.name
		}
	}
	return "EM_" + strconv.Itoa(int(m))
}

// A ProgType is what a program header is about.
type ProgType uint32

const (
	PT_LOAD    ProgType = 1
	PT_DYNAMIC ProgType = 2
	PT_INTERP  ProgType = 3
	PT_PHDR    ProgType = 6
)

// A DynTag says what an entry of the dynamic section holds.
type DynTag int

const (
	DT_NULL    DynTag = 0
	DT_NEEDED  DynTag = 1
	DT_STRTAB  DynTag = 5
	DT_STRSZ   DynTag = 10
	DT_SONAME  DynTag = 14
	DT_RPATH   DynTag = 15
	DT_RUNPATH DynTag = 29
	DT_FLAGS_1 DynTag = 0x6ffffffb
)

// DynFlag1 are the bits of DT_FLAGS_1.
type DynFlag1 uint32

const DF_1_NODEFLIB DynFlag1 = 0x800
