#include "textflag.h"

// func Reserve()
// Its frame is room on the stack that nobody touches.
TEXT ·Reserve(SB), 0, $65536-0
	RET

// func onSystemStack(f func())
TEXT ·onSystemStack(SB), NOSPLIT|NOFRAME, $0
	JMP runtime·systemstack(SB)
