#include "textflag.h"

// func caught(signal int32, info *siginfo_t, context *ucontext_t), and fault, as C
// has them: write(2) of the first three words of info to the pipe. A fault
// that the kernel found (si_code, the third word, above 0) is the Go runtime's.

TEXT ·caught(SB), NOSPLIT|NOFRAME, $0
	MOVW ·writeEnd(SB), R3
	MOVD $12, R5
	SYSCALL $4
	RET

TEXT ·fault(SB), NOSPLIT|NOFRAME, $0
	MOVW 8(R4), R6
	CMPW R6, $0
	BLE  sent
	MOVD ·before(SB), R12
	MOVD R12, CTR
	BR   (CTR)
sent:
	BR   ·caught(SB)

DATA ·handlers+0(SB)/8, $·caught(SB)
DATA ·handlers+8(SB)/8, $·fault(SB)
GLOBL ·handlers(SB), NOPTR, $24
