#include "textflag.h"

// As on amd64.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	MOV  X2, ·stack(SB)
	ADD  $-512, X2
	MOV  ·first(SB), X26
	MOV  (X26), X5
	JALR X1, X5
	MOV  ·stack(SB), X2
	JMP  _rt0_riscv64_linux(SB)
