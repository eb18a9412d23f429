#include "textflag.h"

DATA assignment<>+0(SB)/8, $"GOMAXPRO"
DATA assignment<>+8(SB)/4, $"CS=1"
GLOBL assignment<>(SB), RODATA, $16

// As on amd64.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	MOVW $172, R7 // prctl
	MOVW $30, R0 // PR_GET_TIMERSLACK
	SWI  $0
	MOVW R0, ·own(SB)
	MOVW $29, R0 // PR_SET_TIMERSLACK
	MOVW $5000000, R1 // ns
	SWI  $0
	MOVW $1, R2
	MOVB R2, ·slack(SB)
	MOVW $242, R7 // sched_getaffinity
	MOVW $0, R0
	MOVW $128, R1
	MOVW $·processors(SB), R2
	SWI  $0
	CMP  $0, R0
	BLE  files
	MOVW $345, R7 // getcpu
	MOVW $·processor(SB), R0
	MOVW $0, R1
	MOVW $0, R2
	SWI  $0
	CMP  $0, R0
	BNE  files
	MOVW ·processor(SB), R0
	AND  $31, R0, R1
	MOVW $1, R3
	MOVW R3<<R1, R3
	MOVW R0>>5, R0
	MOVW $·one(SB), R2
	ADD  R0<<2, R2, R1
	MOVW R3, (R1)
	MOVW $241, R7 // sched_setaffinity
	MOVW $0, R0
	MOVW $128, R1
	SWI  $0
	MOVW $1, R2
	CMP  $0, R0
	MOVB.EQ R2, ·pinned(SB)
files:
	MOVW $369, R7 // prlimit64
	MOVW $0, R0
	MOVW $7, R1 // RLIMIT_NOFILE
	MOVW $0, R2
	MOVW $ocibox∕core∕nofile·limit(SB), R3
	SWI  $0
	CMP  $0, R0
	BNE  profile
	MOVW $ocibox∕core∕nofile·limit(SB), R3
	MOVW $·few(SB), R2
	MOVW $3, R4
	MOVW R4, (R2)
	MOVW 8(R3), R4
	MOVW R4, 8(R2)
	MOVW 12(R3), R4
	MOVW R4, 12(R2)
	MOVW $0, R3
	SWI  $0
	MOVW $1, R2
	CMP  $0, R0
	MOVB.EQ R2, ocibox∕core∕nofile·lowered(SB)
profile:
	MOVW $0, R0
	MOVW ·rate(SB), R3
	MOVW R0, (R3)
	MOVW $1, R2
	MOVW (R13), R5
	ADD  $8, R13, R6
	ADD  R5<<2, R6
next:
	MOVW (R6), R5
	ADD  $4, R6
	CMP  $0, R5
	BEQ  add
	MOVW $assignment<>(SB), R3
	ADD  $11, R3, R4 // up to and with the =
same:
	MOVBU (R5), R0
	MOVBU (R3), R1
	CMP  R0, R1
	BNE  next
	ADD  $1, R5
	ADD  $1, R3
	CMP  R3, R4
	BNE  same
	B    start
add:
	SUB  $4, R6
	MOVW R13, R5
	SUB  $4, R13
move:
	MOVW (R5), R0
	MOVW R0, -4(R5)
	ADD  $4, R5
	CMP  R6, R5
	BNE  move
	MOVW $assignment<>(SB), R0
	MOVW R0, -4(R6)
	MOVB R2, ·variable(SB)
start:
	B    _rt0_arm_linux(SB)
