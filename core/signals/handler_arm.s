#include "textflag.h"

// func caught(signal int32, info *siginfo_t, context *ucontext_t), and fault, as C
// has them: write(2) of the first three words of info to the pipe. A fault
// that the kernel found (si_code, the third word, above 0) is the Go runtime's.

TEXT ·caught(SB), NOSPLIT|NOFRAME, $0
	MOVW ·writeEnd(SB), R0
	MOVW $12, R2
	MOVW $4, R7
	SWI  $0
	RET

TEXT ·fault(SB), NOSPLIT|NOFRAME, $0
	MOVW 8(R1), R3
	CMP  $0, R3
	BLE  sent
	MOVW ·before(SB), R3
	B    (R3)
sent:
	B    ·caught(SB)

DATA ·handlers+0(SB)/4, $·caught(SB)
DATA ·handlers+4(SB)/4, $·fault(SB)
GLOBL ·handlers(SB), NOPTR, $12
