package seccomp

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestDecide(t *testing.T) {
	equal := func(v uint64) []specs.LinuxSeccompArg {
		return []specs.LinuxSeccompArg{{Op: specs.OpEqualTo, Value: v}}
	}
	s := &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno,
		Architectures: []specs.Arch{specs.ArchX86},
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"socket"}, Action: specs.ActAllow, Args: equal(1)},
			{Names: []string{"socket", "send"}, Action: specs.ActKillProcess, Args: equal(38)},
			{Names: []string{"read", "futex"}, Action: specs.ActLog},
			{Names: []string{"write"}, Action: specs.ActErrno},
		},
	}
	type args = [6]uint64
	const def = "linux.seccomp.defaultAction"
	for _, c := range []struct {
		arch          specs.Arch
		name          string
		args          args
		action, field string
		why           string
	}{
		{"", "read", args{}, "SCMP_ACT_LOG", "linux.seccomp.syscalls[2]", "names it without conditions"},
		{"", "socket", args{1}, "SCMP_ACT_ALLOW", "linux.seccomp.syscalls[0]", "its conditions hold"},
		{"", "socket", args{38}, "SCMP_ACT_KILL_PROCESS", "linux.seccomp.syscalls[1]", "its conditions hold"},
		{"", "socket", args{1<<32 | 38}, "SCMP_ACT_ERRNO(EPERM)", def, "no rule's conditions hold"},
		{specs.ArchX86, "socket", args{1<<32 | 38}, "SCMP_ACT_KILL_PROCESS", "linux.seccomp.syscalls[1]", "its conditions hold"},
		{"", "write", args{}, "SCMP_ACT_ERRNO(EPERM)", def, "no rule with another action names it"},
		{"", "mmap", args{}, "SCMP_ACT_ERRNO(EPERM)", def, "no rule with another action names it"},
		{"", "mseal", args{}, "SCMP_ACT_ERRNO(ENOSYS)", def, "number 462 is newer than all that the rules name"},
		{specs.ArchX86, "send", args{}, "SCMP_ACT_KILL_PROCESS", "linux.seccomp.syscalls[1]", "its conditions hold, of a call through another one that hides its arguments"},
		{specs.ArchX86, "recv", args{}, "SCMP_ACT_ERRNO(EPERM)", def, "no rule's conditions hold, of a call through another one that hides its arguments"},
		{specs.ArchX86, "socketcall", args{1}, "SCMP_ACT_KILL_PROCESS", "linux.seccomp.syscalls[1]", "its conditions hold"},
		{specs.ArchX32, "read", args{}, "SCMP_ACT_KILL_PROCESS", "linux.seccomp.architectures", "x32 is not listed"},
	} {
		got, err := decideFor(s, "amd64", c.arch, c.name, c.args)
		if err != nil || got.Action.String() != c.action || got.Field != c.field || got.Why != c.why {
			t.Errorf("%s %s %#x: %v %+v, %v\nwant %s %s: %s", c.arch, c.name, c.args, got.Action, got, err, c.action, c.field, c.why)
		}
	}
	for _, c := range []struct {
		goarch string
		arch   specs.Arch
		name   string
		want   string
	}{
		{"amd64", "", "no_such_call", `there is no system call "no_such_call"`},
		{"amd64", "", "waitpid", `x86_64 has no system call "waitpid"`},
		{"amd64", specs.ArchMIPS, "read", `there is no table of system calls for "SCMP_ARCH_MIPS"`},
		{"loong64", "", "read", "linux.seccomp: there is no table of system calls for loong64"},
	} {
		if _, err := decideFor(s, c.goarch, c.arch, c.name, args{}); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// Decide says of every call what the program returns.
func TestDecideAgrees(t *testing.T) {
	for _, name := range fixtures(t) {
		s := fixture(t, name)
		for _, m := range machines[:3] {
			f := compiled(t, s, m.name)
			n := newNaive(s, m)
			for _, col := range n.cols {
				for at := 0; at < len(table); at += 41 {
					nr := table[at].nr[col]
					if nr < 0 {
						continue
					}
					for _, args := range n.grid(col, uint32(nr))[:2] {
						d := &data{abis[col].base + uint32(nr), abis[col].audit, args}
						want, _ := run(f.Program, d)
						got, err := decideFor(s, m.name, abis[col].arch, table[at].name, args)
						if err != nil || got.Action != want {
							t.Errorf("%s %s %#x: %v, %v, want %v", abis[col].arch, table[at].name, args, got, err, want)
						}
					}
				}
			}
		}
	}
}
