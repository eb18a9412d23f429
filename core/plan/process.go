package plan

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/caps"
	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/idmap"
)

// RlimitNumber reads a name such as RLIMIT_NOFILE, setrlimit(2).
func RlimitNumber(name string) (int, bool) {
	i := slices.Index(rlimitNames[:], strings.TrimPrefix(name, "RLIMIT_"))
	return i, i >= 0 && strings.HasPrefix(name, "RLIMIT_")
}

// rlimitNames are in the order of the kernel's numbers, the same on every
// architecture that we build for.
var rlimitNames = [...]string{"CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS",
	"LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"}

func setRlimit(p *clone.Program, number int, soft, hard uint64) {
	lim := [2]uint64{soft, hard}
	p.Call(unix.SYS_PRLIMIT64, clone.Num(0), clone.Num(number), p.Data(clone.Bytes(&lim)), clone.Num(0))
}

// rlimits sets the limits, with the privileges that raising them may take. Of
// that on open files it only raises the hard one, and so it does of that on
// processes where one more is to be forked, which is the user's by then.
func (c *compiler) rlimits() {
	for i, r := range c.spec.Process.Rlimits {
		n, _ := RlimitNumber(r.Type)
		c.p.Begin(fault.At("process.rlimits", i), r.Type)
		switch {
		case n == unix.RLIMIT_NPROC && c.late:
			most := max(r.Hard, c.nproc)
			setRlimit(c.p, n, most, most)
		case n != unix.RLIMIT_NOFILE:
			setRlimit(c.p, n, r.Soft, r.Hard)
		case r.Hard > c.host.Nofile[1]:
			setRlimit(c.p, n, r.Hard, r.Hard)
		}
	}
}

// rlimit sets one limit, if process.rlimits has it, and says whether it has.
func (c *compiler) rlimit(number int) bool {
	for i, r := range c.spec.Process.Rlimits {
		if n, _ := RlimitNumber(r.Type); n == number {
			c.p.Begin(fault.At("process.rlimits", i), r.Type)
			setRlimit(c.p, n, r.Soft, r.Hard)
			return true
		}
	}
	return false
}

// nofile sets the limit on open files, when no more are opened.
func (c *compiler) nofile() {
	if c.rlimit(unix.RLIMIT_NOFILE) {
		return
	}
	if own := c.host.Nofile; own != [2]uint64{} {
		c.p.Begin("", "limit of open files as ocibox found it")
		setRlimit(c.p, unix.RLIMIT_NOFILE, own[0], own[1])
	}
}

// keepGroups is crun's annotation that leaves the caller's supplementary groups
// to the process.
const keepGroups = "run.oci.keep_original_groups"

// keepsGroups says whether the process keeps the caller's groups.
func (c *compiler) keepsGroups() bool {
	_, keep := c.spec.Annotations[keepGroups]
	return keep
}

// identity makes the process what process.user and process.capabilities say.
func (c *compiler) identity() {
	p, proc := c.p, c.spec.Process
	u := proc.User
	p.Begin("process.capabilities.bounding", "")
	c.caps.Bound(p, c.host.CapLast)
	p.Begin("process.user", "")
	caps.Keep(p)
	if c.setgroups && !c.keepsGroups() {
		groups := u.AdditionalGids
		p.Begin("process.user.additionalGids", "")
		list := clone.Num(0)
		if len(groups) > 0 {
			b := []byte{}
			for i := range groups {
				b = append(b, clone.Bytes(&groups[i])...)
			}
			list = p.Data(b)
		}
		set := p.Call(clone.SysSetgroups, clone.Num(len(groups)), list)
		if c.joined&unix.CLONE_NEWUSER != 0 && len(groups) == 0 {
			set.Ignore(unix.EPERM) // that namespace may deny it
		}
	}
	p.Begin("process.user.gid", "")
	p.Call(clone.SysSetresgid, clone.Num(u.GID), clone.Num(u.GID), clone.Num(u.GID))
	c.loadEarly()
	p.Begin("process.user.uid", "")
	p.Call(clone.SysSetresuid, clone.Num(u.UID), clone.Num(u.UID), clone.Num(u.UID))
	// The change of ids sets it back to what sysctl fs.suid_dumpable says.
	c.undumpable()
	p.Begin("process.capabilities", "")
	c.caps.Apply(p)
	if proc.NoNewPrivileges {
		p.Begin("process.noNewPrivileges", "")
		p.Call(unix.SYS_PRCTL, clone.Num(unix.PR_SET_NO_NEW_PRIVS), clone.Num(1), clone.Num(0), clone.Num(0), clone.Num(0))
	}
	umask := uint32(0o022)
	if u.Umask != nil {
		umask = *u.Umask
	}
	p.Begin("process.user.umask", "")
	p.Call(unix.SYS_UMASK, clone.Num(umask))
}

