package bundletest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// try makes harmless system calls that no program needs, and prints a line for
// each.
func try(names []string) int {
	for _, name := range names {
		var nr uintptr
		switch name {
		case "getpgid":
			nr = unix.SYS_GETPGID
		case "getsid":
			nr = unix.SYS_GETSID
		case "sync":
			nr = unix.SYS_SYNC
		default:
			return result(0, fmt.Errorf("%s: no such call", name))
		}
		value, _, errno := unix.RawSyscall(nr, 0, 0, 0)
		if errno != 0 {
			fmt.Printf("%s: %s\n", name, unix.ErrnoName(errno))
		} else if name == "sync" || value > 1000 { // else it is a pid
			fmt.Printf("%s = %d\n", name, value)
		} else {
			fmt.Printf("%s\n", name)
		}
	}
	return 0
}

// An Agent listens for the listeners of seccomp filters, and answers the calls
// that are asked for: getsid with 4711, and others by letting them go on.
type Agent struct {
	Socket string
	// States has what it was told with each listener.
	States chan specs.ContainerProcessState
	t      *testing.T
}

// NewAgent listens where the bundle's user can connect to, until the test ends.
func (b *Bundle) NewAgent() *Agent {
	b.t.Helper()
	a := &Agent{b.Beside("agent"), make(chan specs.ContainerProcessState, 16), b.t}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: a.Socket, Net: "unix"})
	must(b.t, err)
	must(b.t, os.Chmod(a.Socket, 0o777))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.AcceptUnix()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				err = a.serve(conn)
			}
			if err != nil {
				b.t.Errorf("agent: %v", err)
			}
		}
	}()
	b.t.Cleanup(func() {
		l.Close()
		<-done
	})
	return a
}

// State is what came with the next listener.
func (a *Agent) State() specs.ContainerProcessState {
	a.t.Helper()
	select {
	case s := <-a.States:
		return s
	case <-time.After(Patience):
		a.t.Fatal("the agent was told nothing")
	}
	return specs.ContainerProcessState{}
}

// serve reads one connection to its end, as the specification has it, and
// answers until the listener's last process has ended.
func (a *Agent) serve(conn *net.UnixConn) error {
	defer conn.Close()
	text, oob := make([]byte, 1<<16), make([]byte, unix.CmsgSpace(4))
	n, noob, _, _, err := conn.ReadMsgUnix(text, oob)
	if errors.Is(err, io.EOF) {
		return nil // its sender has failed, and says so itself
	}
	if err != nil {
		return err
	}
	rest, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	var state specs.ContainerProcessState
	if err := json.Unmarshal(append(text[:n], rest...), &state); err != nil {
		return err
	}
	list, err := unix.ParseSocketControlMessage(oob[:noob])
	if err != nil || len(list) != 1 {
		return fmt.Errorf("%d control messages, %w", len(list), err)
	}
	fds, err := unix.ParseUnixRights(&list[0])
	if err != nil || len(fds) != 1 {
		return fmt.Errorf("%d descriptors, %w", len(fds), err)
	}
	a.States <- state
	go func() {
		defer unix.Close(fds[0])
		for answer(fds[0]) == nil {
		}
	}()
	return nil
}

// answer waits for a call and answers it. The error says that nobody makes any
// more.
func answer(listener int) error {
	// Of seccomp_unotify(2).
	var ask struct {
		id         uint64
		pid, flags uint32
		nr         int32
		arch       uint32
		ip         uint64
		args       [6]uint64
	}
	reply := struct {
		id    uint64
		val   int64
		errno int32
		flags uint32
	}{}
	fds := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
	for fds[0].Revents&unix.POLLIN == 0 {
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return err
		}
		if fds[0].Revents&unix.POLLHUP != 0 {
			return io.EOF
		}
	}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&ask))); e == unix.ENOENT || e == unix.EINTR {
		return nil // it was killed meanwhile
	} else if e != 0 {
		return e
	}
	reply.id = ask.id
	if ask.nr == unix.SYS_GETSID {
		reply.val = 4711
	} else {
		reply.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	}
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&reply)))
	runtime.KeepAlive(&reply)
	if e != 0 && e != unix.ENOENT {
		return e
	}
	return nil
}
