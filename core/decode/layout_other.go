//go:build !amd64

package decode

import "runtime"

const epollSize = 16

// cloneOrder are the places of tls and child_tidptr among clone's arguments.
var cloneOrder = [2]int{3, 4}

// Where struct stat has those of its members that differ, asm-generic/stat.h.
const (
	statMode  = 16
	statRdev  = 32
	statOwner = "st_nlink=u4@20 st_uid=u4@24 st_gid=u4@28"
)

// sigFrameMask is where rt_sigreturn(2) finds the mask, from the stack pointer:
// behind struct siginfo, in struct ucontext.
const sigFrameMask = 168

// hasRestorer tells whether struct sigaction has sa_restorer.
const hasRestorer = runtime.GOARCH != "riscv64"
