#include "textflag.h"

DATA assignment<>+0(SB)/8, $"GOMAXPRO"
DATA assignment<>+8(SB)/4, $"CS=1"
GLOBL assignment<>(SB), RODATA, $16

// As on amd64, but by two words, for the stack has to stay aligned: the variable is
// there twice, and the second does not count.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	MOVD $167, R8 // prctl
	MOVD $30, R0 // PR_GET_TIMERSLACK
	SVC
	MOVD R0, ·own(SB)
	MOVD $29, R0 // PR_SET_TIMERSLACK
	MOVD $5000000, R1 // ns
	SVC
	MOVD $1, R2
	MOVB R2, ·slack(SB)
	MOVD $123, R8 // sched_getaffinity
	MOVD ZR, R0
	MOVD $128, R1
	MOVD $·processors(SB), R2
	SVC
	CMP  $0, R0
	BLE  files
	MOVD $168, R8 // getcpu
	MOVD $·processor(SB), R0
	MOVD ZR, R1
	MOVD ZR, R2
	SVC
	CBNZ R0, files
	MOVWU ·processor(SB), R0
	MOVD $1, R3
	LSL  R0, R3, R3
	LSR  $6, R0, R0
	MOVD $·one(SB), R2
	MOVD R3, (R2)(R0<<3)
	MOVD $122, R8 // sched_setaffinity
	MOVD ZR, R0
	MOVD $128, R1
	SVC
	CBNZ R0, files
	MOVD $1, R2
	MOVB R2, ·pinned(SB)
files:
	MOVD $261, R8 // prlimit64
	MOVD ZR, R0
	MOVD $7, R1 // RLIMIT_NOFILE
	MOVD ZR, R2
	MOVD $ocibox∕core∕nofile·limit(SB), R3
	SVC
	CBNZ R0, profile
	MOVD ocibox∕core∕nofile·limit+8(SB), R4
	MOVD R4, ·few+8(SB)
	MOVD $3, R4
	MOVD R4, ·few(SB)
	MOVD $·few(SB), R2
	MOVD ZR, R3
	SVC
	CBNZ R0, profile
	MOVD $1, R2
	MOVB R2, ocibox∕core∕nofile·lowered(SB)
profile:
	MOVD ·rate(SB), R3
	MOVD ZR, (R3)
	MOVD $1, R2
	MOVD assignment<>(SB), R3
	MOVD RSP, R4
	MOVD (R4), R5
	ADD  $16, R4, R6
	ADD  R5<<3, R6
next:
	MOVD (R6), R7
	ADD  $8, R6
	CBZ  R7, add
	MOVD (R7), R9 // as much is there, of other strings or of what follows them
	CMP  R3, R9
	BNE  next
	JMP  start
add:
	SUB  $8, R6
	MOVD R4, R7
	SUB  $16, RSP
move:
	MOVD (R7), R9
	MOVD R9, -16(R7)
	ADD  $8, R7
	CMP  R6, R7
	BNE  move
	MOVD $assignment<>(SB), R9
	MOVD R9, -16(R6)
	MOVD R9, -8(R6)
	MOVB R2, ·variable(SB)
start:
	JMP  _rt0_arm64_linux(SB)
