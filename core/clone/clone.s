#include "textflag.h"

// func onSystemStack(f func())
TEXT ·onSystemStack(SB), NOSPLIT|NOFRAME, $0
	JMP runtime·systemstack(SB)
