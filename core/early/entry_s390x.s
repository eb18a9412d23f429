#include "textflag.h"

DATA assignment<>+0(SB)/8, $"GOMAXPRO"
DATA assignment<>+8(SB)/4, $"CS=1"
GLOBL assignment<>(SB), RODATA, $16

// As on amd64.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	MOVD $172, R1 // prctl
	MOVD $30, R2 // PR_GET_TIMERSLACK
	SYSCALL
	MOVD R2, ·own(SB)
	MOVD $172, R1 // prctl
	MOVD $29, R2 // PR_SET_TIMERSLACK
	MOVD $5000000, R3 // ns
	SYSCALL
	MOVD $1, R5
	MOVB R5, ·slack(SB)
	MOVD $240, R1 // sched_getaffinity
	MOVD $0, R2
	MOVD $128, R3
	MOVD $·processors(SB), R4
	SYSCALL
	CMPBLE R2, $0, files
	MOVD $311, R1 // getcpu
	MOVD $·processor(SB), R2
	MOVD $0, R3
	MOVD $0, R4
	SYSCALL
	CMPBNE R2, $0, files
	MOVWZ ·processor(SB), R6
	MOVD $1, R7
	SLD  R6, R7
	SRD  $6, R6
	SLD  $3, R6
	MOVD $·one(SB), R4
	ADD  R4, R6
	MOVD R7, (R6)
	MOVD $239, R1 // sched_setaffinity
	MOVD $0, R2
	MOVD $128, R3
	SYSCALL
	CMPBNE R2, $0, files
	MOVD $1, R5
	MOVB R5, ·pinned(SB)
files:
	MOVD $334, R1 // prlimit64
	MOVD $0, R2
	MOVD $7, R3 // RLIMIT_NOFILE
	MOVD $0, R4
	MOVD $ocibox∕core∕nofile·limit(SB), R5
	SYSCALL
	CMPBNE R2, $0, profile
	MOVD ocibox∕core∕nofile·limit+8(SB), R6
	MOVD R6, ·few+8(SB)
	MOVD $3, R6
	MOVD R6, ·few(SB)
	MOVD $334, R1 // prlimit64
	MOVD $·few(SB), R4
	MOVD $0, R5
	SYSCALL
	CMPBNE R2, $0, profile
	MOVD $1, R5
	MOVB R5, ocibox∕core∕nofile·lowered(SB)
profile:
	MOVD ·rate(SB), R6
	MOVD $0, R2
	MOVD R2, (R6)
	MOVD $1, R5
	MOVD (R15), R6
	SLD  $3, R6
	ADD  R15, R6
	ADD  $16, R6
next:
	MOVD (R6), R7
	ADD  $8, R6
	CMPBEQ R7, $0, add
	MOVD assignment<>(SB), R8
	MOVD (R7), R9 // as much is there, of other strings or of what follows them
	CMPBNE R8, R9, next
	BR   start
add:
	SUB  $8, R6
	MOVD R15, R7
	SUB  $8, R15
move:
	MOVD (R7), R9
	MOVD R9, -8(R7)
	ADD  $8, R7
	CMPBNE R7, R6, move
	MOVD $assignment<>(SB), R9
	MOVD R9, -8(R6)
	MOVB R5, ·variable(SB)
start:
	BR   _rt0_s390x_linux(SB)
