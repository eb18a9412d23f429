#include "textflag.h"

// func caught(signal int32, info *siginfo_t, context *ucontext_t), and fault, as C
// has them: write(2) of the first three words of info to the pipe. A fault
// that the kernel found (si_code, the third word, above 0) is the Go runtime's.

TEXT ·caught(SB), NOSPLIT|NOFRAME, $0
	MOVL ·writeEnd(SB), DI
	MOVL $12, DX
	MOVL $1, AX
	SYSCALL
	RET

TEXT ·fault(SB), NOSPLIT|NOFRAME, $0
	CMPL 8(SI), $0
	JLE  sent
	MOVQ ·before(SB), AX
	JMP  AX
sent:
	JMP  ·caught(SB)

TEXT ·restore(SB), NOSPLIT|NOFRAME, $0
	MOVL $15, AX
	SYSCALL
	INT  $3

DATA ·handlers+0(SB)/8, $·caught(SB)
DATA ·handlers+8(SB)/8, $·fault(SB)
DATA ·handlers+16(SB)/8, $·restore(SB)
GLOBL ·handlers(SB), NOPTR, $24
