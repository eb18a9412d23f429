package rootfs

import (
	"bytes"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"ocibox/core/early"
	"ocibox/core/fault"
)

// shell must be there for the default set to be of use.
const shell = "sh"

const defaultPrograms = `
	bash ls cat echo printf id whoami ps top free mount umount mountpoint
	hostname uname env printenv sleep date stat tty stty clear
	true false test [ expr kill nice nohup timeout setsid
	ln mkdir rmdir rm cp mv mknod mktemp readlink realpath basename dirname touch chmod chown
	dd df du sync pwd find xargs grep sed awk head tail sort uniq wc cut tr tee seq od
	ip ping nproc`

// terminals are the ones that a person at a container is likely to sit at.
var terminals = []string{"xterm", "xterm-256color", "linux", "screen", "vt100"}

// defaults adds the host's programs for an interactive shell. Those that the
// host lacks are noted in c.missing.
func (c *collector) defaults() error {
	sh, err := c.lookup(shell, c.system)
	if err != nil {
		return err
	}
	if err := c.program(sh); err != nil {
		return err
	}
	for _, name := range strings.Fields(defaultPrograms) {
		p, err := c.lookup(name, c.system)
		if err != nil {
			c.missing = append(c.missing, name)
			continue
		}
		if err := c.program(p); err != nil {
			return err
		}
	}
	return c.terminfo()
}

// terminfo adds the terminals' descriptions, from the first directory that has
// each, terminfo(5).
func (c *collector) terminfo() error {
	for _, t := range terminals {
		for _, d := range []string{"/etc/terminfo", "/lib/terminfo", "/usr/lib/terminfo", "/usr/share/terminfo"} {
			p := path.Join(d, t[:1], t)
			if !c.exists(p) {
				continue
			}
			if _, err := c.file(p, other); err != nil {
				return err
			}
			break
		}
	}
	return nil
}

// findBusybox finds a busybox for the default set, or "". One that is a script
// around the real one would be of no use under other names.
func (c *collector) findBusybox() string {
	p, err := c.lookup("busybox", c.path)
	if err != nil || !c.isELF(p) {
		return ""
	}
	return p
}

// busybox adds the busybox at p as /bin/busybox, and a link for each of its applets.
func (c *collector) busybox(p string) error {
	real, _, err := c.h.walk(p)
	if err != nil {
		return fault.Op(cause(err), "%s", p)
	}
	if !c.isELF(real) {
		return fault.Op(nil, "%s is not an ELF program", p)
	}
	applets, err := busyboxApplets(c.h.root + real)
	if err != nil {
		return fault.Op(err, "%s --list", p)
	}
	if err := c.libraries(real); err != nil {
		return err
	}
	st, err := c.h.stat(real)
	if err != nil {
		return fault.Op(cause(err), "%s", p)
	}
	box := c.tree.place("/bin/busybox")
	c.tree.add(box, &entry{kind: file, mode: st.Mode().Perm(), source: c.h.root + real, role: program})
	for _, a := range applets {
		at := c.tree.place(a)
		target, err := filepath.Rel(path.Dir(at), box)
		if err != nil {
			return fault.Op(err, "%s --list", p)
		}
		// What the user named is there already, and stays.
		if link := (&entry{kind: symlink, target: target}); c.tree.add(at, link) == link {
			c.applets++
		}
	}
	return nil
}

// busyboxApplets asks a busybox for the paths of its applets. One that was
// built without --list-full tells only their names, which then go to /bin.
func busyboxApplets(file string) ([]string, error) {
	out, err := runBusybox(file, "--list-full")
	dir := "/"
	if err != nil {
		out, err = runBusybox(file, "--list")
		dir = "/bin"
	}
	if err != nil {
		return nil, err
	}
	var applets []string
	for _, line := range strings.Fields(out) {
		if !filepath.IsLocal(line) {
			return nil, fault.Op(nil, "%q is no path of an applet", line)
		}
		applets = append(applets, path.Join(dir, line))
	}
	if applets == nil {
		return nil, fault.Op(nil, "it has no applets")
	}
	return applets, nil
}

// runBusybox runs it under the name by which it takes its first argument for
// a command of its own, whatever its file is called.
func runBusybox(file, arg string) (string, error) {
	var errs bytes.Buffer
	cmd := exec.Cmd{Path: file, Args: []string{"busybox", arg}, Env: []string{}, Stderr: &errs}
	defer early.Plainly()()
	out, err := cmd.Output()
	if first, _, _ := strings.Cut(strings.TrimSpace(errs.String()), "\n"); err != nil && first != "" {
		return "", fault.Op(err, "%s", first)
	}
	return string(out), cause(err)
}
