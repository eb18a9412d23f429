#include "textflag.h"

// As on amd64.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	MOVD R15, ·stack(SB)
	SUB  $512, R15
	MOVD ·first(SB), R12
	MOVD (R12), R1
	BL   R1
	MOVD ·stack(SB), R15
	BR   _rt0_s390x_linux(SB)
