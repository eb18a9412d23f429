//go:build amd64 || arm64 || riscv64

// Package strace prints the system calls and signals of processes, in the form
// of strace(1).
package strace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/decode"
	"ocibox/core/early"
	"ocibox/core/fault"
	"ocibox/core/proc"
	"ocibox/core/ptrace"
)

// Run is the applet.
func Run(std cli.Std, args []string) error {
	s, err := parse(std, args)
	if err != nil {
		return err
	}
	if *s.version {
		fmt.Fprintf(std.Out, "strace-lite -- ocibox %s, in the form of strace 6.1\n", cli.Version)
		return nil
	}
	// The kernel takes a tracer for one thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r := &run{settings: s, std: std, threads: map[int]*thread{}, counts: counts{wall: *s.wall}}
	r.decode = decode.Options{Read: ptrace.Read, Link: link, Limit: *s.limit, Verbose: *s.verbose, Paths: *s.paths > 0, Hex: decode.Hex(min(*s.hex, 2))}
	r.tracer = ptrace.New(ptrace.Options{Follow: *s.follow > 0})
	r.common = &sink{w: std.Err}
	if r.toFile() && !r.separate() {
		if r.common, err = r.file(*s.output); err != nil {
			return err
		}
	}
	return r.trace()
}

// trace starts, attaches, and follows until nothing is left or a signal comes.
func (r *run) trace() error {
	early.Stay()
	var got atomic.Int32
	signals := make(chan os.Signal, 8)
	if *r.interruptible != 1 {
		signal.Notify(signals, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGPIPE, unix.SIGTERM)
		defer signal.Stop(signals)
	}
	never := *r.interruptible >= 3 || *r.interruptible == 0 && r.toFile() && len(r.program) > 0
	go func() {
		for s := range signals {
			number, _ := s.(syscall.Signal)
			if never || !got.CompareAndSwap(0, int32(number)) {
				continue
			}
			if err := r.tracer.Wake(); err != nil {
				cli.Report(r.std, "strace-lite", err)
			}
		}
	}()
	if err := r.begin(); err != nil {
		return errors.Join(err, r.abandon())
	}
	if *r.interruptible == 4 {
		signal.Ignore(unix.SIGTSTP)
	}
	// In the background, it goes on writing to the terminal.
	signal.Ignore(unix.SIGTTOU, unix.SIGTTIN)
	for got.Load() == 0 {
		e, err := r.tracer.Next()
		if err == ptrace.ErrNone {
			break
		}
		if err == nil {
			err = r.handle(e)
		}
		if err != nil {
			return errors.Join(err, r.release())
		}
	}
	if n := got.Load(); n != 0 {
		return r.interrupted(unix.Signal(n))
	}
	if err := r.summarize(); err != nil {
		return err
	}
	return r.end()
}

// begin attaches to the processes of -p, and starts the program.
func (r *run) begin() error {
	for _, pid := range r.pids {
		if err := r.attach(pid); err != nil {
			return err
		}
	}
	if len(r.program) == 0 {
		return nil
	}
	path, err := find(r.program[0])
	if err != nil {
		return err
	}
	as, err := r.as()
	if err != nil {
		return err
	}
	if r.child, err = ptrace.Start(path, r.program, r.environ(), as); err != nil {
		return err
	}
	if err := r.tracer.Seize(r.child.Pid, true); err != nil {
		return errors.Join(err, r.child.Kill())
	}
	t, err := r.add(r.child.Pid)
	if err != nil {
		return err
	}
	t.starting = true
	return r.child.Go()
}

// attach traces a process: with -f, all its threads.
func (r *run) attach(pid int) error {
	if pid == os.Getpid() {
		return fault.Op(nil, "-p %d: that is strace-lite itself", pid)
	}
	tids := []int{pid}
	if *r.follow > 0 {
		entries, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			if tid, err := strconv.Atoi(e.Name()); err == nil && tid != pid {
				tids = append(tids, tid)
			}
		}
	}
	for _, tid := range tids {
		err := r.tracer.Seize(tid, false)
		if err != nil && tid != pid && errors.Is(err, unix.ESRCH) {
			continue // a thread that has ended meanwhile
		}
		if err != nil {
			return denied(pid, err)
		}
		if _, err := r.add(tid); err != nil {
			return err
		}
	}
	if n := len(tids); n > 1 {
		r.say("Process %d attached with %d threads", pid, n)
	} else {
		r.say("Process %d attached", pid)
	}
	return nil
}

