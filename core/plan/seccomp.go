package plan

import (
	"encoding/json"
	"errors"
	"math"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/seccomp"
)

// crun's annotations: the listenerPath of a profile that has none, and that a
// name which is no system call's is an error, unless its value is "0".
const (
	seccompReceiver = "run.oci.seccomp.receiver"
	failUnknown     = "run.oci.seccomp_fail_unknown_syscall"
)

// Listener is how the listener of a filter comes to its agent.
type Listener struct {
	Path  string    // of the agent's socket
	Field string    // that names it
	Sock  clone.Reg // is connected to it
	blank clone.Blank
	state specs.ContainerProcessState
}

// Fill tells the agent of the process pid, which waits (config-linux.md, "The
// Container Process State").
func (l *Listener) Fill(linked *clone.Linked, pid int) error {
	text, err := l.text(pid)
	if err != nil {
		return err
	}
	return linked.Fill(l.blank, text)
}

func (l *Listener) text(pid int) ([]byte, error) {
	s := l.state
	s.Pid = pid
	if s.State.Pid == 0 { // it is the init
		s.State.Pid = pid
	}
	return json.Marshal(s)
}

// readSeccomp compiles linux.seccomp. state is the container's for the agent,
// with the init's pid if that is another process.
func (c *compiler) readSeccomp(state specs.State) error {
	s := c.spec.Linux.Seccomp
	if s == nil {
		return nil
	}
	field := "linux.seccomp.listenerPath"
	notifies := slices.ContainsFunc(s.Syscalls, func(r specs.LinuxSyscall) bool { return r.Action == specs.ActNotify })
	if path := c.spec.Annotations[seccompReceiver]; notifies && s.ListenerPath == "" && path != "" {
		with := *s
		with.ListenerPath, field = path, "annotations "+seccompReceiver
		s = &with
	}
	f, err := seccomp.Compile(s)
	if err != nil {
		return err
	}
	if word, ok := c.spec.Annotations[failUnknown]; ok && word != "0" && len(f.Unknown) > 0 {
		return fault.Field("linux.seccomp.syscalls", "no architecture has a system call %q", f.Unknown[0]).WithHint("without the annotation %s, such a name is passed over", failUnknown)
	}
	c.warn(f.Ignored...)
	c.plan.Seccomp = f
	if err := c.checkCalls(); err != nil || !f.Notify {
		return err
	}
	l := &Listener{Path: s.ListenerPath, Field: field, Sock: c.p.Inherit("agent")}
	l.state = specs.ContainerProcessState{Version: specs.Version, Fds: []string{specs.SeccompFdName}, Metadata: s.ListenerMetadata, State: state}
	longest, err := l.text(math.MaxInt32)
	if err != nil {
		return fault.In(field, err)
	}
	l.blank = c.p.Blank(len(longest), "state")
	c.plan.Listener = l
	return nil
}

// checkCalls makes sure of the calls by which the process talks to others after
// the load: without an answer, nobody would know what has become of it.
func (c *compiler) checkCalls() error {
	check := func(call, why string, also seccomp.Action) error {
		d, err := c.plan.Seccomp.Decide(call, [6]uint64{})
		if err != nil {
			return err
		}
		switch d.Action {
		case unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_LOG, also:
			return nil
		}
		return fault.Field(d.Field, "%s for %s: %s", d.Action, call, why)
	}
	if c.plan.Seccomp.Notify {
		// The process itself sends its listener. What asks the agent about that
		// would wait for ever.
		if err := check("sendmsg", "what hands over the listener needs it", unix.SECCOMP_RET_ALLOW); err != nil {
			return err
		}
	}
	if !c.privileged() {
		return nil
	}
	calls := []string{"sendmsg", "read"}
	if c.plan.Listen != 0 {
		calls = append(calls, "accept4")
	}
	for _, call := range calls {
		err := check(call, "the runtime needs it between the load and the execve", unix.SECCOMP_RET_USER_NOTIF)
		var e *fault.Error
		if errors.As(err, &e) {
			return e.WithHint("with process.noNewPrivileges, the filter is loaded last")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// privileged says that there is a filter which only a process with
// CAP_SYS_ADMIN can load, seccomp(2): without no_new_privs.
func (c *compiler) privileged() bool {
	return c.plan.Seccomp != nil && !c.spec.Process.NoNewPrivileges
}

// tellListener is what the parent does before the filter is loaded.
func (c *compiler) tellListener() []Action {
	if c.plan.Listener == nil {
		return nil
	}
	return []Action{{Field: c.plan.Listener.Field, Text: "write the container process state = $state", Listener: true}}
}

// load loads the filter, and sends its listener. What the child does
// afterwards is subject to it.
func (c *compiler) load() {
	p, f, l := c.p, c.plan.Seccomp, c.plan.Listener
	p.Begin("linux.seccomp", "")
	call := p.Call(unix.SYS_SECCOMP, clone.Num(unix.SECCOMP_SET_MODE_FILTER), clone.Num(uintptr(f.Flags)), p.Filter(f.Program))
	if l == nil {
		return
	}
	listener := p.Reg("listener")
	call.Save(listener)
	p.Begin(l.Field, "")
	p.SendBlank(l.Sock, listener, l.blank)
	// Else the agent would not see that its client has gone, and nobody that
	// the agent has.
	p.Call(unix.SYS_CLOSE, clone.In(l.Sock))
	p.Call(unix.SYS_CLOSE, clone.In(listener))
}

// loadEarly loads the filter while the privilege to do so is there.
func (c *compiler) loadEarly() {
	if !c.privileged() {
		return
	}
	if actions := c.tellListener(); actions != nil {
		c.p.Begin(c.plan.Listener.Field, "")
		c.rendezvous(false, actions...)
	}
	c.load()
}

// loadLate loads the filter as the last thing before the execve. Whoever asked
// for that is told before, unless the filter lets a message through anyway: one
// that does not would keep the process from its execve.
func (c *compiler) loadLate() {
	if c.plan.Seccomp == nil || c.privileged() {
		return
	}
	if c.plan.Listener == nil {
		c.p.Executes()
	}
	c.load()
}
