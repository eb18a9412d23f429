package seccomp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// libseccomp is testdata/compare.c, built.
type libseccomp struct{ path string }

func buildLibseccomp(t *testing.T) *libseccomp {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip(err)
	}
	if _, err := os.Stat("/usr/include/seccomp.h"); err != nil {
		t.Skip("libseccomp-dev is not installed: ", err)
	}
	l := &libseccomp{filepath.Join(t.TempDir(), "compare")}
	if out, err := exec.Command("gcc", "-Wall", "-Werror", "-o", l.path, "testdata/compare.c", "-lseccomp").CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return l
}

// scmpOps is enum scmp_compare, from 1.
var scmpOps = []specs.LinuxSeccompOperator{"", specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo, specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpMaskedEqual}

// compile is libseccomp's program for s, called as runc calls it, and the
// names that it does not know, as "ARCH NAME".
func (l *libseccomp) compile(t *testing.T, s *specs.LinuxSeccomp, m testMachine) (prog []unix.SockFilter, unknown []string) {
	t.Helper()
	var in, out, errs bytes.Buffer
	def := naiveAction(s.DefaultAction, s.DefaultErrnoRet)
	fmt.Fprintf(&in, "default %#x\narch %s\n", def, short(m.native))
	for _, a := range m.others {
		if slices.Contains(s.Architectures, a) {
			fmt.Fprintf(&in, "arch %s\n", short(a))
		}
	}
	for _, c := range s.Syscalls {
		act := naiveAction(c.Action, c.ErrnoRet)
		if act == def {
			continue
		}
		var args []string
		seen := map[uint]bool{}
		alternatives := false
		for _, a := range c.Args {
			args = append(args, fmt.Sprintf(" %d %d %#x %#x", a.Index, slices.Index(scmpOps, a.Op), a.Value, a.ValueTwo))
			alternatives = alternatives || seen[a.Index]
			seen[a.Index] = true
		}
		if !alternatives {
			args = []string{strings.Join(args, "")}
		}
		for _, name := range c.Names {
			for _, a := range args {
				fmt.Fprintf(&in, "rule %#x %s%s\n", act, name, a)
			}
		}
	}
	cmd := exec.Command(l.path)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, errs.Bytes())
	}
	prog = make([]unix.SockFilter, out.Len()/8)
	if err := binary.Read(&out, binary.LittleEndian, prog); err != nil {
		t.Fatal(err)
	}
	if err := check(prog); err != nil {
		t.Fatal(err)
	}
	return prog, strings.Split(strings.TrimSpace(errs.String()), "\n")
}

// same runs both programs over the grid, and gives how many calls it tried.
// It passes over what is known to differ: numbers beyond the profile's newest,
// which libseccomp leaves to runc, and names that it does not know.
func same(t *testing.T, s *specs.LinuxSeccomp, m testMachine, ours, theirs []unix.SockFilter, unknown []string) int {
	t.Helper()
	n := newNaive(s, m)
	tried, wrong := 0, 0
	for _, col := range n.cols {
		b := abis[col]
		for _, nr := range numbers(col) {
			nr32 := nr &^ b.base
			if slices.ContainsFunc(n.byNr[col][nr32], func(name string) bool { return slices.Contains(unknown, short(b.arch)+" "+name) }) {
				continue
			}
			for _, args := range n.grid(col, nr32) {
				d := &data{nr, b.audit, args}
				got, _ := run(ours, d)
				want, _ := run(theirs, d)
				tried++
				if got == enosys && want == Action(n.def) && len(n.byNr[col][nr32]) == 0 {
					continue
				}
				if got == enosys && want == Action(n.def) && n.known[col] && nr32 > n.newest[col] {
					continue
				}
				if got != want {
					if wrong++; wrong > 5 {
						return tried
					}
					t.Errorf("%s %s %#x(%#x): %v, libseccomp %v", short(b.arch), n.byNr[col][nr32], nr, args, got, want)
				}
			}
		}
	}
	return tried
}

// s390x is left out: what libseccomp 2.5.4 makes on a little-endian machine
// for a big-endian one jumps to the wrong places.
func TestLibseccompFixtures(t *testing.T) {
	l := buildLibseccomp(t)
	for _, c := range []struct {
		file    string
		machine int
	}{{"docker-amd64.json", 0}, {"podman-amd64.json", 0}, {"docker-arm64.json", 2}} {
		s, m := fixture(t, c.file), machines[c.machine]
		f := compiled(t, s, m.name)
		theirs, unknown := l.compile(t, s, m)
		tried := same(t, s, m, f.Program, theirs, unknown)
		t.Logf("%s: %d instructions, libseccomp %d; alike on %d calls", c.file, len(f.Program), len(theirs), tried)
		col, _ := column(m.native)
		for _, name := range []string{"read", "write", "futex", "openat", "close", "mmap", "clock_gettime", "epoll_pwait", "rt_sigprocmask", "sendto"} {
			n, _ := find(name, new(int))
			d := &data{nr: uint32(n.nr[col]), audit: abis[col].audit}
			_, a := run(f.Program, d)
			_, b := run(theirs, d)
			t.Logf("%s: %-15s %2d instructions run, libseccomp %2d", c.file, name, a, b)
		}
	}
}

