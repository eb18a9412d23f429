package early

import (
	"os"
	"slices"
	"strings"
	"sync"
	_ "unsafe" // for linkname
)

//go:linkname runtimeEnvs syscall.runtime_envs
func runtimeEnvs() []string

// all is what the runtime has, which it copies for each who asks.
var all = sync.OnceValue(runtimeEnvs)

// given is the environment that the process was started with, without what entry has
// added, and as package os has it without the second of two variables of one name.
var given = sync.OnceValue(func() (list []string) {
	for _, v := range all() {
		if v != "" && v != assignment && !slices.ContainsFunc(list, func(g string) bool { return sameName(v, g) }) {
			list = append(list, v)
		}
	}
	return list
})

// sameName says whether two variables have the same name.
func sameName(v, w string) bool {
	n := strings.IndexByte(v, '=')
	return n >= 0 && len(w) > n && w[:n+1] == v[:n+1]
}

// Environ is os.Environ, without what entry has added. Package os makes a map of the
// variables first, which is a hundredth of a container's run: so what asks for them
// here asks this package.
func Environ() []string {
	if !variable {
		return os.Environ()
	}
	return slices.Clone(given())
}

// assignment is what entry adds, where no variable of that name is there.
const assignment = "GOMAXPROCS=1"

// LookupEnv is os.LookupEnv.
func LookupEnv(name string) (string, bool) {
	if !variable {
		return os.LookupEnv(name)
	}
	for _, v := range all() {
		if len(v) > len(name) && v[len(name)] == '=' && strings.HasPrefix(v, name) && v != assignment {
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
