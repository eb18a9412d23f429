package pty

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// background runs a Relay and gives what it returns.
func background(master, in *os.File, out io.Writer, o Options) <-chan error {
	c := make(chan error, 1)
	go func() { c <- Relay(master, in, out, o) }()
	return c
}

func isFull(f *os.File) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLOUT}}, 0)
	return err == nil && n == 0
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func TestRelayBothWays(t *testing.T) {
	master, slave := openPair(t)
	makeRaw(t, slave)
	inR, inW := pipe(t)
	outR, outW := pipe(t)
	c := background(master, inR, outW, Options{})
	send(t, slave, "out\n")
	expect(t, outR, "out\n")
	send(t, inW, "in\n")
	buf := make([]byte, 16)
	if n, err := slave.Read(buf); err != nil || string(buf[:n]) != "in\n" {
		t.Fatalf("%q, %v", buf[:n], err)
	}
	slave.Close()
	if err := wait(t, c); err != nil {
		t.Fatal(err)
	}
}

// All that was written before the other side was closed arrives.
func TestRelayDrains(t *testing.T) {
	for _, blocking := range []bool{false, true} {
		master, slave := openPair(t)
		makeRaw(t, slave)
		unix.SetNonblock(int(master.Fd()), !blocking)
		text := bytes.Repeat([]byte("0123456789abcde\n"), 1<<16)
		text = append(text, "last"...)
		go func() {
			if n, err := slave.Write(text); err != nil {
				t.Errorf("wrote %d bytes: %v", n, err)
			}
			slave.Close()
		}()
		var out bytes.Buffer
		if err := wait(t, background(master, nil, &out, Options{})); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), text) {
			t.Fatalf("%d bytes came, %d were written", out.Len(), len(text))
		}
		flags, _ := unix.FcntlInt(master.Fd(), unix.F_GETFL, 0)
		if got := flags&unix.O_NONBLOCK == 0; got != blocking {
			t.Errorf("blocking %t after the relay, %t before", got, blocking)
		}
	}
}

// A megabyte of input waits for a slow reader, and output passes meanwhile.
func TestRelayLongInput(t *testing.T) {
	master, slave := openPair(t)
	makeRaw(t, slave)
	file := filepath.Join(t.TempDir(), "in")
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	outR, outW := pipe(t)
	c := background(master, in, outW, Options{})
	send(t, slave, "meanwhile")
	expect(t, outR, "meanwhile")
	got := make([]byte, len(text))
	if _, err := io.ReadFull(slave, got); err != nil || !bytes.Equal(got, text) {
		t.Fatal("input differs", err)
	}
	slave.Close()
	if err := wait(t, c); err != nil {
		t.Fatal(err)
	}
}

// A session whose program reads nothing ends although input waits for room.
func TestRelayUnreadInput(t *testing.T) {
	master, slave := openPair(t)
	makeRaw(t, slave)
	zero, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer zero.Close()
	outR, outW := pipe(t)
	done := make(chan struct{})
	c := background(master, zero, outW, Options{Done: done})
	send(t, slave, "x")
	expect(t, outR, "x")
	until(t, "the line discipline's buffer is full", func() bool {
		n, err := unix.IoctlGetUint32(int(slave.Fd()), unix.TIOCINQ)
		return err == nil && n >= 4095
	})
	close(done)
	if err := wait(t, c); err != nil {
		t.Fatal(err)
	}
}

