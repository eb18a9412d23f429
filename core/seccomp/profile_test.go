package seccomp

import (
	"fmt"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestRefusals(t *testing.T) {
	type (
		profile = specs.LinuxSeccomp
		rule    = specs.LinuxSyscall
		arg     = specs.LinuxSeccompArg
	)
	with := func(r rule) *profile {
		return &profile{DefaultAction: specs.ActErrno, Syscalls: []rule{{Names: []string{"read"}, Action: specs.ActAllow}, r}}
	}
	cond := func(a arg) *profile {
		ok := arg{Op: specs.OpEqualTo}
		return with(rule{Names: []string{"read"}, Action: specs.ActAllow, Args: []arg{ok, a}})
	}
	notify := rule{Names: []string{"mount"}, Action: specs.ActNotify}
	for _, c := range []struct {
		profile *profile
		want    string
	}{
		{nil, ": is missing"},
		{&profile{}, ".defaultAction: is missing"},
		{&profile{DefaultAction: "SCMP_ACT_DENY"}, `.defaultAction: "SCMP_ACT_DENY" is no action`},
		{&profile{DefaultAction: specs.ActNotify, ListenerPath: "/a"}, ".defaultAction: SCMP_ACT_NOTIFY cannot be the default: nobody would hear of the calls that lead to the listener"},
		{&profile{DefaultAction: specs.ActErrno, DefaultErrnoRet: number(4096)}, ".defaultErrnoRet: 4096 is more than 4095"},
		{&profile{DefaultAction: specs.ActTrace, DefaultErrnoRet: number(65536)}, ".defaultErrnoRet: 65536 is more than 65535"},
		{&profile{DefaultAction: specs.ActAllow, DefaultErrnoRet: number(0)}, ".defaultErrnoRet: SCMP_ACT_ALLOW takes none"},
		{&profile{DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86, "SCMP_ARCH_NATIVE"}}, `.architectures[1]: "SCMP_ARCH_NATIVE" is no architecture`},
		{&profile{DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog, "LOG"}}, `.flags[1]: "LOG" is no flag`},
		{&profile{DefaultAction: specs.ActAllow, ListenerMetadata: "x"}, ".listenerMetadata: is set without listenerPath"},
		{with(notify), ".listenerPath: is missing: a rule has SCMP_ACT_NOTIFY"},
		{with(rule{Action: specs.ActAllow}), ".syscalls[1].names: is empty"},
		{with(rule{Names: []string{"read", ""}, Action: specs.ActAllow}), ".syscalls[1].names[1]: is empty"},
		{with(rule{Names: []string{"read"}}), ".syscalls[1].action: is missing"},
		{with(rule{Names: []string{"read"}, Action: "ALLOW"}), `.syscalls[1].action: "ALLOW" is no action`},
		{with(rule{Names: []string{"mount", "write"}, Action: specs.ActNotify}), ".syscalls[1].names[1]: SCMP_ACT_NOTIFY is refused for write: what hands over the listener may need it"},
		{with(rule{Names: []string{"read"}, Action: specs.ActErrno, ErrnoRet: number(1 << 31)}), ".syscalls[1].errnoRet: 2147483648 is more than 4095"},
		{with(rule{Names: []string{"read"}, Action: specs.ActTrap, ErrnoRet: number(1)}), ".syscalls[1].errnoRet: SCMP_ACT_TRAP takes none"},
		{with(rule{Names: []string{"read"}, Action: specs.ActKill, ErrnoRet: number(1)}), ".syscalls[1].errnoRet: SCMP_ACT_KILL takes none"},
		{cond(arg{Index: 6, Op: specs.OpEqualTo}), ".syscalls[1].args[1].index: 6 is more than 5, the last argument"},
		{cond(arg{}), ".syscalls[1].args[1].op: is missing"},
		{cond(arg{Op: "EQ"}), `.syscalls[1].args[1].op: "EQ" is no operator`},
	} {
		f, err := Compile(c.profile)
		if f != nil || err == nil || err.Error() != "linux.seccomp"+c.want {
			t.Errorf("%v, %v\nwant linux.seccomp%s", f, err, c.want)
		}
		if _, err := Decide(c.profile, "", "read", [6]uint64{}); err == nil || err.Error() != "linux.seccomp"+c.want {
			t.Errorf("Decide: %v\nwant linux.seccomp%s", err, c.want)
		}
	}
}

func TestFlags(t *testing.T) {
	const tsync = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH
	type flags []specs.LinuxSeccompFlag
	for _, c := range []struct {
		flags  flags
		notify bool
		want   uint
	}{
		{nil, false, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
		{flags{}, false, 0},
		{flags{specs.LinuxSeccompFlagSpecAllow}, false, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
		{flags{specs.LinuxSeccompFlagLog, "SECCOMP_FILTER_FLAG_TSYNC"}, false, unix.SECCOMP_FILTER_FLAG_LOG | tsync},
		{flags{specs.LinuxSeccompFlagWaitKillableRecv}, false, 0},
		{nil, true, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW | unix.SECCOMP_FILTER_FLAG_NEW_LISTENER},
		{flags{specs.LinuxSeccompFlagWaitKillableRecv}, true, unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | unix.SECCOMP_FILTER_FLAG_NEW_LISTENER},
	} {
		s := one(specs.ActLog, nil)
		if c.notify {
			s = one(specs.ActNotify, nil)
		}
		s.Flags = c.flags
		f := compiled(t, s, "amd64")
		if f.Flags != c.want || f.Notify != c.notify {
			t.Errorf("%q, notify %v: flags %#x, want %#x; notify %v", c.flags, c.notify, f.Flags, c.want, f.Notify)
		}
	}
}

func TestActionString(t *testing.T) {
	for _, c := range []struct {
		act  Action
		want string
	}{
		{unix.SECCOMP_RET_ALLOW, "SCMP_ACT_ALLOW"},
		{unix.SECCOMP_RET_KILL_THREAD, "SCMP_ACT_KILL_THREAD"},
		{unix.SECCOMP_RET_KILL_PROCESS, "SCMP_ACT_KILL_PROCESS"},
		{unix.SECCOMP_RET_ERRNO | 1, "SCMP_ACT_ERRNO(EPERM)"},
		{unix.SECCOMP_RET_ERRNO | 4000, "SCMP_ACT_ERRNO(4000)"},
		{unix.SECCOMP_RET_ERRNO, "SCMP_ACT_ERRNO(0)"},
		{unix.SECCOMP_RET_TRACE | 9, "SCMP_ACT_TRACE(9)"},
		{0x12340000, "0x12340000"},
	} {
		if got := c.act.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestSummary(t *testing.T) {
	s := one(specs.ActNotify, nil)
	s.Architectures = []specs.Arch{specs.ArchX86}
	s.Syscalls[0].Names = []string{"getpgid", "no_such_call", "s390_guarded_storage"}
	f := compiled(t, s, "amd64")
	want := fmt.Sprintf("%d instructions for x86_64 x86, default SCMP_ACT_ALLOW, with a listener, unknown: no_such_call, 1 name of other architectures", len(f.Program))
	if got := f.Summary(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := compiled(t, fixture(t, "docker-arm64.json"), "arm64").Summary(); !strings.HasSuffix(got, " for aarch64 arm, default SCMP_ACT_ERRNO(EPERM), 14 names of other architectures") {
		t.Errorf("%q", got)
	}
}
