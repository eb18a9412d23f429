package decode

import (
	"slices"
	"strings"
)

// A class is a set of calls with a name of its own, as strace -e trace=%NAME
// has them.
type class struct {
	letter string // in a call's description
	names  []string
}

var classes = [...]class{
	{"f", []string{"file"}},
	{"p", []string{"process"}},
	{"n", []string{"network", "net"}},
	{"d", []string{"desc"}},
	{"m", []string{"memory"}},
	{"s", []string{"signal"}},
	{"i", []string{"ipc"}},
	{"c", []string{"creds"}},
	{"k", []string{"clock"}},
	{"C", []string{"container"}},
}

// Container is the name of the class of the calls by which containers are made.
const Container = "container"

// ClassNames lists the classes.
func ClassNames() []string {
	var all []string
	for _, c := range classes {
		all = append(all, c.names...)
	}
	return all
}

// Class lists the calls of a class; nil if there is none of that name.
func Class(name string) []string {
	var calls []string
	for _, c := range classes {
		if !slices.Contains(c.names, name) {
			continue
		}
		for line := range strings.Lines(table[1:]) {
			words := strings.Fields(line)
			if strings.Contains(words[1], c.letter) {
				calls = append(calls, words[0])
			}
		}
	}
	return calls
}

// ContainerFile tells whether a write to path is one of the steps by which a
// container is made: the maps of a user namespace, the offsets of a time
// namespace, membership of a cgroup and security labels.
func ContainerFile(path string) bool {
	dir, file, _ := cutLast(path, '/')
	switch file {
	case "uid_map", "gid_map", "setgroups", "timens_offsets", "oom_score_adj":
		return strings.HasPrefix(dir, "/proc/")
	case "exec":
		return strings.HasPrefix(dir, "/proc/") && strings.Contains(dir, "/attr")
	case "cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "tasks":
		return strings.HasPrefix(dir, "/sys/fs/cgroup")
	}
	return false
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", s, false
}
