package early

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// variable is the i-th that the process was started with, in the memory where the kernel has
// put it.
func variable(i uintptr) string {
	at := (*byte)(pointer(*word(environment, i)))
	n := uintptr(0)
	for *(*byte)(unsafe.Add(unsafe.Pointer(at), n)) != 0 {
		n++
	}
	return unsafe.String(at, n)
}

// given is the environment that the process was started with, as package os has it: without
// the second of two variables of one name.
var given = sync.OnceValue(func() (list []string) {
	for i := range variables {
		if v := variable(i); v != "" && !slices.ContainsFunc(list, func(g string) bool { return sameName(v, g) }) {
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

// Environ is os.Environ, of the environment that the process was started with.
func Environ() []string {
	if environment == 0 {
		return os.Environ()
	}
	return append([]string{}, given()...) // not nil, which is package os's to who starts a program
}

// LookupEnv is os.LookupEnv.
func LookupEnv(name string) (string, bool) {
	if environment == 0 {
		return os.LookupEnv(name)
	}
	for i := range variables {
		if v := variable(i); len(v) > len(name) && v[len(name)] == '=' && strings.HasPrefix(v, name) {
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

// TempDir is os.TempDir.
func TempDir() string {
	if dir := Getenv("TMPDIR"); dir != "" {
		return dir
	}
	return "/tmp"
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