// denied finds out what keeps a process from being traced.
func denied(pid int, err error) error {
	failed := fault.Op(errors.Unwrap(err), "attach to %d", pid)
	if !errors.Is(err, unix.EPERM) {
		return failed
	}
	status, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	for line := range strings.Lines(string(status)) {
		if by, ok := strings.CutPrefix(line, "TracerPid:\t"); ok && strings.TrimSpace(by) != "0" {
			return failed.WithHint("process %s traces it already", strings.TrimSpace(by))
		}
	}
	if scope, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope"); err == nil && scope[0] != '0' {
		return failed.WithHint("/proc/sys/kernel/yama/ptrace_scope is %s: only descendants, or nothing, may be traced without CAP_SYS_PTRACE", strings.TrimSpace(string(scope)))
	}
	return failed
}

// find is the file that a program's name stands for, as a shell finds it.
func find(name string) (string, error) {
	if strings.Contains(name, "/") {
		if _, err := os.Stat(name); err != nil {
			return "", err
		}
		return name, nil
	}
	path, err := early.LookPath(name)
	if err != nil {
		return "", fault.Op(unix.ENOENT, "find %s in PATH", name)
	}
	return path, nil
}

// environ is the program's environment.
func (r *run) environ() []string {
	env := early.Environ()
	for _, e := range *r.env {
		name, _, set := strings.Cut(e, "=")
		env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		if set {
			env = append(env, e)
		}
	}
	return env
}

// as is the user that the program is executed as, nil for the caller.
func (r *run) as() (*ptrace.User, error) {
	if *r.user == "" {
		return nil, nil
	}
	if os.Geteuid() != 0 {
		return nil, fault.Op(nil, "-u %s: only root may execute as another user", *r.user)
	}
	users, err := user.ParsePasswdFileFilter("/etc/passwd", func(u user.User) bool { return u.Name == *r.user })
	if err != nil {
		return nil, fault.Op(err, "-u %s", *r.user)
	}
	if len(users) == 0 {
		return nil, fault.Op(nil, "-u %s: /etc/passwd has no such user", *r.user)
	}
	as := &ptrace.User{UID: uint32(users[0].Uid), GID: uint32(users[0].Gid)}
	as.Groups = append(as.Groups, as.GID)
	groups, err := user.ParseGroupFileFilter("/etc/group", func(g user.Group) bool { return slices.Contains(g.List, *r.user) })
	if err != nil {
		return nil, fault.Op(err, "-u %s", *r.user)
	}
	for _, g := range groups {
		as.Groups = append(as.Groups, uint32(g.Gid))
	}
	return as, nil
}

// release lets all tracees go.
func (r *run) release() error {
	return r.tracer.Detach(func(tid int) {
		if t := r.threads[tid]; t != nil {
			if s := t.sink; s.owner == t && s.column > 0 {
				s.print(" <detached ...>")
				s.end()
				// The trace is over; an error of its file was reported.
				_ = s.flush()
			}
		}
		r.say("Process %d detached", tid)
	})
}

// abandon undoes what begin has done of its work.
func (r *run) abandon() error {
	if r.child != nil {
		// A child that is not let go waits for its starter; it is traced
		// with PTRACE_O_EXITKILL.
		_ = unix.Kill(r.child.Pid, unix.SIGKILL)
	}
	return r.release()
}

// interrupted ends the trace as a signal asks for: a program that was started
// gets the signal too.
func (r *run) interrupted(sig unix.Signal) error {
	if r.child != nil {
		for _, s := range []unix.Signal{unix.SIGCONT, sig} {
			if err := unix.Kill(r.child.Pid, s); err != nil && err != unix.ESRCH {
				return errors.Join(fault.Op(err, "signal %d", r.child.Pid), r.release())
			}
		}
	}
	if err := errors.Join(r.release(), r.summarize()); err != nil {
		return err
	}
	return die(sig)
}

// summarize prints the summary, if it is asked for.
func (r *run) summarize() error {
	if !*r.onlySummary && !*r.summary {
		return nil
	}
	if _, err := io.WriteString(r.common.w, r.counts.table(*r.sortBy)); err != nil {
		return fault.Op(err, "write the summary")
	}
	return nil
}

// end passes on how the program ended.
func (r *run) end() error {
	switch {
	case r.failure != nil:
		return r.failure
	case r.child == nil:
		return nil
	case r.status.Signaled():
		return die(r.status.Signal())
	}
	return cli.Status(r.status.ExitStatus())
}

// die ends this process by the signal.
func die(sig unix.Signal) error {
	if err := proc.Die(sig); err != nil {
		return err
	}
	return cli.Status(128 + int(sig))
}
