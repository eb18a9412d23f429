// Package cli is what every applet's command line shares: its streams, its
// flag set, and the form in which it reports an error.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"ocibox/core/fault"
)

// Version is the release this binary was built from.
const Version = "0.1.0"

// Std is what an applet reads from and writes to.
type Std struct {
	In  *os.File
	Out io.Writer
	Err io.Writer
}

// Status is an exit status without a message: the container's own, or that of
// a program which an applet waited for.
type Status int

func (s Status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// Failure is an error with an exit status of its own.
type Failure struct {
	Status int
	Err    error
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// CommandError is the error of one of an applet's commands. It is printed with
// the command behind the applet's name.
type CommandError struct {
	Command string
	Err     error
}

func (e *CommandError) Error() string { return e.Err.Error() }
func (e *CommandError) Unwrap() error { return e.Err }

// Title is how the error's first line begins: the applet's name and, where
// there is one, the command's.
func Title(applet string, err error) string {
	var c *CommandError
	if errors.As(err, &c) {
		return applet + " " + c.Command
	}
	return applet
}

// Report prints err as "name: err" and its hint on a second line, and returns
// the exit status that goes with it.
func Report(std Std, name string, err error) int {
	if err == nil {
		return 0
	}
	var s Status
	if errors.As(err, &s) {
		return int(s)
	}
	fmt.Fprintf(std.Err, "%s: %v\n", Title(name, err), err)
	if h := fault.Hint(err); h != "" {
		fmt.Fprintf(std.Err, "hint: %s\n", h)
	}
	var f *Failure
	if errors.As(err, &f) {
		return f.Status
	}
	return 1
}
