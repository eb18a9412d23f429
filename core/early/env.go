package early

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	_ "unsafe" // for linkname

	"golang.org/x/sys/unix"
)

//go:linkname runtimeEnvs syscall.runtime_envs
func runtimeEnvs() []string

// all is what the runtime has, which it copies for each who asks.
var all = sync.OnceValue(runtimeEnvs)

// given is the environment that the process was started with, without what begin has
// added, and as package os has it without the second of two variables of one name.
var given = sync.OnceValue(func() (list []string) {
	for _, v := range all() {
		if v != "" && v != added && !slices.ContainsFunc(list, func(g string) bool { return sameName(v, g) }) {
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

// Environ is os.Environ, without what begin has added. Package os makes a map of the
// variables first, which is a hundredth of a container's run: so what asks for them
// here asks this package.
func Environ() []string {
	if !variable {
		return os.Environ()
	}
	return append([]string{}, given()...) // not nil, which is package os's to who starts a program
}

// added is what begin adds, where no variable of that name is there.
const added = "GOMAXPROCS=1"

// LookupEnv is os.LookupEnv.
func LookupEnv(name string) (string, bool) {
	if !variable {
		return os.LookupEnv(name)
	}
	for _, v := range all() {
		if len(v) > len(name) && v[len(name)] == '=' && strings.HasPrefix(v, name) && v != added {
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

// LookPath finds the program that a name without a slash stands for, as a shell does: a file
// that the caller may execute in one of the directories of PATH, of which an empty one is the working
// directory. It is an ENOENT where there is none.
func LookPath(name string) (string, error) {
	for _, dir := range filepath.SplitList(Getenv("PATH")) {
		if dir == "" {
			dir = "."
		}
		path := dir + "/" + name
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && unix.Access(path, unix.X_OK) == nil {
			return path, nil
		}
	}
	return "", &os.PathError{Op: "find in PATH", Path: name, Err: syscall.ENOENT}
}
