package container

import (
	"errors"
	"fmt"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/pty"
	"ocibox/core/seccomp"
)

// checkFilter makes sure that the kernel knows the flags of a filter, or nil.
func checkFilter(f *seccomp.Filter) error {
	if f == nil {
		return nil
	}
	if missing := seccomp.Missing(f.Flags); len(missing) > 0 {
		return fault.Field("linux.seccomp.flags", "this kernel does not know %s", strings.Join(missing, ", "))
	}
	return nil
}

// meetAgent connects to the agent that the filter's listener is for: before
// there is a process, so that one that is not there is found out.
func (a *attempt) meetAgent() error {
	l := a.plan.Listener
	sock, err := pty.Connect("seccomp agent", l.Path, "")
	if err != nil {
		return fault.In(l.Field, err)
	}
	defer sock.Close()
	if a.agent, err = unix.FcntlInt(sock.Fd(), unix.F_DUPFD_CLOEXEC, 3); err != nil {
		return fault.In(l.Field, fault.Op(err, "dup a socket"))
	}
	a.close = append(a.close, a.leaveAgent)
	return nil
}

// leaveAgent closes the connection, of which the child has a copy: the agent
// is to see an end of it.
func (a *attempt) leaveAgent() {
	if a.agent >= 0 {
		unix.Close(a.agent)
		a.agent = -1
	}
}

// filteredAtStart says whether what failed after a start came after the filter.
func filteredAtStart(f *clone.Failure, s *specs.Spec) bool {
	if s.Linux == nil || s.Linux.Seccomp == nil {
		return false
	}
	return !s.Process.NoNewPrivileges || strings.HasPrefix(f.Call, "execve(")
}

// filterHint tells that it was the container's own filter that made a call
// fail, or what the filter takes to be loaded.
func filterHint(f *clone.Failure, s *specs.Spec) string {
	call, _, _ := strings.Cut(f.Call, "(")
	if call == "seccomp" && errors.Is(f.Errno, unix.EACCES) {
		return "without process.noNewPrivileges, a filter takes CAP_SYS_ADMIN"
	}
	if !f.Filtered {
		return ""
	}
	// With what arguments is not known here: they do not matter to most rules.
	d, err := seccomp.Decide(s.Linux.Seccomp, "", call, [6]uint64{})
	if err != nil {
		return "" // it is more than one call
	}
	action, errno := d.Action&^unix.SECCOMP_RET_DATA, unix.Errno(d.Action&unix.SECCOMP_RET_DATA)
	switch {
	case f.Errno == 0 && (action == unix.SECCOMP_RET_KILL_THREAD || action == unix.SECCOMP_RET_KILL_PROCESS || action == unix.SECCOMP_RET_TRAP):
	case f.Errno != 0 && action == unix.SECCOMP_RET_ERRNO && errno == f.Errno:
	default:
		return ""
	}
	return fmt.Sprintf("the seccomp filter was loaded before: %s has %s for %s", d.Field, d.Action, call)
}
