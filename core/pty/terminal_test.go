package pty

import (
	"bytes"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func setSize(t *testing.T, f *os.File, rows, columns uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(f.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
}

func hasSize(f *os.File, rows, columns uint16) bool {
	w, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil && w.Row == rows && w.Col == columns
}

func TestRawAndRestored(t *testing.T) {
	outer, terminal := openPair(t)
	before := mode(t, terminal)
	master, slave := openPair(t)
	c := background(master, terminal, terminal, Options{})
	send(t, slave, "$")
	expect(t, outer, "$")
	if m := mode(t, terminal); !isRaw(m) {
		t.Errorf("not raw: %+v", m)
	}
	slave.Close()
	if err := wait(t, c); err != nil {
		t.Fatal(err)
	}
	if mode(t, terminal) != before {
		t.Error("not restored")
	}
}

// One line feed of the container is one new line, wherever it goes.
func TestLineEnds(t *testing.T) {
	t.Run("terminal", func(t *testing.T) {
		outer, terminal := openPair(t)
		master, slave := openPair(t)
		c := background(master, terminal, terminal, Options{})
		send(t, slave, "a\nb")
		expect(t, outer, "a\r\nb")
		makeRaw(t, slave) // as vi does: a line feed moves down, and nothing else
		send(t, slave, "c\nd")
		expect(t, outer, "c\nd")
		slave.Close()
		wait(t, c)
	})
	t.Run("terminal without input", func(t *testing.T) {
		outer, terminal := openPair(t)
		before := mode(t, terminal)
		master, slave := openPair(t)
		c := background(master, nil, terminal, Options{})
		awaitPlain(t, slave)
		send(t, slave, "a\nb")
		expect(t, outer, "a\r\nb")
		if mode(t, terminal) != before {
			t.Error("changed a terminal that is not read")
		}
		slave.Close()
		wait(t, c)
	})
	t.Run("log file", func(t *testing.T) {
		_, terminal := openPair(t)
		master, slave := openPair(t)
		var log bytes.Buffer
		c := background(master, terminal, &log, Options{})
		awaitPlain(t, slave)
		send(t, slave, "a\nb\n")
		slave.Close()
		if err := wait(t, c); err != nil || log.String() != "a\nb\n" {
			t.Errorf("%q, %v", log.String(), err)
		}
	})
}

// awaitPlain waits until the relay has cleared the pty's ONLCR.
func awaitPlain(t *testing.T, slave *os.File) {
	t.Helper()
	until(t, "ONLCR is cleared", func() bool { return mode(t, slave).Oflag&unix.ONLCR == 0 })
}

func TestSize(t *testing.T) {
	outer, terminal := openPair(t)
	outR, outW := pipe(t)
	for name, run := range map[string]func(master *os.File) <-chan error{
		"input":  func(m *os.File) <-chan error { return background(m, terminal, outW, Options{}) },
		"output": func(m *os.File) <-chan error { return background(m, nil, terminal, Options{}) },
	} {
		t.Run(name, func(t *testing.T) {
			setSize(t, outer, 30, 100)
			master, slave := openPair(t)
			c := run(master)
			send(t, slave, "$")
			if name == "input" {
				expect(t, outR, "$")
			} else {
				expect(t, outer, "$")
			}
			if !hasSize(slave, 30, 100) {
				t.Error("the pty does not have the terminal's size")
			}
			for i := range uint16(5) {
				setSize(t, outer, 40+i, 120)
				unix.Kill(os.Getpid(), unix.SIGWINCH)
				until(t, "the pty's size follows", func() bool { return hasSize(slave, 40+i, 120) })
			}
			slave.Close()
			if err := wait(t, c); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("unknown", func(t *testing.T) {
		setSize(t, outer, 0, 0)
		master, slave := openPair(t)
		setSize(t, master, 24, 80)
		c := background(master, nil, terminal, Options{})
		send(t, slave, "$")
		expect(t, outer, "$")
		if !hasSize(slave, 24, 80) {
			t.Error("a terminal of unknown size changed the pty's")
		}
		slave.Close()
		wait(t, c)
	})
}

// Keys of job control belong to the container: they pass as bytes.
func TestControlKeys(t *testing.T) {
	for _, key := range []byte{3, 4, 26, 28, 17, 19} { // ^C ^D ^Z ^\ ^Q ^S
		outer, terminal := openPair(t)
		master, slave := openPair(t)
		makeRaw(t, slave)
		cmd, done := helper(t, master, terminal, terminal)
		send(t, slave, "$")
		expect(t, outer, "$")
		send(t, outer, string(rune(key)))
		buf := make([]byte, 8)
		if n, err := slave.Read(buf); err != nil || n != 1 || buf[0] != key {
			t.Errorf("key %d came as %v, %v", key, buf[:n], err)
		}
		master.Close()
		slave.Close()
		exited(t, cmd, done, 0)
	}
}

// A ^C interrupts the container's foreground process and not the relay: the
// program inside is a cat with the pty as its controlling terminal.
func TestInterruptReachesContainer(t *testing.T) {
	outer, terminal := openPair(t)
	master, slave := openPair(t)
	relay, relayed := helper(t, master, terminal, terminal)
	inside := exec.Command("cat")
	inside.Stdin, inside.Stdout = slave, slave
	inside.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := inside.Start(); err != nil {
		t.Fatal(err)
	}
	master.Close()
	slave.Close()
	send(t, outer, "hello\r") // Enter, as a keyboard sends it
	expect(t, outer, "hello\r\nhello\r\n")
	send(t, outer, "\x03")
	err := inside.Wait()
	if s, _ := inside.ProcessState.Sys().(syscall.WaitStatus); s.Signal() != unix.SIGINT {
		t.Errorf("the program inside: %v, want an interrupt", err)
	}
	exited(t, relay, relayed, 0)
}

func setMode(t *testing.T, f *os.File, m unix.Termios) {
	t.Helper()
	if err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, &m); err != nil {
		t.Fatal(err)
	}
}

func TestRestoredOnSignals(t *testing.T) {
	for _, s := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		t.Run(unix.SignalName(s), func(t *testing.T) {
			outer, terminal := openPair(t)
			before := mode(t, terminal)
			master, slave := openPair(t)
			cmd, done := helper(t, master, terminal, terminal)
			send(t, slave, "$")
			expect(t, outer, "$")
			if !isRaw(mode(t, terminal)) {
				t.Error("not raw")
			}
			unix.Kill(cmd.Process.Pid, s)
			exited(t, cmd, done, 128+int(s))
			if mode(t, terminal) != before {
				t.Error("not restored")
			}
		})
	}
}

func TestHangup(t *testing.T) {
	outer, terminal := openPair(t)
	master, slave := openPair(t)
	cmd, done := helper(t, master, terminal, terminal)
	send(t, slave, "$")
	expect(t, outer, "$")
	outer.Close()
	exited(t, cmd, done, 128+int(unix.SIGHUP))
}

// A standard output that nobody reads is an error, not a death by SIGPIPE that
// leaves the terminal raw.
func TestRestoredOnBrokenPipe(t *testing.T) {
	_, terminal := openPair(t)
	before := mode(t, terminal)
	master, slave := openPair(t)
	outR, outW := pipe(t)
	cmd, done := helper(t, master, terminal, outW)
	outW.Close()
	send(t, slave, "$")
	expect(t, outR, "$")
	outR.Close()
	send(t, slave, "more")
	exited(t, cmd, done, 1)
	if mode(t, terminal) != before {
		t.Error("not restored")
	}
}

// The kernel tells the terminal's foreground group that the size changed.
func TestResizeOfControllingTerminal(t *testing.T) {
	outer, terminal := openPair(t)
	master, slave := openPair(t)
	cmd, done := helper(t, master, terminal, terminal)
	send(t, slave, "$")
	expect(t, outer, "$")
	setSize(t, outer, 50, 132)
	until(t, "the pty's size follows", func() bool { return hasSize(slave, 50, 132) })
	master.Close()
	slave.Close()
	exited(t, cmd, done, 0)
}

// After a stop the shell has left its own mode behind.
func TestRawAgainAfterStop(t *testing.T) {
	outer, terminal := openPair(t)
	before := mode(t, terminal)
	master, slave := openPair(t)
	cmd, done := helper(t, master, terminal, terminal)
	send(t, slave, "$")
	expect(t, outer, "$")
	half := mode(t, terminal)
	half.Oflag |= unix.OPOST
	for _, left := range []unix.Termios{before, half} {
		setMode(t, terminal, left)
		unix.Kill(cmd.Process.Pid, unix.SIGCONT)
		until(t, "raw again", func() bool { return isRaw(mode(t, terminal)) })
	}
	master.Close()
	slave.Close()
	exited(t, cmd, done, 0)
	if mode(t, terminal) != before {
		t.Error("not restored")
	}
}