func TestRelayEndOfInput(t *testing.T) {
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	ended, w := pipe(t)
	w.Close()
	closed, _ := pipe(t)
	closed.Close()
	for name, in := range map[string]*os.File{"null": null, "pipe": ended, "closed": closed, "none": nil} {
		t.Run(name, func(t *testing.T) {
			master, slave := openPair(t)
			makeRaw(t, slave)
			outR, outW := pipe(t)
			c := background(master, in, outW, Options{})
			for range 3 {
				send(t, slave, "still here\n")
				expect(t, outR, "still here\n")
			}
			slave.Close()
			if err := wait(t, c); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Done ends a relay whose pty stays open, with all that was written before.
func TestRelayDone(t *testing.T) {
	for range 50 {
		master, slave := openPair(t)
		makeRaw(t, slave)
		done := make(chan struct{})
		var out bytes.Buffer
		text := strings.Repeat("x", 3000)
		c := background(master, nil, &out, Options{Done: done})
		send(t, slave, text)
		close(done)
		if err := wait(t, c); err != nil {
			t.Fatal(err)
		}
		if out.String() != text {
			t.Fatalf("%d of %d bytes came", out.Len(), len(text))
		}
		master.Close()
		slave.Close()
	}
}

// Processes that were left behind and write for ever do not hold Done up.
func TestRelayDoneWithWriters(t *testing.T) {
	master, slave := openPair(t)
	makeRaw(t, slave)
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			block := make([]byte, 4096)
			for {
				if _, err := slave.Write(block); err != nil {
					return
				}
			}
		})
	}
	done := make(chan struct{})
	close(done)
	if err := wait(t, background(master, nil, slowly{}, Options{Done: done})); err != nil {
		t.Fatal(err)
	}
	master.Close()
	writers.Wait()
}

// slowly is a reader that writers outpace.
type slowly struct{}

func (slowly) Write(b []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return len(b), nil
}

func TestRelaySignal(t *testing.T) {
	master, _ := openPair(t)
	signals := make(chan os.Signal, 1)
	c := background(master, nil, io.Discard, Options{Signals: signals})
	signals <- unix.SIGTERM
	if err := wait(t, c); err != (Interrupted{unix.SIGTERM}) {
		t.Fatal(err)
	}
}

// An out that takes nothing more does not keep a signal from ending the relay.
func TestRelaySignalWhileBlocked(t *testing.T) {
	outer, terminal := openPair(t)
	before := mode(t, terminal)
	master, slave := openPair(t)
	outR, outW := pipe(t)
	unix.SetNonblock(int(outW.Fd()), false)
	signals := make(chan os.Signal, 1)
	c := background(master, terminal, outW, Options{Signals: signals})
	go slave.Write(make([]byte, 1<<20))
	until(t, "the pipe is full", func() bool { return isFull(outW) })
	signals <- unix.SIGTERM
	if err := wait(t, c); err != (Interrupted{unix.SIGTERM}) {
		t.Fatal(err)
	}
	if mode(t, terminal) != before {
		t.Error("terminal not restored")
	}
	outer.Close()
	master.Close()
	outR.Close() // frees the write, and with it the copy
}

// The next key after a session is the caller's, not the relay's.
func TestRelayTakesNoKeyMore(t *testing.T) {
	outer, terminal := openPair(t)
	for range 50 {
		master, slave := openPair(t)
		c := background(master, terminal, terminal, Options{})
		send(t, slave, "$")
		expect(t, outer, "$")
		slave.Close()
		if err := wait(t, c); err != nil {
			t.Fatal(err)
		}
		makeRaw(t, terminal)
		send(t, outer, "k")
		ready := []unix.PollFd{{Fd: int32(terminal.Fd()), Events: unix.POLLIN}}
		if n, err := unix.Poll(ready, int(patience/time.Millisecond)); n != 1 {
			t.Fatal("the key is gone", err)
		}
		key := make([]byte, 8)
		if n, err := terminal.Read(key); err != nil || string(key[:n]) != "k" {
			t.Fatalf("%q, %v", key[:n], err)
		}
		master.Close()
	}
}

func TestRelayReportsLostOutput(t *testing.T) {
	master, slave := openPair(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	send(t, slave, "x")
	wantError(t, wait(t, background(master, nil, full, Options{})), "no space left")
}

func TestRelayRefusesNonTerminal(t *testing.T) {
	r, _ := pipe(t)
	if err := wait(t, background(r, nil, io.Discard, Options{})); err == nil {
		t.Fatal("relayed a pipe")
	}
}

func TestNoDescriptorLeak(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console")
	outer, terminal := openPair(t)
	round := func() {
		l, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		master, slave := openPair(t)
		conn, err := Dial(path)
		if err != nil {
			t.Fatal(err)
		}
		pass(t, conn, "pty", master)
		got, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		pty, _, err := Receive(got)
		if err != nil {
			t.Fatal(err)
		}
		c := background(pty, terminal, terminal, Options{})
		send(t, slave, "$")
		expect(t, outer, "$")
		for _, f := range []*os.File{slave, master, conn, got} {
			f.Close()
		}
		if err := wait(t, c); err != nil {
			t.Fatal(err)
		}
		pty.Close()
	}
	round()
	before := openFiles(t)
	for range 200 {
		round()
	}
	if after := openFiles(t); after != before {
		t.Fatalf("%d descriptors open after 200 rounds, %d before", after, before)
	}
}
