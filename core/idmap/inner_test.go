package idmap

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
)

// nested is a child in a user namespace in another one that has the maps of p.
func nested(t *testing.T, p Plan, inner func(*clone.Program)) *clone.Process {
	t.Helper()
	prog := clone.New()
	prog.Flags = unix.CLONE_NEWUSER
	prog.Rendezvous(true)
	prog.Call(clone.SysSetresgid, clone.Num(0), clone.Num(0), clone.Num(0))
	prog.Call(clone.SysSetresuid, clone.Num(0), clone.Num(0), clone.Num(0))
	prog.Call(unix.SYS_PRCTL, clone.Num(unix.PR_SET_DUMPABLE), clone.Num(1))
	prog.Fork(unix.CLONE_NEWUSER | unix.CLONE_PARENT)
	prog.Rendezvous(false)
	inner(prog)
	prog.Rendezvous(false)
	linked, err := prog.Link()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { linked.Close() })
	proc, err := linked.Start()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
		t.Skip("no user namespace to be had here: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		proc.Release()
		if err := proc.Kill(); err != nil {
			t.Error(err)
		}
	})
	for _, err := range []error{p.Write(proc.Pid), proc.Go(), proc.Next()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return proc
}

// The ids are in the inner namespace what they are around it, and so to the
// caller, who is in neither.
func TestWriteInner(t *testing.T) {
	uid, gid := ids(0, uint32(os.Geteuid()), 1), ids(0, uint32(os.Getegid()), 1)
	last := 0
	if os.Geteuid() == 0 {
		uid, gid, last = ids(0, 100000, 10, 20, 300000, 5), ids(0, 200000, 10, 20, 400000, 5), 24
	}
	p, err := For(uid, gid, Current())
	if err != nil {
		t.Fatal(err)
	}
	proc := nested(t, p, func(prog *clone.Program) {
		prog.Call(clone.SysSetresgid, clone.Num(last), clone.Num(last), clone.Num(last))
		prog.Call(clone.SysSetresuid, clone.Num(last), clone.Num(last), clone.Num(last))
	})
	inner := p.Inner()
	if err := inner.WriteInner(proc.Pid); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"uid_map": mapText(uid), "gid_map": mapText(gid)} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", proc.Pid, file))
		if got := strings.Join(strings.Fields(string(data)), " "); err != nil || got != strings.Join(strings.Fields(want), " ") {
			t.Errorf("%s: %q, %v, want %q", file, got, err, want)
		}
	}
	for _, err := range []error{proc.Go(), proc.Next()} {
		if err != nil {
			t.Error(err)
		}
	}
	// Once is enough for the kernel.
	err = inner.WriteInner(proc.Pid)
	var e *fault.Error
	if !errors.As(err, &e) || !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) || e.Field != "linux.uidMappings" {
		t.Errorf("a second time: %v", err)
	}
}
