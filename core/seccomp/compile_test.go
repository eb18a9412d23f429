package seccomp

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// testMachine is a GOARCH, and what other calls the kernels that run it take.
type testMachine struct {
	name   string
	native specs.Arch
	others []specs.Arch
}

// machines are of all that ocibox is built for.
var machines = []testMachine{
	{"amd64", specs.ArchX86_64, []specs.Arch{specs.ArchX86, specs.ArchX32}},
	{"386", specs.ArchX86, []specs.Arch{specs.ArchX86_64, specs.ArchX32}},
	{"arm64", specs.ArchAARCH64, []specs.Arch{specs.ArchARM}},
	{"arm", specs.ArchARM, []specs.Arch{specs.ArchAARCH64}},
	{"riscv64", specs.ArchRISCV64, nil},
	{"s390x", specs.ArchS390X, nil},
	{"ppc64le", specs.ArchPPC64LE, nil},
}

func fixture(t testing.TB, name string) *specs.LinuxSeccomp {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var s specs.LinuxSeccomp
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

func fixtures(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	return files
}

func compiled(t testing.TB, s *specs.LinuxSeccomp, goarch string) *Filter {
	t.Helper()
	f, err := compileFor(s, goarch)
	if err != nil {
		t.Fatal(err)
	}
	if err := check(f.Program); err != nil {
		t.Fatalf("the kernel would refuse it: %v", err)
	}
	return f
}

// numbers are those tried of an ABI: all that there are, some that there are
// not, and the ends of every range.
func numbers(col int) []uint32 {
	var nrs []uint32
	for nr := range uint32(601) {
		nrs = append(nrs, nr|abis[col].base)
	}
	return append(nrs, 0xeffff, 0xf0001, 0xf0002, 0xf0005, 0xf0007, 1<<30-1, 1<<30, 1<<30+1, 1<<30+600, 1<<31-1, 1<<31, 1<<31|1<<30, 1<<32-2, 1<<32-1)
}

// agree runs a filter over everything that numbers and grid give, and compares
// it with the naive evaluator.
func agree(t *testing.T, s *specs.LinuxSeccomp, prog []unix.SockFilter, m testMachine) {
	t.Helper()
	n := newNaive(s, m)
	wrong := 0
	for col, b := range abis {
		nrs := numbers(col)
		if !slices.Contains(n.cols, col) {
			nrs = nrs[590:] // all of them kill
		}
		for _, nr := range nrs {
			for _, args := range n.grid(col, nr&^b.base) {
				d := &data{nr, b.audit, args}
				if got, _ := run(prog, d); got != n.decide(d) {
					if wrong++; wrong > 5 {
						return
					}
					t.Errorf("%s %#x(%#x): %v, want %v", short(b.arch), nr, args, got, n.decide(d))
				}
			}
		}
	}
	if got, _ := run(prog, &data{audit: 0xc0000102}); got != unix.SECCOMP_RET_KILL_PROCESS {
		t.Errorf("another architecture: %v", got)
	}
}

func TestFixtures(t *testing.T) {
	for _, name := range fixtures(t) {
		for _, g := range machines {
			t.Run(name+"/"+g.name, func(t *testing.T) {
				s := fixture(t, name)
				agree(t, s, compiled(t, s, g.name).Program, g)
			})
		}
	}
}

// One rule for every architecture's own numbers, and no rule at all.
func TestDefaults(t *testing.T) {
	for _, def := range []specs.LinuxSeccompAction{specs.ActErrno, specs.ActKill, specs.ActAllow, specs.ActLog, specs.ActTrace} {
		for _, names := range [][]string{nil, {"write"}, {"set_tls", "sync_file_range2"}, {"socket", "shmget"}} {
			for _, g := range machines {
				s := &specs.LinuxSeccomp{DefaultAction: def}
				if names != nil {
					s.Syscalls = []specs.LinuxSyscall{{Names: names, Action: specs.ActErrno, ErrnoRet: number(7)}}
				}
				agree(t, s, compiled(t, s, g.name).Program, g)
			}
		}
	}
}

func number(n uint) *uint { return &n }

// randomProfile makes rules over few names and few values, so that they meet.
func randomProfile(r *rand.Rand) *specs.LinuxSeccomp {
	pick := func(n int) int { return r.IntN(n) }
	names := []string{"read", "write", "socket", "socketcall", "ipc", "shmget", "semop", "clone", "personality", "send", "accept4", "set_tls", "mseal", "no_such_call"}
	actions := []specs.LinuxSeccompAction{specs.ActErrno, specs.ActErrno, specs.ActAllow, specs.ActAllow, specs.ActKill, specs.ActKillProcess, specs.ActTrap, specs.ActTrace, specs.ActLog}
	ops := []specs.LinuxSeccompOperator{specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo, specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpMaskedEqual}
	values := []uint64{0, 1, 2, 38, 0xffff, 1 << 31, 0xffffffff, 1 << 32, 1<<32 + 1, 1 << 63, ^uint64(0), 0x7e020000}
	errno := func(a specs.LinuxSeccompAction) *uint {
		if (a != specs.ActErrno && a != specs.ActTrace) || pick(2) == 0 {
			return nil
		}
		return number([]uint{0, 1, 38, 4095}[pick(4)])
	}
	s := &specs.LinuxSeccomp{DefaultAction: actions[pick(len(actions))]}
	s.DefaultErrnoRet = errno(s.DefaultAction)
	for range pick(4) {
		s.Architectures = append(s.Architectures, specArches[pick(len(specArches))])
	}
	for range pick(9) {
		c := specs.LinuxSyscall{Action: actions[pick(len(actions))]}
		c.ErrnoRet = errno(c.Action)
		for range 1 + pick(3) {
			c.Names = append(c.Names, names[pick(len(names))])
		}
		for range pick(4) {
			c.Args = append(c.Args, specs.LinuxSeccompArg{Index: uint(pick(3)), Op: ops[pick(len(ops))], Value: values[pick(len(values))], ValueTwo: values[pick(len(values))]})
		}
		s.Syscalls = append(s.Syscalls, c)
	}
	return s
}

func TestRandomProfiles(t *testing.T) {
	for seed := range uint64(60) {
		s := randomProfile(rand.New(rand.NewPCG(seed, 1)))
		g := machines[seed%uint64(len(machines))]
		agree(t, s, compiled(t, s, g.name).Program, g)
		if t.Failed() {
			text, _ := json.MarshalIndent(s, "", " ")
			t.Fatalf("seed %d, %s: %s", seed, g.name, text)
		}
	}
}

// Jumps reach across thousands of instructions.
func TestFarJumps(t *testing.T) {
	s := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchX86, specs.ArchX32}}
	for i := range 300 {
		name := table[i*len(table)/300].name
		s.Syscalls = append(s.Syscalls, specs.LinuxSyscall{Names: []string{name}, Action: specs.ActErrno, ErrnoRet: number(uint(1000 + i)),
			Args: []specs.LinuxSeccompArg{{Index: uint(i % 6), Op: specs.OpGreaterThan, Value: uint64(i) << 31}}})
	}
	f := compiled(t, s, "amd64")
	if n := len(f.Program); n < 3000 {
		t.Errorf("%d instructions: not far", n)
	}
	agree(t, s, f.Program, machines[0])
}