// stdio gives the inherited 0, 1 and 2 to the process's user, so that it can
// open them again by /dev/stdout and its like. Not /dev/null, which is
// everybody's, and not what the user has already.
func (c *compiler) stdio() {
	uid := c.spec.Process.User.UID
	host := uid
	if c.uids != nil {
		host, _ = idmap.HostID(c.uids, uid)
	}
	c.p.Begin("process.user.uid", "standard streams")
	for fd, f := range c.host.Stdio {
		if !f.Shared && f.UID != host {
			// Owned by somebody whom the namespace does not have, or on
			// something that has no owner: it stays as it is.
			c.p.Call(clone.SysFchown, clone.Num(fd), clone.Num(uid), clone.Num(-1)).Ignore(unix.EPERM, unix.EINVAL, unix.EROFS)
		}
	}
}

// find has create fail, not start, for a program that is not there: it is by
// that that engines tell exit status 127 from others. The call is one that the
// oldest of filters knows, and it comes before any.
func (c *compiler) find() {
	proc := c.spec.Process
	c.p.Begin("process.args[0]", "")
	c.p.Find(clone.SearchPath(proc.Args[0], environ(proc.Env)), proc.Args[0])
}

func (c *compiler) exec() {
	proc := c.spec.Process
	env := environ(proc.Env)
	if c.in.Home != "" && !slices.ContainsFunc(env, func(s string) bool { return strings.HasPrefix(s, "HOME=") }) {
		env = append(env, "HOME="+c.in.Home)
	}
	name := proc.Args[0]
	c.p.Begin("process.args[0]", "")
	c.plan.Paths = clone.SearchPath(name, env)
	c.p.Exec(c.plan.Paths, proc.Args, env)
}

// environ is env with the last value of each variable, in the place of its
// first.
func environ(env []string) []string {
	at := map[string]int{}
	var out []string
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if i, ok := at[name]; ok {
			out[i] = e
			continue
		}
		at[name] = len(out)
		out = append(out, e)
	}
	return out
}

// terminal makes the container's terminal out of its own devpts, hands the
// master to the console socket, and keeps the other end for stdio.
func (c *compiler) terminal(root clone.Reg) {
	p := c.p
	p.Begin("process.terminal", "")
	// An image without a devpts may have any device in that place, and some do
	// harm by being opened.
	const ptmx = "/dev/pts/ptmx"
	master := p.Reg("master")
	p.OpenIn(root, ptmx, clone.MustExist, 0, unix.O_PATH, 0, master)
	p.Must(master, unix.S_IFCHR, 5, 2, unix.ENOTTY)
	p.Call(unix.SYS_CLOSE, clone.In(master))
	p.OpenIn(root, ptmx, clone.MustExist, 0, unix.O_RDWR|unix.O_NOCTTY, 0, master)
	unlock := int32(0)
	p.Call(unix.SYS_IOCTL, clone.In(master), clone.Num(unix.TIOCSPTLCK), p.Data(clone.Bytes(&unlock)))
	c.tty = p.Reg("tty")
	p.Call(unix.SYS_IOCTL, clone.In(master), clone.Num(unix.TIOCGPTPEER), clone.Num(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)).Save(c.tty)
	if size := c.spec.Process.ConsoleSize; size != nil {
		p.Begin("process.consoleSize", "")
		w := unix.Winsize{Row: uint16(size.Height), Col: uint16(size.Width)}
		p.Call(unix.SYS_IOCTL, clone.In(c.tty), clone.Num(unix.TIOCSWINSZ), p.Data(clone.Bytes(&w)))
		p.Begin("process.terminal", "")
	}
	if uid := c.spec.Process.User.UID; uid != 0 {
		p.Call(clone.SysFchown, clone.In(c.tty), clone.Num(uid), clone.Num(-1))
	}
	p.SendFD(c.plan.Console, master, "/dev/ptmx")
	p.Call(unix.SYS_CLOSE, clone.In(master))
	p.Call(unix.SYS_CLOSE, clone.In(c.plan.Console))
}

