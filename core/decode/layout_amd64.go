package decode

const epollSize = 12 // struct epoll_event is packed here

// cloneOrder are the places of tls and child_tidptr among clone's arguments.
var cloneOrder = [2]int{4, 3}

// statLayout is where struct stat has its members, asm/stat.h.
var statLayout = stat{nlink: 16, longLink: true, mode: 24, uid: 28, rdev: 40}

// sigFrameMask is where rt_sigreturn(2) finds the mask, from the stack pointer:
// in struct ucontext, asm/sigcontext.h.
const sigFrameMask = 296

// hasRestorer tells whether struct sigaction has sa_restorer.
const hasRestorer = true
