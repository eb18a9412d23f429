// Package runtime is being built.
package runtime

import "ocibox/applets/cli"

// Run is the applet.
func Run(std cli.Std, args []string) error { return nil }