// takeTerminal makes the terminal the controlling one, and stdio.
func (c *compiler) takeTerminal() {
	c.p.Begin("process.terminal", "")
	c.p.Call(unix.SYS_IOCTL, clone.In(c.tty), clone.Num(unix.TIOCSCTTY), clone.Num(0))
	for fd := range 3 {
		c.p.Call(unix.SYS_DUP3, clone.In(c.tty), clone.Num(fd), clone.Num(0))
	}
	c.p.Call(unix.SYS_CLOSE, clone.In(c.tty))
}

// loopback brings lo up in a new network namespace. Any socket will do for
// the ioctl, so one that every kernel has.
func loopback(p *clone.Program) {
	sock := p.Reg("socket")
	p.Call(unix.SYS_SOCKET, clone.Num(unix.AF_UNIX), clone.Num(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), clone.Num(0)).Save(sock)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		panic(err) // a constant name
	}
	req.SetUint16(unix.IFF_UP)
	p.Call(unix.SYS_IOCTL, clone.In(sock), clone.Num(unix.SIOCSIFFLAGS), p.Data(clone.Bytes(req)))
	p.Call(unix.SYS_CLOSE, clone.In(sock))
}

const oomFile = "oom_score_adj"

// oomScoreAdj sets the process's own, while it is still the caller's equal.
func (c *compiler) oomScoreAdj() {
	a := c.spec.Process.OOMScoreAdj
	if a == nil {
		return
	}
	p, value := c.p, fmt.Sprint(*a)
	p.Begin("process.oomScoreAdj", "")
	file := p.Reg(oomFile)
	p.Call(unix.SYS_OPENAT, clone.Cwd, p.Str("/proc/self/"+oomFile), clone.Num(unix.O_WRONLY|unix.O_CLOEXEC)).Save(file)
	p.Call(unix.SYS_WRITE, clone.In(file), p.Str(value), clone.Num(len(value)))
	p.Call(unix.SYS_CLOSE, clone.In(file))
}

// parentOOMScoreAdj does it from outside where the child begins in a user
// namespace of its own, which takes the privilege to lower it away.
func (c *compiler) parentOOMScoreAdj() []Action {
	a := c.spec.Process.OOMScoreAdj
	if a == nil || len(c.plan.Joins) > 0 || c.shifts() || c.locks() {
		return nil
	}
	value := fmt.Sprint(*a)
	return []Action{{Field: "process.oomScoreAdj", Text: fmt.Sprintf("write %q to /proc/CHILD/%s", value, oomFile), Do: func(pid int) error {
		err := writeProc(pid, oomFile, value)
		var e *fault.Error
		if errors.Is(err, unix.EACCES) && errors.As(err, &e) {
			e.Hint = OOMHint(*a)
		}
		return err
	}}}
}

// OOMHint tells why an oom_score_adj is refused, or is "".
func OOMHint(value int) string {
	now, err := os.ReadFile("/proc/self/" + oomFile)
	if err != nil {
		return ""
	}
	text := strings.TrimSpace(string(now))
	if n, err := strconv.Atoi(text); err != nil || n <= value {
		return ""
	}
	return fmt.Sprintf("it is %s here, and less takes CAP_SYS_RESOURCE", text)
}
