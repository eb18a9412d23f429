// Package netns keeps network namespaces by name, as ip-netns(8) does: each is
// bound over a file in /run/netns, by which every program that knows of the
// convention finds it.
package netns

import (
	"errors"
	"os"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/namespace"
)

// Dir holds the files.
const Dir = "/run/netns"

func kind() *namespace.Kind { return namespace.ByType(specs.NetworkNamespace) }

func file(name string) string { return Dir + "/" + name }

// CheckName says why a namespace cannot be called that.
func CheckName(name string) error {
	switch {
	case name == "":
		return fault.Op(nil, "the name of a network namespace is empty")
	case len(name) > unix.NAME_MAX:
		return fault.Op(nil, "%q is no name of a network namespace: %d bytes are more than %d", name, len(name), unix.NAME_MAX)
	case name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
		return fault.Op(nil, "%q is no name of a network namespace", name)
	}
	return nil
}

// Names are those that are taken, in the order of the directory; none where
// there is no such directory.
func Names() ([]string, error) {
	d, err := os.Open(Dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Op(err, "list network namespaces")
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fault.Op(err, "list network namespaces")
	}
	return names, nil
}

// Find is the path of the network namespace that a word of a command line
// means: a path, which has a slash, else a name, else the pid of a process that
// is in it. Whether that is a network namespace is seen when it is opened.
func Find(word string) (string, error) {
	if strings.Contains(word, "/") {
		return word, nil
	}
	bad := CheckName(word)
	if bad == nil {
		_, err := os.Lstat(file(word))
		if err == nil {
			return file(word), nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return "", fault.Op(err, "look for network namespace %s", word)
		}
	}
	if pid, err := strconv.ParseUint(word, 10, 31); err == nil {
		path := processFile(int(pid))
		if _, err := os.Lstat(path); err != nil {
			return "", fault.Op(nil, "%s is neither the name of a network namespace nor a process", word)
		}
		return path, nil
	}
	if bad != nil {
		return "", bad
	}
	return "", fault.Op(nil, "there is no network namespace %s", word)
}

// Open opens the namespace of that name, close-on-exec. The caller closes it.
func Open(name string) (int, error) {
	if err := CheckName(name); err != nil {
		return -1, err
	}
	return namespace.Open(file(name), kind())
}

// OpenPath opens what Find gives, which has to be a network namespace.
func OpenPath(path string) (int, error) { return namespace.Open(path, kind()) }
