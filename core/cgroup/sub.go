package cgroup

import (
	"maps"
	"os"
	"path"
	"strings"

	"ocibox/core/fault"
)

// Sub is the group that `exec --cgroup` names: each word is [CONTROLLER[,…]:]PATH,
// below the container's own. One without controllers is for all hierarchies,
// and stands alone. It has to be there.
func (g *Group) Sub(words []string) (*Group, error) {
	sub := *g
	sub.Legacy = maps.Clone(g.Legacy)
	seen := map[string]bool{}
	for _, word := range words {
		controllers, below, ok := strings.Cut(word, ":")
		if !ok {
			if len(words) > 1 {
				return nil, fault.Op(nil, "--cgroup %s: needs a controller before it, as there are several", word)
			}
			if sub.Unified != "" {
				sub.Unified = path.Join(sub.Unified, path.Clean("/"+word))
			}
			for c, dir := range sub.Legacy {
				sub.Legacy[c] = path.Join(dir, path.Clean("/"+word))
			}
			break
		}
		for c := range strings.SplitSeq(controllers, ",") {
			dir, ok := g.Legacy[c]
			switch {
			case c == "":
				return nil, fault.Op(nil, "--cgroup %s: a controller's name is missing", word)
			case seen[c]:
				return nil, fault.Op(nil, "--cgroup %s: %s is named twice", word, c)
			case !ok:
				return nil, fault.Op(nil, "--cgroup %s: the container has no cgroup of version 1 with %s", word, c)
			}
			seen[c] = true
			sub.Legacy[c] = path.Join(dir, path.Clean("/"+below))
		}
	}
	for _, dir := range sub.Dirs() {
		if _, err := os.Stat(dir); err != nil {
			return nil, fault.Op(err, "--cgroup %s", strings.Join(words, " --cgroup "))
		}
	}
	return &sub, nil
}
