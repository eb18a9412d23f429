#include "textflag.h"

// func caught(signal int32, info *siginfo_t, context *ucontext_t), and fault, as C
// has them: write(2) of the first three words of info to the pipe. A fault
// that the kernel found (si_code, the third word, above 0) is the Go runtime's.

TEXT ·caught(SB), NOSPLIT|NOFRAME, $0
	MOVW ·writeEnd(SB), R0
	MOVD $12, R2
	MOVD $64, R8
	SVC
	RET

TEXT ·fault(SB), NOSPLIT|NOFRAME, $0
	MOVW 8(R1), R3
	CMPW $0, R3
	BLE  sent
	MOVD ·before(SB), R3
	JMP  (R3)
sent:
	JMP  ·caught(SB)

DATA ·handlers+0(SB)/8, $·caught(SB)
DATA ·handlers+8(SB)/8, $·fault(SB)
GLOBL ·handlers(SB), NOPTR, $24
