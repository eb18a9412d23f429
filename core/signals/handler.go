package signals

// handlers are the addresses of the functions in the assembly: what catches a
// signal, the same for one that the program can have caused itself, and what
// returns from them where the C library has to bring that, sigreturn(2). They are
// called as C functions, on a signal stack, and none calls anything of Go.
var handlers [3]uintptr
