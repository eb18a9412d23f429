#include "textflag.h"

DATA assignment<>+0(SB)/8, $"GOMAXPRO"
DATA assignment<>+8(SB)/4, $"CS=1"
GLOBL assignment<>(SB), RODATA, $16

// As on amd64.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	MOVL $172, AX // prctl
	MOVL $30, BX // PR_GET_TIMERSLACK
	INT  $0x80
	MOVL AX, ·own(SB)
	MOVL $172, AX // prctl
	MOVL $29, BX // PR_SET_TIMERSLACK
	MOVL $5000000, CX // ns
	INT  $0x80
	MOVB $1, ·slack(SB)
	MOVL $242, AX // sched_getaffinity
	XORL BX, BX
	MOVL $128, CX
	LEAL ·processors(SB), DX
	INT  $0x80
	TESTL AX, AX
	JLE  files
	MOVL $318, AX // getcpu
	LEAL ·processor(SB), BX
	XORL CX, CX
	XORL DX, DX
	INT  $0x80
	TESTL AX, AX
	JNE  files
	MOVL ·processor(SB), AX
	LEAL ·one(SB), DX
	BTSL AX, (DX)
	MOVL $241, AX // sched_setaffinity
	XORL BX, BX
	MOVL $128, CX
	INT  $0x80
	TESTL AX, AX
	JNE  files
	MOVB $1, ·pinned(SB)
files:
	MOVL $340, AX // prlimit64
	XORL BX, BX
	MOVL $7, CX // RLIMIT_NOFILE
	XORL DX, DX
	LEAL ocibox∕core∕nofile·limit(SB), SI
	INT  $0x80
	TESTL AX, AX
	JNE  profile
	MOVL ocibox∕core∕nofile·limit+8(SB), AX
	MOVL AX, ·few+8(SB)
	MOVL ocibox∕core∕nofile·limit+12(SB), AX
	MOVL AX, ·few+12(SB)
	MOVL $3, ·few(SB)
	MOVL $340, AX // prlimit64
	LEAL ·few(SB), DX
	XORL SI, SI
	INT  $0x80
	TESTL AX, AX
	JNE  profile
	MOVB $1, ocibox∕core∕nofile·lowered(SB)
profile:
	MOVL ·rate(SB), AX
	MOVL $0, (AX)
	MOVL 0(SP), CX
	LEAL 8(SP)(CX*4), BX
next:
	MOVL (BX), AX
	ADDL $4, BX
	TESTL AX, AX
	JEQ  add
	MOVL assignment<>+0(SB), DX
	CMPL DX, 0(AX) // as much is there, of other strings or of what follows them
	JNE  next
	MOVL assignment<>+4(SB), DX
	CMPL DX, 4(AX)
	JNE  next
	JMP  start
add:
	SUBL $4, BX
	MOVL SP, SI
	LEAL -4(SP), DI
	MOVL BX, CX
	SUBL SP, CX
	SHRL $2, CX
	CLD
	REP; MOVSL
	LEAL assignment<>(SB), AX
	MOVL AX, -4(BX)
	LEAL -4(SP), SP
	MOVB $1, ·variable(SB)
start:
	JMP  _rt0_386_linux(SB)
