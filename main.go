// Ocibox runs, enters, wires up and explains Linux containers: one static
// binary that is a different program under each of its names.
package main

import (
	"os"

	"ocibox/applets"
	"ocibox/applets/cli"
	"ocibox/core/early"
)

func main() {
	early.Here()
	os.Exit(applets.Main(cli.Std{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Args))
}