// Values that one argument may have are looked for together: those of one stretch, far
// apart, in any order, twice, with upper words, under masks, between other rules.
func TestOneOfValues(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	far := func() uint64 { return uint64(random.Uint32()) }
	for n, values := range [][]uint64{
		{1, 2}, {7, 5, 6, 5}, {0, 1, 2, 3, 9, 10, 11, 12, 20, 21, 22, 30, 40, 41}, {0xffffffff, 0, 0xfffffffe, 1}, {far(), far(), far(), far(), far()},
		{1 << 32, 1<<32 | 1, 1<<32 | 2, 1<<32 | 9}, {3, 4, 1<<32 | 3, 1<<32 | 4, 5, 6}, {^uint64(0), ^uint64(0) - 1, 1},
	} {
		for _, mask := range []uint64{^uint64(0), 0xff, 0xf0, 0x8000_0001_0000_00ff, 0xffff_ffff_0000_0000} {
			s := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
			for i, v := range values {
				arg := specs.LinuxSeccompArg{Index: 1, Op: specs.OpEqualTo, Value: v}
				if mask != ^uint64(0) {
					arg = specs.LinuxSeccompArg{Index: 1, Op: specs.OpMaskedEqual, Value: mask, ValueTwo: v}
				}
				r := specs.LinuxSyscall{Names: []string{"ioctl", "socket", "shmget"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{arg}}
				if n%2 == 1 && i%3 == 2 {
					r.Action = specs.ActLog
				}
				s.Syscalls = append(s.Syscalls, r)
			}
			for _, m := range machines {
				sample(t, s, m)
			}
			m := machines[n%len(machines)]
			agree(t, s, compiled(t, s, m.name).Program, m)
		}
	}
}

func TestTooLong(t *testing.T) {
	s := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
	for i := range 1100 {
		s.Syscalls = append(s.Syscalls, specs.LinuxSyscall{Names: []string{"ioctl"}, Action: specs.ActAllow,
			Args: []specs.LinuxSeccompArg{{Index: 1, Op: specs.OpGreaterThan, Value: uint64(i) << 31}}})
	}
	_, err := compileFor(s, "amd64")
	if err == nil || !strings.HasPrefix(err.Error(), "linux.seccomp.syscalls: make a program of ") || !strings.HasSuffix(err.Error(), ", more than the kernel's 4096") {
		t.Error(err)
	}
}

// The calls that programs make all the time are decided within a dozen
// instructions, on every architecture that the fixtures are for.
func TestStepsOfCommonCalls(t *testing.T) {
	for _, c := range []struct{ file, goarch string }{
		{"docker-amd64.json", "amd64"}, {"podman-amd64.json", "amd64"}, {"docker-arm64.json", "arm64"}, {"docker-s390x.json", "s390x"},
	} {
		f := compiled(t, fixture(t, c.file), c.goarch)
		col := kin(c.goarch)[0]
		for _, name := range []string{"read", "write", "futex", "openat"} {
			n, _ := find(name, new(int))
			ret, steps := run(f.Program, &data{nr: uint32(n.nr[col]), audit: abis[col].audit})
			if ret != unix.SECCOMP_RET_ALLOW || steps > 12 {
				t.Errorf("%s: %s: %v after %d instructions", c.file, name, ret, steps)
			}
		}
	}
}

func TestLists(t *testing.T) {
	s := &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno,
		Architectures: []specs.Arch{specs.ArchX86, specs.ArchMIPS, specs.ArchX86, specs.ArchX86_64, specs.ArchAARCH64},
		ListenerPath:  "/run/agent",
		Flags:         []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog, specs.LinuxSeccompFlagWaitKillableRecv},
		Syscalls: []specs.LinuxSyscall{{
			Names:  []string{"read", "waitpid", "s390_guarded_storage", "no_such_call", "send", "s390_guarded_storage", "no_such_call"},
			Action: specs.ActAllow,
			Args:   []specs.LinuxSeccompArg{{Op: specs.OpEqualTo, Value: 1, ValueTwo: 2}},
		}},
	}
	f := compiled(t, s, "amd64")
	for _, c := range []struct {
		name      string
		got, want []string
	}{
		{"arches", names(f.Arches), []string{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"}},
		{"idle", names(f.Idle), []string{"SCMP_ARCH_MIPS", "SCMP_ARCH_AARCH64"}},
		{"unknown", f.Unknown, []string{"no_such_call"}},
		{"foreign", f.Foreign, []string{"s390_guarded_storage"}},
		{"ignored", f.Ignored, []string{
			"linux.seccomp.syscalls[0].args[0].valueTwo: SCMP_CMP_EQ takes one value",
			"linux.seccomp.listenerPath: no rule has SCMP_ACT_NOTIFY",
			"linux.seccomp.flags[1]: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: no rule has SCMP_ACT_NOTIFY",
		}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
	if f.Flags != unix.SECCOMP_FILTER_FLAG_LOG || f.Notify {
		t.Errorf("flags %#x, notify %v", f.Flags, f.Notify)
	}
	if _, err := compileFor(s, "loong64"); err == nil || err.Error() != "linux.seccomp: there is no table of system calls for loong64" {
		t.Error(err)
	}
}

func names[T ~string](list []T) []string {
	var s []string
	for _, n := range list {
		s = append(s, string(n))
	}
	return s
}

func BenchmarkCompile(b *testing.B) {
	s := fixture(b, "docker-amd64.json")
	for b.Loop() {
		if _, err := compileFor(s, "amd64"); err != nil {
			b.Fatal(err)
		}
	}
}
