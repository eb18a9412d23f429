package clone

import (
	"errors"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refuse is a filter that lets all through but nr, which gets action. Numbers of
// other architectures do not come here.
func refuse(nr uintptr, action uint32) []unix.SockFilter {
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // nr of struct seccomp_data
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(nr), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: action},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
}

func load(p *Program, code []unix.SockFilter) *Insn {
	p.Call(unix.SYS_PRCTL, Num(unix.PR_SET_NO_NEW_PRIVS), Num(1), Num(0), Num(0), Num(0))
	p.Begin("filter", "")
	return p.Call(unix.SYS_SECCOMP, Num(unix.SECCOMP_SET_MODE_FILTER), Num(0), p.Filter(code))
}

// What Filter lays out is the kernel's struct sock_fprog.
func TestFilterLayout(t *testing.T) {
	code := refuse(unix.SYS_GETPID, 0)
	p := New()
	at := p.Filter(code)
	l := link(t, p)
	prog := (*unix.SockFprog)(unsafe.Add(l.base, l.data+at.v))
	if int(prog.Len) != len(code) || unsafe.Sizeof(*prog) != 2*wordSize {
		t.Fatalf("%d of %d instructions, %d bytes", prog.Len, len(code), unsafe.Sizeof(*prog))
	}
	for i, insn := range unsafe.Slice(prog.Filter, len(code)) {
		if insn != code[i] {
			t.Errorf("instruction %d: %+v, want %+v", i, insn, code[i])
		}
	}
}

// What fails by the filter is told, also where the filter takes the words away.
func TestFiltered(t *testing.T) {
	const errno = unix.SECCOMP_RET_ERRNO | uint32(unix.EXDEV)
	for _, c := range []struct {
		name   string
		nr     uintptr
		action uint32
		want   string
	}{
		{"errno", unix.SYS_UMASK, errno, "umask(): invalid cross-device link"},
		{"death", unix.SYS_UMASK, unix.SECCOMP_RET_KILL_PROCESS, "umask(): signal SIGSYS"},
		{"no report", unix.SYS_SENDMSG, errno, "sendmsg(): invalid cross-device link"},
		{"no wait", unix.SYS_READ, errno, "read(): invalid cross-device link"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := New()
			load(p, refuse(c.nr, c.action))
			p.Begin("after", "")
			p.Call(unix.SYS_UMASK, Num(0))
			p.Rendezvous(false)
			pr := start(t, p)
			err := pr.Next()
			if err == nil {
				err = pr.Next()
			}
			f := failure(t, err)
			if f.Error() != c.want || !f.Filtered || f.Step.Field != "after" {
				t.Errorf("%v, %+v; want %s", f, f, c.want)
			}
		})
	}
	// The load itself comes before.
	p := New()
	load(p, nil)
	_, err := reach(t, p)
	if f := failure(t, err); f.Errno != unix.EINVAL || f.Filtered || f.Step.Field != "filter" {
		t.Errorf("%+v", f)
	}
}

// A text that is written while the child waits goes with a descriptor.
func TestBlank(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, pair[0], pair[1])
	p := New()
	sock := p.Inherit("sock")
	b := p.Blank(5, "text")
	p.Rendezvous(false)
	p.SendBlank(sock, sock, b)
	p.Rendezvous(false)
	pr := start(t, p, FD{sock, pair[1]})
	if err := pr.Next(); err != nil {
		t.Fatal(err)
	}
	if err := pr.linked.Fill(b, []byte("longer")); err == nil {
		t.Error("6 bytes went into 5")
	}
	if err := pr.linked.Fill(b, []byte("text")); err != nil {
		t.Fatal(err)
	}
	if err := pr.Go(); err != nil {
		t.Fatal(err)
	}
	if err := pr.Next(); err != nil {
		t.Fatal(err)
	}
	text, oob := make([]byte, 100), make([]byte, unix.CmsgSpace(4))
	n, noob, _, _, err := unix.Recvmsg(pair[0], text, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil || string(text[:n]) != "text" || noob != unix.CmsgSpace(4) {
		t.Fatalf("%q, %d bytes besides, %v", text[:max(n, 0)], noob, err)
	}
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.ParseUnixRights(&list[0])
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, fds...)
}

// A filter that forbids every word does not keep a started program from being
// executed: its starter is told before.
func TestExecutes(t *testing.T) {
	path := self(t)
	p := New()
	listen := p.Inherit("listen")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, fd)
	addr := &unix.SockaddrUnix{Name: t.TempDir() + "/start"}
	if err := errors.Join(unix.Bind(fd, addr), unix.Listen(fd, 1)); err != nil {
		t.Fatal(err)
	}
	p.Accept(listen, p.Reg("starter"))
	p.Executes()
	load(p, refuse(unix.SYS_SENDMSG, unix.SECCOMP_RET_KILL_PROCESS))
	p.Call(unix.SYS_CLOSE_RANGE, Num(3), Num(-1), Num(unix.CLOSE_RANGE_CLOEXEC))
	p.Exec([]string{path}, []string{path}, helperEnviron("stay"))
	pr := start(t, p, FD{listen, fd})
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, sock)
	if err := errors.Join(unix.Connect(sock, addr), Go(sock)); err != nil {
		t.Fatal(err)
	}
	if err := Outcome(sock); err != nil {
		t.Error(err)
	}
	if status, err := pr.Wait(); err != nil || !status.Exited() {
		t.Errorf("%v, %v", status, err)
	}
}
