package early

import (
	"os"
	"slices"
	"strings"
	_ "unsafe" // for linkname
)

//go:linkname runtimeEnvs syscall.runtime_envs
func runtimeEnvs() []string

// given is the environment that the process was started with, read once.
var given []string

// Environ is os.Environ, without what entry has added. Package os makes a map of the
// variables first, which is a hundredth of a container's run: so what asks for them
// here asks this package.
func Environ() []string {
	if !variable {
		return os.Environ()
	}
	if given == nil {
		given = slices.DeleteFunc(runtimeEnvs(), func(v string) bool { return v == "" || v == assignment })
	}
	return slices.Clone(given)
}

// assignment is what entry adds, where no variable of that name is there.
const assignment = "GOMAXPROCS=1"

// LookupEnv is os.LookupEnv.
func LookupEnv(name string) (string, bool) {
	if !variable {
		return os.LookupEnv(name)
	}
	if given == nil {
		Environ()
	}
	for _, v := range given {
		if len(v) > len(name) && v[len(name)] == '=' && strings.HasPrefix(v, name) {
			return v[len(name)+1:], true
		}
	}
	return "", false
}

// Getenv is os.Getenv.
func Getenv(name string) string {
	value, _ := LookupEnv(name)
	return value
}
