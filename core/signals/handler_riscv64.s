#include "textflag.h"

// func caught(signal int32, info *siginfo_t, context *ucontext_t), and fault, as C
// has them: write(2) of the first three words of info to the pipe. A fault
// that the kernel found (si_code, the third word, above 0) is the Go runtime's.

TEXT ·caught(SB), NOSPLIT|NOFRAME, $0
	MOVW ·writeEnd(SB), A0
	MOV  $12, A2
	MOV  $64, A7
	ECALL
	RET

TEXT ·fault(SB), NOSPLIT|NOFRAME, $0
	MOVW 8(A1), A3
	BLEZ A3, sent
	MOV  ·before(SB), A3
	JMP  (A3)
sent:
	JMP  ·caught(SB)

DATA ·handlers+0(SB)/8, $·caught(SB)
DATA ·handlers+8(SB)/8, $·fault(SB)
GLOBL ·handlers(SB), NOPTR, $24
