package enter

import (
	"path/filepath"
	"strings"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
)

// plainShell is what there is where nothing says another.
const plainShell = "/bin/sh"

// check refuses what cannot be handed to the kernel.
func (c Command) check() error {
	for _, list := range [][]string{c.Args, c.Env} {
		for _, s := range list {
			if strings.IndexByte(s, 0) >= 0 {
				return fault.Op(nil, "%q holds a NUL byte", s)
			}
		}
	}
	return nil
}

// run has the child execute the command: as execvp(3) does, or without a command
// the user's shell, $SHELL or else that of passwd(5), as a login shell.
func (j *Job) run(c Command) {
	p := j.p
	p.Begin("", "")
	if len(c.Args) > 0 {
		j.plan.Paths = clone.SearchPath(c.Args[0], c.Env)
		if len(j.plan.Paths) != 1 {
			p.Exec(j.plan.Paths, c.Args, c.Env)
			return
		}
		// A script without a line that says what it is for is the shell's.
		p.Exec(j.plan.Paths, c.Args, c.Env).Ignore(unix.ENOEXEC)
		p.Exec([]string{plainShell}, append([]string{plainShell, c.Args[0]}, c.Args[1:]...), c.Env)
		return
	}
	shell := ""
	for _, e := range c.Env {
		if v, ok := strings.CutPrefix(e, "SHELL="); ok {
			shell = v
		}
	}
	if shell == "" {
		shell = passwdShell(unix.Getuid())
	}
	j.plan.Paths = []string{shell}
	login := func(path string) *clone.Insn {
		return p.Exec([]string{path}, []string{"-" + filepath.Base(path)}, c.Env)
	}
	if shell != plainShell {
		// Where it enters another root, the user's shell may not be there.
		login(shell).Ignore(unix.ENOENT)
		j.plan.Paths = append(j.plan.Paths, plainShell)
	}
	login(plainShell)
}

// passwdShell is the shell of a user, or plainShell where nothing is known.
func passwdShell(uid int) string {
	users, err := user.ParsePasswdFileFilter("/etc/passwd", func(u user.User) bool { return u.Uid == uid })
	if err != nil || len(users) == 0 || users[0].Shell == "" {
		return plainShell
	}
	return users[0].Shell
}
