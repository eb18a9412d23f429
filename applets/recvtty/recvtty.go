// Package recvtty is being built.
package recvtty

import "ocibox/applets/cli"

// Run is the applet.
func Run(std cli.Std, args []string) error { return nil }
