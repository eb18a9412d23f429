#include "textflag.h"

// As on amd64.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	XOR  R0, R0 // which is 0 in all Go functions
	MOVD R1, ·stack(SB)
	SUB  $512, R1
	MOVD ·first(SB), R11
	MOVD (R11), R12
	MOVD R12, CTR
	BL   (CTR)
	MOVD ·stack(SB), R1
	BR   _rt0_ppc64le_linux(SB)
