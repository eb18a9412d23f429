package plan

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Explain writes the plan's steps, the parent's and the child's, in the order
// in which they are carried out, each with the config.json field that asked
// for it. What it says of the child's is decoded from the program that would
// run. Unless all, it passes over the closing of descriptors, and what drops
// one capability after the other is one line.
func (p *Plan) Explain(w io.Writer, all bool) error {
	l, err := p.Program.Link()
	if err != nil {
		return err
	}
	defer l.Close()
	var rows [][3]string
	row := func(who, field, text string) { rows = append(rows, [3]string{who, field, text}) }
	for _, j := range p.Joins {
		row("parent", j.Field, fmt.Sprintf("open(%q) = $ns.%s", j.Path, j.Kind.Proc))
	}
	if p.Init != 0 {
		row("parent", "", "pidfd_open of the container's init = $init")
	}
	if p.Listen != 0 {
		row("parent", "", "listen on start.sock")
	}
	if f := p.Seccomp; f != nil {
		row("parent", "linux.seccomp", "compile: "+f.Summary())
		if all && len(f.Foreign) > 0 {
			row("parent", "linux.seccomp", "no call of these architectures: "+strings.Join(f.Foreign, " "))
		}
	}
	if s := p.Listener; s != nil {
		row("parent", s.Field, fmt.Sprintf("connect to %q = $agent", s.Path))
	}
	do := func(actions []Action) {
		for _, a := range actions {
			if a.Lines == nil {
				row("parent", a.Field, a.Text)
				continue
			}
			for field, text := range a.Lines {
				row("parent", field, text)
			}
		}
	}
	do(p.Before)
	if p.Into != 0 {
		row("parent", cgroupsPath, fmt.Sprintf("open(%q) = $cgroup", p.Cgroup.Unified))
	}
	row("parent", cmp.Or(p.CloneField, "linux.namespaces"), l.Clone())
	for _, line := range l.Explain() {
		if line.Wait >= 0 {
			stop := p.Stops[line.Wait]
			do(stop.Actions)
			if stop.Trees {
				if err := p.Trees.explain(row, all); err != nil {
					return err
				}
			}
		}
		if !all && line.Call == "close" {
			continue
		}
		field := strings.TrimSpace(line.Step.Field + " " + line.Step.Object)
		if last := &rows[len(rows)-1]; !all && line.Call == "prctl" && last[1] == field {
			if name, ok := strings.CutPrefix(line.Text, dropOne); ok && strings.HasPrefix(last[2], dropOne) {
				last[2] += ", " + strings.TrimSuffix(name, ")")
				continue
			}
		}
		row("child", field, line.Text)
	}
	do(p.Later)
	width := 0
	for _, r := range rows {
		width = max(width, min(utf8.RuneCountInString(r[1]), maxFieldWidth))
	}
	for i, r := range rows {
		if _, err := fmt.Fprintf(w, "%3d %-6s  %-*s  %s\n", i+1, r[0], width, r[1], r[2]); err != nil {
			return err
		}
	}
	return nil
}

// explain adds the rows of the opener, and what the parent does before.
func (t *Trees) explain(row func(who, field, text string), all bool) error {
	l, err := t.Program.Link()
	if err != nil {
		return err
	}
	defer l.Close()
	row("parent", "", "open(\"/proc/CHILD/ns/mnt\") = $ns.mnt")
	for _, u := range t.Users {
		from := "/proc/CHILD/ns/user"
		if !u.Map.Own() {
			from = "/proc/PID/ns/user of a new user namespace with its maps"
		}
		row("parent", u.Field, fmt.Sprintf("open(%q) = $ns.user", from))
	}
	row("parent", "", l.Clone())
	for _, line := range l.Explain() {
		if all || line.Call != "close" {
			row("opener", strings.TrimSpace(line.Step.Field+" "+line.Step.Object), line.Text)
		}
	}
	return nil
}

// dropOne begins the line of a call that drops one capability.
const dropOne = "prctl(PR_CAPBSET_DROP, "

// maxFieldWidth keeps the calls in one column where a path is long.
const maxFieldWidth = 44
