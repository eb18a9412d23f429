package pty

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// shell is a shell with job control that starts a relay in the background, and
// then brings it to the front (fg), kills it while it is stopped (kill), or
// only continues it, sees it stopped again, and kills it (bg). It exits with
// the status of its job, or 99 where that did not do as it should.
func shell(role string) {
	signal.Ignore(unix.SIGTTOU) // as shells do, to give the terminal away
	job := exec.Command("/proc/self/exe")
	job.Env = append(os.Environ(), "PTY_HELPER=relay")
	job.Stdin, job.Stdout, job.Stderr = os.Stdin, os.Stdout, os.Stderr
	job.ExtraFiles = []*os.File{os.NewFile(3, "master")}
	job.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	signal.Reset(unix.SIGTTOU) // the job must not start with it ignored
	if err := job.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	signal.Ignore(unix.SIGTTOU)
	job.ExtraFiles[0].Close()
	pid := job.Process.Pid
	wantStop(pid)
	switch role {
	case "fg":
		give(pid)
		unix.Kill(-pid, unix.SIGCONT)
	case "bg":
		unix.Kill(-pid, unix.SIGCONT)
		wantStop(pid)
		fallthrough
	case "kill":
		unix.Kill(-pid, unix.SIGTERM)
		unix.Kill(-pid, unix.SIGCONT)
	}
	status := change(pid)
	if !status.Exited() {
		fmt.Fprintf(os.Stderr, "job: %#x, want an exit\n", status)
		unix.Kill(-pid, unix.SIGKILL)
		os.Exit(99)
	}
	give(unix.Getpgrp())
	os.Exit(status.ExitStatus())
}

func give(group int) {
	if err := unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, group); err != nil {
		fmt.Fprintln(os.Stderr, "give the terminal:", err)
		os.Exit(99)
	}
}

func change(pid int) (s unix.WaitStatus) {
	for {
		if _, err := unix.Wait4(pid, &s, unix.WUNTRACED, nil); err != unix.EINTR {
			return s
		}
	}
}

func wantStop(pid int) {
	if s := change(pid); !s.Stopped() || s.StopSignal() != unix.SIGTTOU {
		fmt.Fprintf(os.Stderr, "job: %#x, want a stop by SIGTTOU\n", s)
		os.Exit(99)
	}
}

// A relay that starts in the background stops, and takes the terminal, with the
// mode to restore, when it is brought to the front.
func TestForeground(t *testing.T) {
	outer, terminal := openPair(t)
	before := mode(t, terminal)
	master, slave := openPair(t)
	cmd, done := process(t, "fg", master, terminal, terminal)
	until(t, "the relay took the terminal", func() bool { return isRaw(mode(t, terminal)) })
	send(t, outer, "\x03x\r") // the first key would interrupt a process outside
	send(t, slave, "$")
	expect(t, outer, "$")
	master.Close()
	slave.Close()
	exited(t, cmd, done, 0)
	if mode(t, terminal) != before {
		t.Error("not restored")
	}
}

// A stopped relay can be killed, and leaves the terminal's mode to the shell.
func TestKilledInBackground(t *testing.T) {
	for _, role := range []string{"kill", "bg"} {
		_, terminal := openPair(t)
		shells := mode(t, terminal)
		shells.Lflag &^= unix.ECHO | unix.ICANON // as a shell that edits lines has it
		makeCooked(t, terminal, shells)
		master, _ := openPair(t)
		cmd, done := process(t, role, master, terminal, terminal)
		exited(t, cmd, done, 128+int(unix.SIGTERM))
		if mode(t, terminal) != shells {
			t.Errorf("%s: mode was changed", role)
		}
	}
}
