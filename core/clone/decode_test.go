package clone

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"ocibox/core/names"
)

// otherKinds are the kinds of arguments that Linked.arg knows besides flags.
var otherKinds = strings.Fields("- int fd oct str argv envp filemode dev mountattr rlimit groups capdata prctlarg prctlarg2 ioctlarg openhow schedattr ioprio cpus nodes filter")

func TestCallTable(t *testing.T) {
	for i, c := range calls {
		if d := describeCall(c.nr); d != &calls[i] {
			t.Errorf("%s has the number of %s", c.name, d.name)
		}
		for _, kind := range strings.Fields(c.args) {
			if !slices.Contains(otherKinds, kind) && names.Find(kind) == nil {
				t.Errorf("%s: nothing knows %q", c.name, kind)
			}
		}
	}
	for _, kind := range shown {
		if names.Find(kind) == nil {
			t.Errorf("nothing knows %q, which is shown in errors", kind)
		}
	}
	// The table says what each number's own name is.
	n := 0
	ast.Inspect(parse(t, "calls.go"), func(node ast.Node) bool {
		lit, ok := node.(*ast.CompositeLit)
		if !ok || len(lit.Elts) != 3 {
			return true
		}
		if _, name, ok := callName(lit.Elts[0]); ok {
			n++
			if got, err := strconv.Unquote(lit.Elts[1].(*ast.BasicLit).Value); err != nil || got != name {
				t.Errorf("%s is called %s", name, got)
			}
		}
		return true
	})
	if n != len(calls) {
		t.Errorf("%d of %d calls were looked at", n, len(calls))
	}
}

