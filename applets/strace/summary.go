//go:build amd64 || arm64 || riscv64

package strace

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ocibox/core/decode"
)

// counts are those of -c.
type counts struct {
	wall  bool
	calls []*count
}

// count is what is known of the calls of one name.
type count struct {
	name          string
	calls, errors int
	took          time.Duration
}

// add counts a call that took as long as took, system of it in the kernel.
func (cs *counts) add(c *decode.Call, took time.Duration, system int64) {
	i := slices.IndexFunc(cs.calls, func(n *count) bool { return n.name == c.Name() })
	if i < 0 {
		i = len(cs.calls)
		cs.calls = append(cs.calls, &count{name: c.Name()})
	}
	n := cs.calls[i]
	n.calls++
	if c.Failed {
		n.errors++
	}
	if !cs.wall {
		took = time.Duration(system)
	}
	n.took += max(took, 0)
}

// table is the summary, sorted as by says.
func (cs *counts) table(by string) string {
	slices.SortStableFunc(cs.calls, func(a, b *count) int {
		switch by {
		case "calls", "count":
			return b.calls - a.calls
		case "errors", "error":
			return b.errors - a.errors
		case "name", "syscall":
			return strings.Compare(a.name, b.name)
		case "nothing", "none":
			return 0
		}
		return int(b.took - a.took)
	})
	var all count
	for _, n := range cs.calls {
		all.calls += n.calls
		all.errors += n.errors
		all.took += n.took
	}
	const rule = "------ ----------- ----------- --------- --------- ----------------\n"
	var b strings.Builder
	b.WriteString("% time     seconds  usecs/call     calls    errors syscall\n" + rule)
	row := func(share float64, n *count, name string) {
		errors := ""
		if n.errors > 0 {
			errors = fmt.Sprint(n.errors)
		}
		fmt.Fprintf(&b, "%6.2f %11.6f %11d %9d %9s %s\n", share, n.took.Seconds(), n.took.Microseconds()/int64(max(n.calls, 1)), n.calls, errors, name)
	}
	for _, n := range cs.calls {
		share := 0.0
		if all.took > 0 {
			share = 100 * n.took.Seconds() / all.took.Seconds()
		}
		row(share, n, n.name)
	}
	b.WriteString(rule)
	row(100, &all, "total")
	return b.String()
}
