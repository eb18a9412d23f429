//go:build !amd64

package decode

import "runtime"

const epollSize = 16

// cloneOrder are the places of tls and child_tidptr among clone's arguments.
var cloneOrder = [2]int{3, 4}

// statLayout is where struct stat has its members, asm-generic/stat.h.
var statLayout = stat{nlink: 20, mode: 16, uid: 24, rdev: 32}

// sigFrameMask is where rt_sigreturn(2) finds the mask, from the stack pointer:
// behind struct siginfo, in struct ucontext.
const sigFrameMask = 168

// hasRestorer tells whether struct sigaction has sa_restorer.
const hasRestorer = runtime.GOARCH != "riscv64"
