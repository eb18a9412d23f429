#include "textflag.h"

// entry calls begin, 64 words below what the kernel has put on the stack, and goes on at the
// Go runtime's own entry point with the stack that begin says. By name, begin would be called
// through a wrapper that looks for g.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	MOVQ SP, ·stack(SB)
	SUBQ $512, SP
	XORPS X15, X15 // which is 0 in all Go functions
	MOVQ ·first(SB), DX
	MOVQ (DX), AX
	CALL AX
	MOVQ ·stack(SB), SP
	JMP  _rt0_amd64_linux(SB)
