package container

import (
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/plan"
	"ocibox/core/pty"
)

// pidfdReceiver is crun's annotation of the same as Options.PidfdSocket.
const pidfdReceiver = "run.oci.pidfd_receiver"

// Annotations are those that change what is done with a container.
func Annotations() []string { return append(plan.Annotations(), pidfdReceiver) }

// sendPidfds sends a pidfd of the container's init to whom the options and the
// annotations name.
func (a *attempt) sendPidfds() error {
	path, annotated := a.spec.Annotations[pidfdReceiver]
	if a.PidfdSocket == "" && !annotated {
		return nil
	}
	pidfd, err := unix.PidfdOpen(a.proc.Pid, 0)
	if err != nil {
		return fault.Op(err, "open process %d", a.proc.Pid)
	}
	defer unix.Close(pidfd)
	if a.PidfdSocket != "" {
		if err := sendPidfd(a.PidfdSocket, pidfd, "standard"); err != nil {
			return err
		}
	}
	if annotated {
		return fault.In("annotations."+pidfdReceiver, sendPidfd(path, pidfd, "standard"))
	}
	return nil
}

// sendPidfd sends a pidfd to the stream socket at path, with kind as the text:
// "standard" for that of an init, "setns" for that of a process that joins a
// container, as runc has it (--pidfd-socket).
func sendPidfd(path string, pidfd int, kind string) error {
	sock, err := pty.Connect("pidfd socket", path, "")
	if err != nil {
		return err
	}
	defer sock.Close()
	// Who closes early is told by an error, not by a SIGPIPE.
	if err := unix.Sendmsg(int(sock.Fd()), []byte(kind), unix.UnixRights(pidfd), nil, unix.MSG_NOSIGNAL); err != nil {
		return fault.Op(err, "send a pidfd to %s", path)
	}
	return nil
}
