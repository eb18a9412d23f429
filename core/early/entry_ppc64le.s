#include "textflag.h"

DATA assignment<>+0(SB)/8, $"GOMAXPRO"
DATA assignment<>+8(SB)/4, $"CS=1"
GLOBL assignment<>(SB), RODATA, $16

// As on amd64.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	XOR  R0, R0 // as the assembler has it
	MOVD $30, R3 // PR_GET_TIMERSLACK
	SYSCALL $171 // prctl
	XOR  R0, R0
	MOVD R3, ·own(SB)
	MOVD $29, R3 // PR_SET_TIMERSLACK
	MOVD $5000000, R4 // ns
	SYSCALL $171 // prctl
	XOR  R0, R0
	MOVD $1, R5
	MOVB R5, ·slack(SB)
	MOVD R0, R3
	MOVD $128, R4
	MOVD $·processors(SB), R5
	SYSCALL $223 // sched_getaffinity
	BVS  files
	XOR  R0, R0
	MOVD $·processor(SB), R3
	MOVD R0, R4
	MOVD R0, R5
	SYSCALL $302 // getcpu
	BVS  files
	XOR  R0, R0
	MOVWZ ·processor(SB), R6
	MOVD $1, R7
	ANDCC $63, R6, R8
	SLD  R8, R7
	SRD  $6, R6
	SLD  $3, R6
	MOVD $·one(SB), R5
	ADD  R5, R6
	MOVD R7, (R6)
	MOVD R0, R3
	MOVD $128, R4
	SYSCALL $222 // sched_setaffinity
	BVS  files
	MOVD $1, R5
	MOVB R5, ·pinned(SB)
files:
	XOR  R0, R0
	MOVD R0, R3
	MOVD $7, R4 // RLIMIT_NOFILE
	MOVD R0, R5
	MOVD $ocibox∕core∕nofile·limit(SB), R6
	SYSCALL $325 // prlimit64
	XOR  R0, R0
	CMP  R3, $0
	BNE  profile
	MOVD ocibox∕core∕nofile·limit+8(SB), R7
	MOVD R7, ·few+8(SB)
	MOVD $3, R7
	MOVD R7, ·few(SB)
	MOVD $7, R4
	MOVD $·few(SB), R5
	MOVD R0, R6
	SYSCALL $325 // prlimit64
	XOR  R0, R0
	CMP  R3, $0
	BNE  profile
	MOVD $1, R5
	MOVB R5, ocibox∕core∕nofile·lowered(SB)
profile:
	MOVD ·rate(SB), R6
	MOVD R0, (R6)
	MOVD $1, R5
	MOVD (R1), R6
	SLD  $3, R6
	ADD  R1, R6
	ADD  $16, R6
next:
	MOVD (R6), R7
	ADD  $8, R6
	CMP  R7, $0
	BEQ  add
	MOVD assignment<>(SB), R8
	MOVD (R7), R9 // as much is there, of other strings or of what follows them
	CMP  R8, R9
	BNE  next
	BR   start
add:
	SUB  $8, R6
	MOVD R1, R7
	SUB  $8, R1
move:
	MOVD (R7), R9
	MOVD R9, -8(R7)
	ADD  $8, R7
	CMP  R7, R6
	BNE  move
	MOVD $assignment<>(SB), R9
	MOVD R9, -8(R6)
	MOVB R5, ·variable(SB)
start:
	BR   _rt0_ppc64le_linux(SB)
