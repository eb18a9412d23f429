#include "textflag.h"

// As on amd64.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	MOVL SP, ·stack(SB)
	SUBL $256, SP
	MOVL ·first(SB), DX
	MOVL (DX), AX
	CALL AX
	MOVL ·stack(SB), SP
	JMP  _rt0_386_linux(SB)
