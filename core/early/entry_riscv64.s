#include "textflag.h"

DATA assignment<>+0(SB)/8, $"GOMAXPRO"
DATA assignment<>+8(SB)/4, $"CS=1"
GLOBL assignment<>(SB), RODATA, $16

// As on amd64.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	MOV  $167, A7 // prctl
	MOV  $30, A0 // PR_GET_TIMERSLACK
	ECALL
	MOV  A0, ·own(SB)
	MOV  $29, A0 // PR_SET_TIMERSLACK
	MOV  $5000000, A1 // ns
	ECALL
	MOV  $1, A2
	MOVB A2, ·slack(SB)
	MOV  $123, A7 // sched_getaffinity
	MOV  ZERO, A0
	MOV  $128, A1
	MOV  $·processors(SB), A2
	ECALL
	BLEZ A0, files
	MOV  $168, A7 // getcpu
	MOV  $·processor(SB), A0
	MOV  ZERO, A1
	MOV  ZERO, A2
	ECALL
	BNEZ A0, files
	MOVWU ·processor(SB), A0
	MOV  $1, A3
	SLL  A0, A3, A3
	SRLI $6, A0, A0
	SLLI $3, A0, A0
	MOV  $·one(SB), A2
	ADD  A2, A0, A0
	MOV  A3, (A0)
	MOV  $122, A7 // sched_setaffinity
	MOV  ZERO, A0
	MOV  $128, A1
	ECALL
	BNEZ A0, files
	MOV  $1, A2
	MOVB A2, ·pinned(SB)
files:
	MOV  $261, A7 // prlimit64
	MOV  ZERO, A0
	MOV  $7, A1 // RLIMIT_NOFILE
	MOV  ZERO, A2
	MOV  $ocibox∕core∕nofile·limit(SB), A3
	ECALL
	BNEZ A0, profile
	MOV  ocibox∕core∕nofile·limit+8(SB), A4
	MOV  A4, ·few+8(SB)
	MOV  $3, A4
	MOV  A4, ·few(SB)
	MOV  $7, A1
	MOV  $·few(SB), A2
	MOV  ZERO, A3
	ECALL
	BNEZ A0, profile
	MOV  $1, A2
	MOVB A2, ocibox∕core∕nofile·lowered(SB)
profile:
	MOV  ·rate(SB), A3
	MOV  ZERO, (A3)
	MOV  $1, A2
	MOV  (X2), A5
	SLLI $3, A5
	ADD  X2, A5
	ADD  $16, A5, A6
next:
	MOV  (A6), A5
	ADD  $8, A6
	BEQ  A5, ZERO, add
	MOV  $assignment<>(SB), A3
	ADD  $11, A3, A4 // up to and with the =
same:
	MOVBU (A5), A0
	MOVBU (A3), A1
	BNE  A0, A1, next
	ADD  $1, A5
	ADD  $1, A3
	BNE  A3, A4, same
	JMP  start
add:
	ADD  $-8, A6
	MOV  X2, A5
	ADD  $-8, X2
move:
	MOV  (A5), A0
	MOV  A0, -8(A5)
	ADD  $8, A5
	BNE  A5, A6, move
	MOV  $assignment<>(SB), A0
	MOV  A0, -8(A6)
	MOVB A2, ·variable(SB)
start:
	JMP  _rt0_riscv64_linux(SB)
