package container

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/early"
	"ocibox/core/fault"
	"ocibox/core/notify"
)

// Manager is what the service manager that started the caller has for the
// container, as systemd gives it and runc takes it.
type Manager struct {
	Notify      string // NOTIFY_SOCKET, where the container's messages go to, or ""
	ListenFDs   int    // LISTEN_FDS, sockets from descriptor 3 up, before those of PreserveFDs
	ListenNames string // LISTEN_FDNAMES, or ""
}

// notifyFolder is the container's folder that is mounted at notify.Dir.
const notifyFolder = "notify"

// tell adds to the config.json what the manager has for the container. folder
// is where the container's socket will be.
func (m Manager) tell(s *specs.Spec, folder string) {
	if s.Process == nil {
		return
	}
	if m.Notify != "" {
		s.Mounts = append(s.Mounts, specs.Mount{
			Destination: notify.Dir, Type: "bind", Source: folder, Options: []string{"bind", "ro", "nosuid", "noexec", "nodev"},
		})
		setEnv(s.Process, "NOTIFY_SOCKET", notify.Socket)
	}
	if m.ListenFDs > 0 {
		setEnv(s.Process, "LISTEN_FDS", fmt.Sprint(m.ListenFDs))
		setEnv(s.Process, "LISTEN_PID", "1")
		if m.ListenNames != "" {
			setEnv(s.Process, "LISTEN_FDNAMES", m.ListenNames)
		}
	}
}

// setEnv sets a variable. getenv(3) gives the first of two.
func setEnv(p *specs.Process, name, value string) {
	p.Env = slices.DeleteFunc(p.Env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
	p.Env = append(p.Env, name+"="+value)
}

// check looks at what can be seen of it before anything is made.
func (m Manager) check() error {
	if m.Notify != "" {
		if err := notify.Check(m.Notify); err != nil {
			return err
		}
	}
	return checkInherited("LISTEN_FDS", 3, m.ListenFDs)
}

// prepareNotify makes the folder for the container's socket and, if the process
// starts at once, the socket.
func (a *attempt) prepareNotify() error {
	if a.Manager.Notify == "" {
		return nil
	}
	dir := filepath.Join(a.c.dir, notifyFolder)
	err := os.Mkdir(dir, 0o755)
	if err == nil {
		err = os.Chmod(dir, 0o755) // whatever the umask is
	}
	if err != nil {
		return fault.Op(err, "make the folder of the container's notify socket")
	}
	if a.plan.Listen != 0 {
		return nil
	}
	if a.notify, err = notify.Listen(dir, a.Manager.Notify); err == nil {
		a.close = append(a.close, func() { a.notify.Close() })
	}
	return err
}

// listenNotify makes the socket of a container that was created with a folder
// for it; without one, or without a host, there is none.
func (c *Container) listenNotify(host string) (*notify.Relay, error) {
	dir := filepath.Join(c.dir, notifyFolder)
	if _, err := os.Stat(dir); host == "" || os.IsNotExist(err) {
		return nil, nil
	}
	// A start that was killed has left its own.
	if err := os.Remove(filepath.Join(dir, notify.Name)); err != nil && !os.IsNotExist(err) {
		return nil, fault.Op(err, "remove an earlier notify socket")
	}
	return notify.Listen(dir, host)
}

// relayNotify relays while the process runs, in the background. The channel
// gets how that ended.
func (a *attempt) relayNotify(untilReady bool) <-chan error {
	relayed := make(chan error, 1)
	if a.notify == nil {
		relayed <- nil
		return relayed
	}
	pidfd, err := unix.PidfdOpen(a.proc.Pid, 0)
	if err != nil {
		relayed <- fault.Op(err, "open process %d", a.proc.Pid)
		return relayed
	}
	go func() {
		defer unix.Close(pidfd)
		relayed <- a.notify.Forward(a.proc.Pid, pidfd, untilReady)
	}()
	return relayed
}

// untilReady waits until the process, in the background, has said that it is
// ready, or has ended, or the attempt is interrupted.
func (a *attempt) untilReady() error {
	a.c.Unlock()
	early.Unpin()
	interrupted := make(chan struct{})
	stop, err := a.onInterrupt(func() { close(interrupted) })
	if err != nil {
		return err
	}
	defer stop()
	select {
	case err := <-a.relayNotify(true):
		return err
	case <-interrupted:
		return a.interrupted()
	}
}
