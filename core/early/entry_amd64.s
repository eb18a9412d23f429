#include "textflag.h"

DATA assignment<>+0(SB)/8, $"GOMAXPRO"
DATA assignment<>+8(SB)/4, $"CS=1"
GLOBL assignment<>(SB), RODATA, $16

// The stack holds argc, the pointers of argv, 0, those of the environment, 0, and
// the auxiliary vector. All before the second 0 moves down by one word: that makes
// room for one more variable, unless it is there.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	MOVL $157, AX // prctl
	MOVL $30, DI // PR_GET_TIMERSLACK
	SYSCALL
	MOVQ AX, ·own(SB)
	MOVL $157, AX // prctl
	MOVL $29, DI // PR_SET_TIMERSLACK
	MOVL $5000000, SI // ns
	SYSCALL
	MOVB $1, ·slack(SB)
	MOVL $204, AX // sched_getaffinity
	XORL DI, DI
	MOVL $128, SI
	LEAQ ·processors(SB), DX
	SYSCALL
	TESTQ AX, AX
	JLE  files
	MOVL $309, AX // getcpu
	LEAQ ·processor(SB), DI
	XORL SI, SI
	XORL DX, DX
	SYSCALL
	TESTQ AX, AX
	JNE  files
	MOVL ·processor(SB), AX
	LEAQ ·one(SB), DX
	BTSQ AX, (DX)
	MOVL $203, AX // sched_setaffinity
	XORL DI, DI
	MOVL $128, SI
	SYSCALL
	TESTQ AX, AX
	JNE  files
	MOVB $1, ·pinned(SB)
files:
	MOVL $302, AX // prlimit64
	XORL DI, DI
	MOVL $7, SI // RLIMIT_NOFILE
	XORL DX, DX
	LEAQ ocibox∕core∕nofile·limit(SB), R10
	SYSCALL
	TESTQ AX, AX
	JNE  profile
	MOVQ ocibox∕core∕nofile·limit+8(SB), AX
	MOVQ AX, ·few+8(SB)
	MOVQ $3, ·few(SB)
	MOVL $302, AX // prlimit64
	LEAQ ·few(SB), DX
	XORL R10, R10
	SYSCALL
	TESTQ AX, AX
	JNE  profile
	MOVB $1, ocibox∕core∕nofile·lowered(SB)
profile:
	MOVQ ·rate(SB), AX
	MOVQ $0, (AX)
	MOVQ assignment<>(SB), DX
	MOVQ 0(SP), CX
	LEAQ 16(SP)(CX*8), BX
next:
	MOVQ (BX), AX
	ADDQ $8, BX
	TESTQ AX, AX
	JEQ  add
	CMPQ DX, (AX) // as much is there, of other strings or of what follows them
	JNE  next
	JMP  start
add:
	SUBQ $8, BX
	MOVQ SP, SI
	LEAQ -8(SP), DI
	MOVQ BX, CX
	SUBQ SP, CX
	SHRQ $3, CX
	CLD
	REP; MOVSQ
	LEAQ assignment<>(SB), AX
	MOVQ AX, -8(BX)
	LEAQ -8(SP), SP
	MOVB $1, ·variable(SB)
start:
	JMP  _rt0_amd64_linux(SB)