// Of rules that share one action the order does not matter. The operators are
// those that libseccomp 2.5.4 has right: of several inequalities of one
// argument it loses some.
func TestLibseccompRandom(t *testing.T) {
	l := buildLibseccomp(t)
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 2))
		s := randomProfile(r)
		s.Architectures = []specs.Arch{specs.ArchX86, specs.ArchX32}
		s.DefaultAction, s.DefaultErrnoRet = specs.ActErrno, number(5)
		for i := range s.Syscalls {
			c := &s.Syscalls[i]
			c.Action, c.ErrnoRet = specs.ActAllow, nil
			c.Names = []string{[]string{"read", "clone", "personality", "prctl"}[r.IntN(4)]}
			for j := range c.Args {
				c.Args[j].Op = []specs.LinuxSeccompOperator{specs.OpEqualTo, specs.OpNotEqual, specs.OpMaskedEqual}[r.IntN(3)]
			}
		}
		f := compiled(t, s, "amd64")
		theirs, unknown := l.compile(t, s, machines[0])
		same(t, s, machines[0], f.Program, theirs, unknown)
		if t.Failed() {
			t.Fatalf("seed %d: %+v", seed, s.Syscalls)
		}
	}
}

// What differs, and shall; a later libseccomp may do as we do.
func TestLibseccompDifferences(t *testing.T) {
	l := buildLibseccomp(t)
	rule := func(name string, act specs.LinuxSeccompAction, args ...specs.LinuxSeccompArg) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: []string{name}, Action: act, Args: args}
	}
	equal := func(index uint, value uint64) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{Index: index, Value: value, Op: specs.OpEqualTo}
	}
	above := func(index uint, value uint64) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{Index: index, Value: value, Op: specs.OpGreaterThan}
	}
	const eperm, kill = Action(unix.SECCOMP_RET_ERRNO | unix.EPERM), Action(unix.SECCOMP_RET_KILL_PROCESS)
	for _, c := range []struct {
		name         string
		def          specs.LinuxSeccompAction
		rules        []specs.LinuxSyscall
		d            data
		ours, theirs Action
	}{
		{"a number newer than the profile; runc adds this to libseccomp", specs.ActKillProcess,
			[]specs.LinuxSyscall{rule("openat2", specs.ActAllow)},
			data{nr: 462, audit: unix.AUDIT_ARCH_X86_64}, enosys, kill},
		{"socketcall walks around a rule that allows some families", specs.ActErrno,
			[]specs.LinuxSyscall{rule("socket", specs.ActAllow, equal(0, unix.AF_UNIX))},
			data{nr: 102, audit: unix.AUDIT_ARCH_I386, args: [6]uint64{1}}, eperm, unix.SECCOMP_RET_ALLOW},
		{"a condition on another argument is asked of socketcall's own", specs.ActAllow,
			[]specs.LinuxSyscall{rule("socket", specs.ActErrno, equal(2, unix.IPPROTO_RAW))},
			data{nr: 102, audit: unix.AUDIT_ARCH_I386, args: [6]uint64{1}}, eperm, unix.SECCOMP_RET_ALLOW},
		{"a version in ipc's first argument walks around a rule", specs.ActAllow,
			[]specs.LinuxSyscall{rule("shmget", specs.ActErrno)},
			data{nr: 117, audit: unix.AUDIT_ARCH_I386, args: [6]uint64{1<<16 | 23}}, eperm, unix.SECCOMP_RET_ALLOW},
		{"of two rules of prctl that hold the first one counts", specs.ActErrno,
			[]specs.LinuxSyscall{rule("prctl", specs.ActAllow, equal(0, 4)), rule("prctl", specs.ActKillProcess, above(1, 5))},
			data{nr: 157, audit: unix.AUDIT_ARCH_X86_64, args: [6]uint64{4, 9}}, unix.SECCOMP_RET_ALLOW, kill},
	} {
		s := &specs.LinuxSeccomp{DefaultAction: c.def, Architectures: []specs.Arch{specs.ArchX86}, Syscalls: c.rules}
		theirs, _ := l.compile(t, s, machines[0])
		if got, _ := run(compiled(t, s, "amd64").Program, &c.d); got != c.ours {
			t.Errorf("%s: %v, want %v", c.name, got, c.ours)
		}
		if got, _ := run(theirs, &c.d); got != c.theirs && got != c.ours {
			t.Errorf("%s: libseccomp has %v, not %v", c.name, got, c.theirs)
		}
	}
}
