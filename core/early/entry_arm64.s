#include "textflag.h"

// As on amd64.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	MOVD RSP, R0
	MOVD R0, ·stack(SB)
	SUB  $512, RSP
	MOVD ·first(SB), R26
	MOVD (R26), R0
	BL   (R0)
	MOVD ·stack(SB), R0
	MOVD R0, RSP
	JMP  _rt0_arm64_linux(SB)
