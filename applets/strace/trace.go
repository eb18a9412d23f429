//go:build amd64 || arm64 || riscv64

package strace

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/decode"
	"ocibox/core/ptrace"
	"ocibox/core/seccomp"
)

// run is one run of the applet.
type run struct {
	*settings
	std     cli.Std
	decode  decode.Options
	tracer  *ptrace.Tracer
	threads map[int]*thread
	common  *sink
	last    time.Time // of the line before
	counts  counts
	child   *ptrace.Child
	status  unix.WaitStatus // how the child ended
	failure error           // why it did not execute the program
}

// say tells the user something that is not part of the trace.
func (r *run) say(format string, args ...any) {
	if !r.quietAttach {
		fmt.Fprintf(r.std.Err, "strace-lite: "+format+"\n", args...)
	}
}

// add begins to know a thread.
func (r *run) add(tid int) (*thread, error) {
	s, err := r.open(tid)
	if err != nil {
		return nil, err
	}
	t := &thread{tid: tid, sink: s, arch: nativeArch}
	r.threads[tid] = t
	return t, nil
}

// handle carries out one event.
func (r *run) handle(e ptrace.Event) error {
	t := r.threads[e.Tid]
	if t == nil && e.Kind != ptrace.Attached {
		if e.Kind == ptrace.Exited {
			return nil
		}
		var err error
		if t, err = r.add(e.Tid); err != nil {
			return err
		}
	}
	switch e.Kind {
	case ptrace.Attached:
		if t == nil {
			r.say("Process %d attached", e.Tid)
			_, err := r.add(e.Tid)
			return err
		}
	case ptrace.Enter:
		return r.enter(t, e)
	case ptrace.Exit:
		return r.exit(t, e)
	case ptrace.Signal:
		if name := decode.Signal(int(e.Sig)); r.prints() && !t.starting && r.signals.has(name) {
			return r.line(t, "--- "+name+" "+r.signalInfo(e)+" ---")
		}
	case ptrace.Stopped:
		if name := decode.Signal(int(e.Sig)); r.prints() && !t.starting && r.signals.has(name) {
			return r.line(t, "--- stopped by "+name+" ---")
		}
	case ptrace.Superseded:
		return r.superseded(t, e)
	case ptrace.Ending:
		return r.ending(t)
	case ptrace.Exited:
		return r.exited(t, e)
	}
	return nil
}

// prints tells whether calls are printed, not only counted.
func (r *run) prints() bool { return !*r.onlySummary }

func (r *run) signalInfo(e ptrace.Event) string {
	if e.Info == nil {
		return "{}"
	}
	return r.decode.Siginfo(e.Info)
}

// enter is the beginning of a call.
func (r *run) enter(t *thread, e ptrace.Event) error {
	c := decode.NewCall(e.Tid, e.Call.Arch, e.Call.Nr, e.Call.Args)
	c.SP, c.Previous = e.Call.SP, t.previous
	if t.starting && c.Name() != "execve" {
		return nil
	}
	t.call, t.shown, t.cut = c, false, false
	t.since, t.system = time.Now(), e.System
	if !r.wants(c) {
		return nil
	}
	t.shown = true
	if !r.prints() {
		return nil
	}
	if err := r.bits(t, c); err != nil {
		return err
	}
	text := r.decode.Enter(c)
	s := r.lead(t)
	s.print(text)
	return s.flush()
}

// wants tells whether the call is one of those to print.
func (r *run) wants(c *decode.Call) bool {
	if r.calls.has(c.Name()) {
		return true
	}
	if !r.container || r.calls.not || c.Name() != "write" {
		return false
	}
	return decode.ContainerFile(link(c.Pid, "fd/"+strconv.Itoa(int(int32(c.Args[0])))))
}

// bits tells of a process whose calls are another ABI's than those before.
func (r *run) bits(t *thread, c *decode.Call) error {
	const x32 = 1 << 30
	arch := c.Arch ^ uint32(c.Nr&x32)
	if arch == t.arch {
		return nil
	}
	t.arch = arch
	if r.quietArch {
		return nil
	}
	mode := "64 bit"
	switch name := seccomp.ABIName(c.Arch, uint32(c.Nr)); {
	case name == "x32":
		mode = "x32"
	case c.Arch != nativeArch:
		mode = "32 bit"
	}
	return r.line(t, "[ Process PID="+strconv.Itoa(t.tid)+" runs in "+mode+" mode. ]")
}

// exit is the end of a call.
func (r *run) exit(t *thread, e ptrace.Event) error {
	c := t.call
	if c == nil {
		return nil
	}
	c.Ret, c.Failed = e.Ret, e.Failed
	t.call, t.previous = nil, c.Name()
	t.starting = t.starting && c.Failed
	if !t.shown {
		return nil
	}
	r.counts.add(c, time.Since(t.since), e.System-t.system)
	if !r.prints() {
		return nil
	}
	args, result := r.decode.Exit(c)
	t.call = c
	err := r.result(t, args, result)
	t.call = nil
	return err
}

// ending is the end of a thread, before it: a call that it is in has no result.
func (r *run) ending(t *thread) error {
	c := t.call
	if c == nil || !t.shown || !r.prints() {
		return nil
	}
	args := ")"
	if !c.Entered() {
		args = " <unfinished ...>)"
	}
	err := r.result(t, args, "= ?")
	t.call = nil
	return err
}

// exited is the end of a thread, after it.
func (r *run) exited(t *thread, e ptrace.Event) error {
	defer delete(r.threads, t.tid)
	if r.child != nil && t.tid == r.child.Pid {
		r.status = e.Status
		r.failure = r.child.Failure()
	}
	if r.prints() && !r.quietExit {
		text := "+++ exited with " + strconv.Itoa(e.Status.ExitStatus()) + " +++"
		if e.Status.Signaled() {
			text = "+++ killed by " + decode.Signal(int(e.Status.Signal()))
			if e.Status.CoreDump() {
				text += " (core dumped)"
			}
			text += " +++"
		}
		if err := r.line(t, text); err != nil {
			return err
		}
	} else if s := t.sink; s.owner == t && s.column > 0 {
		s.print(" <unfinished ...>")
		s.end()
		if err := s.flush(); err != nil {
			return err
		}
	}
	return r.close(t)
}

// close closes the file of a thread that has one of its own.
func (r *run) close(t *thread) error {
	if f, ok := t.sink.w.(*os.File); ok && r.separate() {
		return f.Close()
	}
	return nil
}

// superseded makes the thread that executed a program its process's leader, as
// which it goes on.
func (r *run) superseded(leader *thread, e ptrace.Event) error {
	if r.prints() && !r.quietExec {
		if err := r.line(leader, "+++ superseded by execve in pid "+strconv.Itoa(e.Parent)+" +++"); err != nil {
			return err
		}
	}
	t := r.threads[e.Parent]
	if t == nil {
		return nil
	}
	delete(r.threads, e.Parent)
	if s := t.sink; s.owner == t && s.column > 0 {
		s.print(" <unfinished ...>")
		s.end()
		t.cut = true
	}
	if r.separate() {
		if err := r.close(t); err != nil {
			return err
		}
		t.sink, t.cut = leader.sink, true
	}
	t.tid = e.Tid
	if t.call != nil {
		t.call.Pid = e.Tid
	}
	r.threads[e.Tid] = t
	return nil
}

// link is what a link of a process's /proc directory leads to, "" for nothing.
func link(pid int, name string) string {
	to, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/" + name)
	if err != nil {
		return ""
	}
	return to
}