// Every system call that is used by those who write programs is described.
func TestCallsAreDescribed(t *testing.T) {
	used := map[string]token.Position{}
	for _, dir := range []string{"..", "../../applets"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || filepath.Dir(path) == "../clone" {
				return err
			}
			f := parse(t, path)
			if !slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"ocibox/core/clone"` }) {
				return nil
			}
			ast.Inspect(f, func(n ast.Node) bool {
				// Outside of this package, they are qualified.
				if e, ok := n.(*ast.SelectorExpr); ok {
					if pos, name, ok := callName(e); ok {
						used[name] = files.Position(pos)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	const fewest = 20
	if len(used) < fewest {
		t.Errorf("only %d calls were found: %v", len(used), used)
	}
	for name, at := range used {
		if !slices.ContainsFunc(calls[:], func(c callDesc) bool { return c.name == name }) {
			t.Errorf("%v: calls.go does not describe %s", at, name)
		}
	}
}

var files = token.NewFileSet()

func parse(t *testing.T, path string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(files, path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// callName reads unix.SYS_NAME, and this package's SysName.
func callName(e ast.Expr) (token.Pos, string, bool) {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		pkg, ok := e.X.(*ast.Ident)
		if name, is := strings.CutPrefix(e.Sel.Name, "SYS_"); ok && is && pkg.Name == "unix" {
			return e.Pos(), strings.ToLower(name), true
		}
		if name, is := strings.CutPrefix(e.Sel.Name, "Sys"); ok && is && pkg.Name == "clone" {
			return e.Pos(), strings.ToLower(name), true
		}
	case *ast.Ident:
		if name, is := strings.CutPrefix(e.Name, "Sys"); is {
			return e.Pos(), strings.ToLower(name), true
		}
	}
	return 0, "", false
}

// show is a program with something of everything, and what it is in words.
func show(p *Program) []string {
	var words []string
	line := func(text string, _ *Insn) { words = append(words, text) }
	null := Num(0)
	p.Preserve = 1
	root, fd, res := p.Inherit("root"), p.Reg("fd"), p.Reg("res")
	words = append(words, "close_range: every descriptor but 0, 1, 2, 3, $sync, $root")
	line(`getpid() = $res`, p.Call(unix.SYS_GETPID).Save(res))
	line(`close($fd) (or EBADF, EIO)`, p.Call(unix.SYS_CLOSE, In(fd)).Ignore(unix.EBADF, unix.EIO))
	line(`if $res == -EEXIST: setsid()`, p.Call(unix.SYS_SETSID).If(res, negative(unix.EEXIST)))
	line(`if $res != 1: umask(022)`, p.Call(unix.SYS_UMASK, Num(0o22)).Unless(res, 1))
	line(`umask(000)`, p.Call(unix.SYS_UMASK, Num(0)))
	line(`openat(AT_FDCWD, "/a \"b\"", O_RDWR|O_CLOEXEC) = $fd`, p.Call(unix.SYS_OPENAT, Cwd, p.Str(`/a "b"`), Num(unix.O_RDWR|unix.O_CLOEXEC)).Save(fd))
	line(`fsopen("tmpfs", FSOPEN_CLOEXEC)`, p.Call(unix.SYS_FSOPEN, p.Str("tmpfs"), Num(unix.FSOPEN_CLOEXEC)))
	line(`fsconfig($fd, FSCONFIG_SET_STRING, "size", "64q")`, p.Call(unix.SYS_FSCONFIG, In(fd), Num(unix.FSCONFIG_SET_STRING), p.Str("size"), p.Str("64q"), null))
	line(`fsconfig($fd, FSCONFIG_CMD_CREATE, NULL, NULL)`, p.Call(unix.SYS_FSCONFIG, In(fd), Num(unix.FSCONFIG_CMD_CREATE), null, null, null))
	line(`mount_setattr($fd, "", AT_EMPTY_PATH, {set MOUNT_ATTR_RDONLY, clear MOUNT_ATTR_NOEXEC, propagation MS_SLAVE})`,
		p.Call(unix.SYS_MOUNT_SETATTR, In(fd), p.Str(""), Num(unix.AT_EMPTY_PATH),
			p.Data(Bytes(&unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY, Attr_clr: unix.MOUNT_ATTR_NOEXEC, Propagation: unix.MS_SLAVE})), Num(unsafe.Sizeof(unix.MountAttr{}))))
	line(`mknodat($root, "null", S_IFCHR|0666, makedev(1, 3))`, p.Call(unix.SYS_MKNODAT, In(root), p.Str("null"), Num(unix.S_IFCHR|0o666), Num(uintptr(unix.Mkdev(1, 3)))))
	line(`mkdirat($root, "d", 0755)`, p.Call(unix.SYS_MKDIRAT, In(root), p.Str("d"), Num(0o755)))
	line(`setgroups(2, [7 8])`, p.Call(SysSetgroups, Num(2), p.Data(Bytes(&[2]uint32{7, 8}))))
	line(`setresuid(1, -1, 0)`, p.Call(SysSetresuid, Num(1), Num(-1), Num(0)))
	line(`fchown($fd, 5, -1)`, p.Call(SysFchown, In(fd), Num(5), Num(-1)))
	line(`capset({effective CAP_CHOWN|CAP_CHECKPOINT_RESTORE, permitted CAP_KILL, inheritable none})`,
		p.Call(unix.SYS_CAPSET, p.Data(Bytes(&unix.CapUserHeader{})), p.Data(Bytes(&[2]unix.CapUserData{{Effective: 1, Permitted: 1 << 5}, {Effective: 1 << 8}}))))
	line(`prctl(PR_CAPBSET_DROP, CAP_NET_RAW)`, p.Call(unix.SYS_PRCTL, Num(unix.PR_CAPBSET_DROP), Num(unix.CAP_NET_RAW)))
	line(`prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYSLOG)`, p.Call(unix.SYS_PRCTL, Num(unix.PR_CAP_AMBIENT), Num(unix.PR_CAP_AMBIENT_RAISE), Num(unix.CAP_SYSLOG)))
	line(`prctl(PR_SET_DUMPABLE, 0)`, p.Call(unix.SYS_PRCTL, Num(unix.PR_SET_DUMPABLE), Num(0)))
	line(`prlimit64(0, RLIMIT_NOFILE, {1024, RLIM_INFINITY})`, p.Call(unix.SYS_PRLIMIT64, Num(0), Num(unix.RLIMIT_NOFILE), p.Data(Bytes(&[2]uint64{1024, ^uint64(0)})), null))
	line(`ioctl($fd, TIOCSPTLCK, &0)`, p.Call(unix.SYS_IOCTL, In(fd), Num(unix.TIOCSPTLCK), p.Data(make([]byte, 4))))
	line(`ioctl($fd, TIOCGPTPEER, O_RDWR|O_NOCTTY)`, p.Call(unix.SYS_IOCTL, In(fd), Num(unix.TIOCGPTPEER), Num(unix.O_RDWR|unix.O_NOCTTY)))
	line(`ioctl($fd, TIOCSWINSZ, {24 rows, 80 columns})`, p.Call(unix.SYS_IOCTL, In(fd), Num(unix.TIOCSWINSZ), p.Data(Bytes(&unix.Winsize{Row: 24, Col: 80}))))
	line(`ioctl($fd, TIOCSCTTY, 0)`, p.Call(unix.SYS_IOCTL, In(fd), Num(unix.TIOCSCTTY), Num(0)))
	line(`ioctl($fd, SIOCSIFFLAGS, {"lo", IFF_UP})`, p.Call(unix.SYS_IOCTL, In(fd), Num(unix.SIOCSIFFLAGS), p.Data([]byte("lo\x00"))))
	line(`keyctl(KEYCTL_JOIN_SESSION_KEYRING, "_ses.x")`, p.Call(unix.SYS_KEYCTL, Num(unix.KEYCTL_JOIN_SESSION_KEYRING), p.Str("_ses.x")))
	line(`setns($fd, CLONE_NEWNET)`, p.Call(unix.SYS_SETNS, In(fd), Num(unix.CLONE_NEWNET)))
	line(`socket(AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC, 0)`, p.Call(unix.SYS_SOCKET, Num(unix.AF_UNIX), Num(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), null))
	line(`close_range(4, CLOSE_RANGE_CLOEXEC)`, p.Call(unix.SYS_CLOSE_RANGE, Num(4), Num(-1), Num(unix.CLOSE_RANGE_CLOEXEC)))
	line(`openat2($root, "sys/a", {O_WRONLY|O_CLOEXEC, RESOLVE_NO_XDEV|RESOLVE_NO_MAGICLINKS|RESOLVE_BENEATH}) = $fd`, p.Call(unix.SYS_OPENAT2, In(root), p.Str("sys/a"),
		p.Data(Bytes(&unix.OpenHow{Flags: unix.O_WRONLY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS})), Num(24)).Save(fd))
	line(`write($fd, "1\n", 2)`, p.Call(unix.SYS_WRITE, In(fd), p.Str("1\n"), Num(2)))
	line(`fsetxattr($fd, "security.selinux", "a:b")`, p.Call(unix.SYS_FSETXATTR, In(fd), p.Str("security.selinux"), p.Str("a:b"), Num(3), null))
	line(`sched_setattr(0, {SCHED_FIFO, priority 5, SCHED_FLAG_RESET_ON_FORK})`, p.Call(unix.SYS_SCHED_SETATTR, null, p.Data(Bytes(&unix.SchedAttr{Policy: unix.SCHED_FIFO, Priority: 5, Flags: 1})), null))
	line(`sched_setattr(0, {SCHED_DEADLINE, runtime 1, deadline 2, period 18446744073709551615})`,
		p.Call(unix.SYS_SCHED_SETATTR, null, p.Data(Bytes(&unix.SchedAttr{Policy: unix.SCHED_DEADLINE, Runtime: 1, Deadline: 2, Period: 1<<64 - 1})), null))
	line(`sched_setattr(0, {SCHED_OTHER, nice -3})`, p.Call(unix.SYS_SCHED_SETATTR, null, p.Data(Bytes(&unix.SchedAttr{Nice: -3})), null))
	mask := []uintptr{1<<0 | 1<<1 | 1<<3 | 1<<(8*wordSize-1), 1}
	bits := p.Data(unsafe.Slice((*byte)(unsafe.Pointer(&mask[0])), 2*wordSize))
	last := 8 * int(wordSize)
	line(fmt.Sprintf(`sched_setaffinity(0, {0-1,3,%d-%d})`, last-1, last), p.Call(unix.SYS_SCHED_SETAFFINITY, null, Num(2*wordSize), bits))
	line(`set_mempolicy(MPOL_INTERLEAVE|MPOL_F_STATIC_NODES, {0-1,3,`+strconv.Itoa(last-1)+`})`, p.Call(unix.SYS_SET_MEMPOLICY, Num(unix.MPOL_F_STATIC_NODES|unix.MPOL_INTERLEAVE), bits, Num(last+1)))
	line(`set_mempolicy(MPOL_DEFAULT, NULL)`, p.Call(unix.SYS_SET_MEMPOLICY, null, null, null))
	line(`ioprio_set(IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_BE 7)`, p.Call(unix.SYS_IOPRIO_SET, Num(1), null, Num(2<<13|7)))
	line(`personality(PER_LINUX32)`, p.Call(unix.SYS_PERSONALITY, Num(8)))
	line(`open-in-root($root, "/a", O_RDONLY|O_CLOEXEC|O_PATH) = $fd`, p.OpenIn(root, "/a", MustExist, 0, unix.O_PATH, 0, fd))
	line(`open-in-root($root, "/a", O_RDONLY|O_CLOEXEC|O_PATH, make a directory) = $fd`, p.OpenIn(root, "/a", MakeDir, 0, unix.O_PATH, 0o755, fd))
	line(`open-in-root($root, "/a", O_RDONLY|O_CLOEXEC|O_PATH, make a file) = $fd`, p.OpenIn(root, "/a", MakeFile, 0, unix.O_PATH, 0o755, fd))
	line(`open-in-root($root, "/a", O_RDONLY|O_CLOEXEC|O_PATH, make one like $res) = $fd (or ENOENT)`, p.OpenIn(root, "/a", MakeLike, res, unix.O_PATH, 0o755, fd).Ignore(unix.ENOENT))
	line(`statx($fd) must be S_IFCHR 1:3`, p.Must(fd, unix.S_IFCHR, 1, 3, unix.ENXIO))
	line(`statx($fd) must be S_IFDIR`, p.Must(fd, unix.S_IFDIR, 0, 0, unix.ENXIO))
	line(`statx($fd)'s mode = $res`, p.Mode(fd, res))
	line(`statx($fd) is a directory = $res (or EBADF)`, p.IsDir(fd, res))
	p.Rendezvous(false)
	line(`wait for the parent`, nil)
	line("recvmsg($root, SCM_RIGHTS) = $fd", p.Receive(root, fd))
	line(`sendmsg($root, "/dev/ptmx", SCM_RIGHTS $fd)`, p.SendFD(root, fd, "/dev/ptmx"))
	line(`clone3(CLONE_PARENT|CLONE_NEWPID), go on in the child`, p.Fork(unix.CLONE_PARENT|unix.CLONE_NEWPID))
	p.Rendezvous(true)
	line(`wait for the parent`, nil)
	line(`copy what is in $root to $fd`, p.CopyTree(root, fd))
	line(`accept4($root) until a connection says go = $fd`, p.Accept(root, fd))
	line(`execve("/bin/a" or "/sbin/a", ["a", "b c"], {2 variables})`, p.Exec([]string{"/bin/a", "/sbin/a"}, []string{"a", "b c"}, []string{"X=1", "Y=2"}))
	line(`execve("/a", [], {0 variables})`, p.Exec([]string{"/a"}, nil, nil))
	line(`faccessat(AT_FDCWD, "/bin/a" or "/sbin/a", F_OK)`, p.Find([]string{"/bin/a", "/sbin/a"}, "a"))
	return words
}

