#include "textflag.h"

// func kernel(nr, a, b, c, d, e, f uintptr) uintptr
TEXT ·kernel(SB), NOSPLIT, $0-64
	MOV nr+0(FP), A7
	MOV a+8(FP), A0
	MOV b+16(FP), A1
	MOV c+24(FP), A2
	MOV d+32(FP), A3
	MOV e+40(FP), A4
	MOV f+48(FP), A5
	ECALL
	MOV A0, ret+56(FP)
	RET
