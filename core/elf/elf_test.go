package elf

import (
	"debug/elf"
	"testing"
)

// The numbers and names are those of package debug/elf.
func TestNumbers(t *testing.T) {
	for _, n := range [][2]int{
		{int(ELFCLASS32), int(elf.ELFCLASS32)}, {int(ELFCLASS64), int(elf.ELFCLASS64)}, {int(ELFDATA2LSB), int(elf.ELFDATA2LSB)}, {int(ELFDATA2MSB), int(elf.ELFDATA2MSB)},
		{EI_CLASS, elf.EI_CLASS}, {EI_DATA, elf.EI_DATA}, {EI_VERSION, elf.EI_VERSION}, {EI_NIDENT, elf.EI_NIDENT}, {EV_CURRENT, int(elf.EV_CURRENT)}, {int(ET_DYN), int(elf.ET_DYN)},
		{int(PT_LOAD), int(elf.PT_LOAD)}, {int(PT_DYNAMIC), int(elf.PT_DYNAMIC)}, {int(PT_INTERP), int(elf.PT_INTERP)}, {int(PT_PHDR), int(elf.PT_PHDR)},
		{int(DT_NULL), int(elf.DT_NULL)}, {int(DT_NEEDED), int(elf.DT_NEEDED)}, {int(DT_STRTAB), int(elf.DT_STRTAB)}, {int(DT_STRSZ), int(elf.DT_STRSZ)}, {int(DT_SONAME), int(elf.DT_SONAME)},
		{int(DT_RPATH), int(elf.DT_RPATH)}, {int(DT_RUNPATH), int(elf.DT_RUNPATH)}, {int(DT_FLAGS_1), int(elf.DT_FLAGS_1)}, {int(DF_1_NODEFLIB), int(elf.DF_1_NODEFLIB)},
		{int(EM_386), int(elf.EM_386)}, {int(EM_PPC64), int(elf.EM_PPC64)}, {int(EM_S390), int(elf.EM_S390)}, {int(EM_ARM), int(elf.EM_ARM)}, {int(EM_X86_64), int(elf.EM_X86_64)}, {int(EM_AARCH64), int(elf.EM_AARCH64)}, {int(EM_RISCV), int(elf.EM_RISCV)},
	} {
		if n[0] != n[1] {
			t.Errorf("%d, not %d", n[0], n[1])
		}
	}
	if ELFMAG != elf.ELFMAG {
		t.Error("the magic number")
	}
	for _, o := range others {
		if got, want := o.m.String(), elf.Machine(o.m).String(); got != want {
			t.Errorf("%d is %s, not %s", o.m, got, want)
		}
	}
	if got := Machine(9999).String(); got != "EM_9999" {
		t.Error(got)
	}
	for _, c := range []Class{ELFCLASS32, ELFCLASS64} {
		if got, want := c.String(), elf.Class(c).String(); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
