//go:build !(amd64 || arm64 || riscv64)

// Package strace prints the system calls and signals of processes, in the form
// of strace(1), on 64-bit machines that it knows.
package strace

import (
	"runtime"

	"ocibox/applets/cli"
	"ocibox/core/fault"
)

// Run is the applet.
func Run(cli.Std, []string) error {
	return fault.Op(nil, "it is not built for %s, only for amd64, arm64 and riscv64", runtime.GOARCH)
}

// Syntax is the applet's command line, for completion.
func Syntax() cli.Syntax {
	return cli.Syntax{Flags: cli.NewFlags("strace-lite", "", "It is not built for "+runtime.GOARCH+".")}
}
