// Package rootfs is being built.
package rootfs

import "ocibox/applets/cli"

// Run is the applet.
func Run(std cli.Std, args []string) error { return nil }
