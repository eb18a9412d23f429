#include "textflag.h"

// func caught(signal int32, info *siginfo_t, context *ucontext_t), and fault, as C
// has them: write(2) of the first three words of info to the pipe. A fault
// that the kernel found (si_code, the third word, above 0) is the Go runtime's.

TEXT ·caught(SB), NOSPLIT|NOFRAME, $0
	MOVL SP, AX
	MOVL 8(AX), CX
	MOVL ·writeEnd(SB), BX
	MOVL $12, DX
	MOVL $4, AX
	INT  $0x80
	RET

TEXT ·fault(SB), NOSPLIT|NOFRAME, $0
	MOVL SP, AX
	MOVL 8(AX), CX
	CMPL 8(CX), $0
	JLE  sent
	MOVL ·before(SB), AX
	JMP  AX
sent:
	JMP  ·caught(SB)

TEXT ·restore(SB), NOSPLIT|NOFRAME, $0
	MOVL $173, AX
	INT  $0x80
	INT  $3

DATA ·handlers+0(SB)/4, $·caught(SB)
DATA ·handlers+4(SB)/4, $·fault(SB)
DATA ·handlers+8(SB)/4, $·restore(SB)
GLOBL ·handlers(SB), NOPTR, $12
