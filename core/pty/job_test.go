package pty

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shell is a shell with job control that starts a relay in the background, and
// then brings it to the front (fg), and there stops and kills it (stop), or
// kills it while it is stopped in the background (kill), or after it was only
// continued and has stopped again (bg). It exits with the status of its job, or
// 99 where that did not do as it should.
func shell(role string) {
	job := exec.Command("/proc/self/exe")
	job.Env = append(os.Environ(), "PTY_HELPER=relay")
	job.Stdin, job.Stdout, job.Stderr = os.Stdin, os.Stdout, os.Stderr
	job.ExtraFiles = []*os.File{os.NewFile(3, "master")}
	job.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := job.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	// As shells do, to give the terminal away; the job has not inherited it.
	signal.Ignore(unix.SIGTTOU)
	job.ExtraFiles[0].Close()
	pid := job.Process.Pid
	wantStop(pid, unix.SIGTTOU)
	own, _ := unix.IoctlGetTermios(0, unix.TCGETS)
	switch role {
	case "fg", "stop":
		give(pid)
		unix.Kill(-pid, unix.SIGCONT)
	case "bg":
		unix.Kill(-pid, unix.SIGCONT)
		wantStop(pid, unix.SIGTTOU)
	}
	if role == "stop" {
		for m, err := own, error(nil); err == nil && !isRaw(*m); time.Sleep(time.Millisecond) {
			m, err = unix.IoctlGetTermios(0, unix.TCGETS)
		}
		unix.Kill(-pid, unix.SIGSTOP)
		wantStop(pid, unix.SIGSTOP)
		give(unix.Getpgrp())
		unix.IoctlSetTermios(0, unix.TCSETS, own)
	}
	if role != "fg" {
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

func wantStop(pid int, by unix.Signal) {
	if s := change(pid); !s.Stopped() || s.StopSignal() != by {
		fmt.Fprintf(os.Stderr, "job: %#x, want a stop by %v\n", s, by)
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
	send(t, slave, "$")
	expect(t, outer, "$")
	send(t, outer, "\x03") // would interrupt a process outside
	expect(t, outer, "^C")
	master.Close()
	slave.Close()
	exited(t, cmd, done, 0)
	if mode(t, terminal) != before {
		t.Error("not restored")
	}
}

// A stopped relay can be killed, and leaves the terminal's mode to the shell.
func TestKilledInBackground(t *testing.T) {
	for _, role := range []string{"kill", "bg", "stop"} {
		_, terminal := openPair(t)
		shells := mode(t, terminal)
		shells.Lflag &^= unix.ECHO | unix.ICANON // as a shell that edits lines has it
		setMode(t, terminal, shells)
		master, _ := openPair(t)
		cmd, done := process(t, role, master, terminal, terminal)
		exited(t, cmd, done, 128+int(unix.SIGTERM))
		if mode(t, terminal) != shells {
			t.Errorf("%s: mode was changed", role)
		}
	}
}