func TestExplain(t *testing.T) {
	p := New()
	p.Begin("a field", "an object")
	want := show(p)
	l := link(t, p)
	defer l.Close()
	waits := 0
	lines := l.Explain()
	for i, line := range lines {
		if i >= len(want) || line.Text != want[i] {
			t.Errorf("line %d is %s", i, line.Text)
		}
		if i > 0 && line.Step != (Step{"a field", "an object"}) {
			t.Errorf("%s is of step %v", line.Text, line.Step)
		}
		if isWait := line.Text == "wait for the parent"; isWait != (line.Wait >= 0) || isWait && line.Wait != waits {
			t.Errorf("%s is wait %d", line.Text, line.Wait)
		} else if isWait {
			waits++
		}
		if name, _, _ := strings.Cut(line.Text, "("); line.Call != "" && line.Call != name && !strings.HasPrefix(line.Text, "if ") {
			t.Errorf("%s is a call of %s", line.Text, line.Call)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d lines, want %d", len(lines), len(want))
	}
}

func TestCloneText(t *testing.T) {
	for flags, want := range map[uint64]string{0: "clone3(SIGCHLD)", unix.CLONE_NEWUSER | unix.CLONE_NEWNET: "clone3(CLONE_NEWUSER|CLONE_NEWNET, SIGCHLD)"} {
		p := New()
		p.Flags = flags
		l := link(t, p)
		defer l.Close()
		if got := l.Clone(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestBrief(t *testing.T) {
	p := New()
	fd := p.Reg("fd")
	null := Num(0)
	for want, i := range map[string]*Insn{
		"fsconfig(size=64q)":                          p.Call(unix.SYS_FSCONFIG, In(fd), Num(unix.FSCONFIG_SET_STRING), p.Str("size"), p.Str("64q"), null),
		"fsconfig(ro)":                                p.Call(unix.SYS_FSCONFIG, In(fd), Num(unix.FSCONFIG_SET_FLAG), p.Str("ro"), null, null),
		"fsconfig()":                                  p.Call(unix.SYS_FSCONFIG, In(fd), Num(unix.FSCONFIG_CMD_CREATE), null, null, null),
		"open_tree(/src)":                             p.Call(unix.SYS_OPEN_TREE, Cwd, p.Str("/src"), Num(unix.OPEN_TREE_CLONE)),
		"symlinkat(a, b)":                             p.Call(unix.SYS_SYMLINKAT, p.Str("a"), In(fd), p.Str("b")),
		"move_mount()":                                p.Call(unix.SYS_MOVE_MOUNT, In(fd), p.Str(""), In(fd), p.Str(""), Num(0)),
		"setns(CLONE_NEWUSER)":                        p.Call(unix.SYS_SETNS, In(fd), Num(unix.CLONE_NEWUSER)),
		"unshare(CLONE_NEWUTS|CLONE_NEWIPC)":          p.Call(unix.SYS_UNSHARE, Num(unix.CLONE_NEWIPC|unix.CLONE_NEWUTS)),
		"ioctl(TIOCSCTTY)":                            p.Call(unix.SYS_IOCTL, In(fd), Num(unix.TIOCSCTTY), null),
		"prctl(PR_CAPBSET_DROP)":                      p.Call(unix.SYS_PRCTL, Num(unix.PR_CAPBSET_DROP), Num(1)),
		"prlimit64(RLIMIT_NOFILE)":                    p.Call(unix.SYS_PRLIMIT64, null, Num(unix.RLIMIT_NOFILE), null, null),
		"keyctl(KEYCTL_JOIN_SESSION_KEYRING, _ses.x)": p.Call(unix.SYS_KEYCTL, Num(unix.KEYCTL_JOIN_SESSION_KEYRING), p.Str("_ses.x")),
		"openat2(sys/a)":                              p.Call(unix.SYS_OPENAT2, In(fd), p.Str("sys/a"), null, null),
		"write(1)":                                    p.Call(unix.SYS_WRITE, In(fd), p.Str("1"), Num(1)),
		"set_mempolicy(MPOL_BIND)":                    p.Call(unix.SYS_SET_MEMPOLICY, Num(unix.MPOL_BIND), null, null),
		"personality(PER_LINUX32)":                    p.Call(unix.SYS_PERSONALITY, Num(8)),
		"setsid()":                                    p.Call(unix.SYS_SETSID),
		"open(/a)":                                    p.OpenIn(fd, "/a", MustExist, 0, unix.O_PATH, 0, fd),
		"statx()":                                     p.Must(fd, unix.S_IFDIR, 0, 0, unix.ENXIO),
		"sendmsg()":                                   p.SendFD(fd, fd, "x"),
		"clone3()":                                    p.Fork(0),
		"accept4()":                                   p.Accept(fd, fd),
		"copy()":                                      p.CopyTree(fd, fd),
		"execve(name)":                                p.Exec([]string{"/a/name", "/b/name"}, []string{"name", "x"}, nil),
		"execve()":                                    p.Exec([]string{"/a/name"}, nil, nil),
		"faccessat(name)":                             p.Find([]string{"/a/name", "/b/name"}, "name"),
		"syscall_9999":                                p.Call(9999),
	} {
		if got := p.brief(i); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
