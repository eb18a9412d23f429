#include "textflag.h"

// func kernel(nr, a, b, c, d, e, f uintptr) uintptr
TEXT ·kernel(SB), NOSPLIT, $0-64
	MOVD nr+0(FP), R9
	MOVD a+8(FP), R3
	MOVD b+16(FP), R4
	MOVD c+24(FP), R5
	MOVD d+32(FP), R6
	MOVD e+40(FP), R7
	MOVD f+48(FP), R8
	SYSCALL R9
	BVC  done // the errno is above 0, and the summary overflow says that it is one
	NEG  R3, R3
done:
	MOVD R3, ret+56(FP)
	RET
