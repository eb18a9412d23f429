package clone

import (
	"path"
	"strings"
)

// defaultPath is where a program is looked for when its environment has no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// SearchPath gives the paths to try for a program, as execvp(3) does.
func SearchPath(name string, env []string) []string {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	search := defaultPath
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			search = v
		}
	}
	var paths []string
	for dir := range strings.SplitSeq(search, ":") {
		if dir != "" {
			paths = append(paths, path.Join(dir, name))
		}
	}
	return paths
}
