package runtime

import (
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/ere"
	"ocibox/core/fault"
	"ocibox/core/signals"
)

func kill(f *cli.Flags) action {
	all := f.BoolP("all", "a", false, "send it to every process of the container, also of one whose init has ended")
	many := f.BoolP("regex", "r", false, regexUsage)
	return func(e *env, operands []string) error {
		sig := unix.SIGTERM
		if len(operands) == 2 {
			var err error
			if sig, err = signals.Parse(operands[1]); err != nil {
				return err
			}
		}
		send := e.store.Kill
		if *all {
			send = e.store.KillAll
		}
		return e.each(operands[0], *many, func(id string) error { return send(id, sig) })
	}
}

func deleteCommand(f *cli.Flags) action {
	force := f.BoolP("force", "f", false, "kill the container first if it runs; no error if it is not there")
	many := f.BoolP("regex", "r", false, regexUsage)
	return func(e *env, operands []string) error {
		return e.each(operands[0], *many, func(id string) error { return e.store.Delete(id, *force) })
	}
}

const regexUsage = "ID is a regular expression (POSIX extended): every container that it matches anywhere in the id"

// each calls do with the id or, where there may be many, with every container's
// id that it matches as a regular expression. A failure does not keep it from
// the others; none that matches is no error, as with crun.
func (e *env) each(id string, many bool, do func(id string) error) error {
	if !many {
		return do(id)
	}
	expr, err := ere.Compile(id)
	if err != nil {
		return fault.Op(err, "--regex %q", id)
	}
	containers, unread := e.store.List()
	var failed []string
	matched := 0
	for _, c := range containers {
		if !expr.Match(c.ID) {
			continue
		}
		matched++
		if err := do(c.ID); err != nil {
			failed = append(failed, err.Error())
		}
	}
	if len(failed) > 0 {
		return fault.Op(nil, "%d of %d containers: %s", len(failed), matched, strings.Join(failed, "; "))
	}
	return unread
}
