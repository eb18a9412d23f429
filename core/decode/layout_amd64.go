package decode

const epollSize = 12 // struct epoll_event is packed here

// cloneOrder are the places of tls and child_tidptr among clone's arguments.
var cloneOrder = [2]int{4, 3}

// Where struct stat has those of its members that differ, asm/stat.h.
const (
	statMode  = 24
	statRdev  = 40
	statOwner = "st_nlink=u8@16 st_uid=u4@28 st_gid=u4@32"
)

// sigFrameMask is where rt_sigreturn(2) finds the mask, from the stack pointer:
// in struct ucontext, asm/sigcontext.h.
const sigFrameMask = 296

// hasRestorer tells whether struct sigaction has sa_restorer.
const hasRestorer = true
