package boot

import (
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/early"
	"ocibox/core/fault"
)

// console is the device that the kernel writes to, which cannot be anybody's
// controlling terminal: that is what it stands for.
const console = "/dev/console"

// Console opens the console's terminal.
func Console() (*os.File, error) {
	path := console
	if names, err := os.ReadFile("/sys/class/tty/console/active"); err == nil {
		if words := strings.Fields(string(names)); len(words) > 0 {
			path = "/dev/" + words[len(words)-1]
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil && path != console {
		f, err = os.OpenFile(console, os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		return nil, fault.Op(err, "open the console")
	}
	return f, nil
}

// PowerOff is the end of a machine that nothing else was asked of.
const PowerOff = unix.LINUX_REBOOT_CMD_POWER_OFF

// End is how the program ended, or what a signal asks of the machine.
type End struct {
	Status int    // as a shell has it
	How    uint32 // LINUX_REBOOT_CMD_*
}

// asks are the signals by which busybox's poweroff, halt and reboot ask the
// first process for it, and the one that the kernel sends for Ctrl-Alt-Del.
var asks = [...]struct {
	sig syscall.Signal
	how uint32
}{
	{unix.SIGUSR2, PowerOff}, {unix.SIGUSR1, unix.LINUX_REBOOT_CMD_HALT},
	{unix.SIGTERM, unix.LINUX_REBOOT_CMD_RESTART}, {unix.SIGINT, unix.LINUX_REBOOT_CMD_RESTART},
}

// Run runs argv and reaps every child until it ends, or until a signal asks for
// the machine's end. On a machine it gets a session of its own on tty; in a
// container, where tty is nil, the caller's streams, and the signals themselves.
func Run(argv []string, tty *os.File) (End, error) {
	end := End{How: PowerOff}
	path, err := find(argv[0])
	if err != nil {
		return end, err
	}
	signals := make(chan os.Signal, 1)
	attr := &os.ProcAttr{Env: early.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Sys: &syscall.SysProcAttr{}}
	if tty != nil {
		attr.Files, attr.Sys.Setsid, attr.Sys.Setctty = []*os.File{tty, tty, tty}, true, true
	}
	// Of these Go would end, and with the first process its kernel.
	signal.Notify(signals, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2)
	after := early.Plainly()
	p, err := os.StartProcess(path, argv, attr)
	after()
	early.Stay()
	if err != nil {
		return end, fault.Op(reason(err), "%s", path)
	}
	status := make(chan int, 1)
	go func() { status <- reap(p.Pid) }()
	for {
		select {
		case end.Status = <-status:
			return end, nil
		case sig := <-signals:
			if tty == nil {
				p.Signal(sig) // if it is there still
				continue
			}
			for _, a := range asks {
				if a.sig == sig {
					end.How = a.how
					return end, nil
				}
			}
		}
	}
}

// reason is the errno behind err.
func reason(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// find looks for a program as a shell does.
func find(name string) (string, error) {
	missing := error(unix.ENOENT)
	for _, path := range clone.SearchPath(name, early.Environ()) {
		err := unix.Access(path, unix.X_OK)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, unix.ENOENT) {
			missing = err
		}
	}
	return "", &fault.Error{Text: name, Err: missing}
}

// reap waits for children until pid is among those that ended.
func reap(pid int) int {
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err != nil && !errors.Is(err, unix.EINTR):
			return 0
		case got != pid:
		case status.Exited():
			return status.ExitStatus()
		default:
			return 128 + int(status.Signal())
		}
	}
}

// patience is what processes get between SIGTERM and SIGKILL.
const patience = time.Second

// KillAll ends every process but the caller, which is the first in its pid
// namespace.
func KillAll() {
	done := make(chan struct{})
	unix.Kill(-1, unix.SIGTERM)
	go func() {
		reap(-1) // until there is none
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		unix.Kill(-1, unix.SIGKILL)
		<-done
	}
}

// Finish writes what is not yet on disk, and ends the machine.
func Finish(how uint32) error {
	unix.Sync()
	// A root on a disk is clean then; one in memory cannot be, and need not.
	unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
	if err := unix.Reboot(int(how)); err != nil {
		return fault.Op(err, "end the machine")
	}
	return nil
}
