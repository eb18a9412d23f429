package runtime_test

import (
	"os"
	"testing"

	"ocibox/applets/cli"
	"ocibox/applets/runtime"
	"ocibox/core/bundletest"
)

func TestMain(m *testing.M) {
	bundletest.Main(m, func(args []string) int {
		std := cli.Std{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
		return cli.Report(std, "runtime", runtime.Run(std, args))
	})
}
