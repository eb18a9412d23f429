#include "textflag.h"

// As on amd64.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	MOVW R13, ·stack(SB)
	SUB  $256, R13
	MOVW ·first(SB), R7
	MOVW (R7), R0
	BL   (R0)
	MOVW ·stack(SB), R13
	B    _rt0_arm_linux(SB)
