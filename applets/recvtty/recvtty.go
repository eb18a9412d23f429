// Package recvtty takes the terminal of a container from a console socket, and
// is that container's terminal or drains it.
package recvtty

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"ocibox/applets/cli"
	"ocibox/core/early"
	"ocibox/core/fault"
	"ocibox/core/files"
	"ocibox/core/pty"
)

const summary = `Receive a container's terminal on the console socket SOCKET, as a runtime sends
it for create or run with --console-socket SOCKET. Start recvtty first.

modes:
  single  take one terminal and connect it to the own one until the session ends
  null    take any number of terminals and throw away what comes out of them

A SOCKET that an earlier run left behind is replaced. The status is 0 after a
session, and 128 plus the number of the signal that ended recvtty.`

// flags are the applet's.
type flags struct {
	*cli.Flags
	mode, pidFile *string
	noStdin       *bool
}

func newFlags() flags {
	f := cli.NewFlags("recvtty", "[OPTION…] SOCKET", summary)
	return flags{
		Flags:   f,
		mode:    f.Choice("mode", "m", []string{"single", "null"}, "what to do with terminals"),
		pidFile: f.String("pid-file", "", "write the process id to `FILE` once the socket listens; removed at the end"),
		noStdin: f.Bool("no-stdin", false, "read nothing from standard input (null never does)"),
	}
}

// Syntax is the applet's command line, for completion.
func Syntax() cli.Syntax { return cli.Syntax{Flags: newFlags().Flags} }

// Run is the applet.
func Run(std cli.Std, args []string) error {
	f := newFlags()
	if err := f.Parse(std, args); err != nil {
		return err
	}
	early.Stay()
	ops, err := f.Operands(1, 1)
	if err != nil {
		return err
	}
	signals, stop := pty.Signals()
	defer stop()
	l, err := pty.Listen(ops[0])
	if err != nil {
		return err
	}
	defer l.Close()
	if *f.pidFile != "" {
		if err := files.Replace(*f.pidFile, fmt.Appendln(nil, os.Getpid()), 0o644); err != nil {
			return err
		}
		defer removePid(*f.pidFile)
	}
	if *f.mode == "null" {
		return null(std, l, signals)
	}
	if *f.noStdin {
		std.In = nil
	}
	return single(std, l, signals)
}

// single serves the first connection.
func single(std cli.Std, l *pty.Listener, signals <-chan os.Signal) error {
	var conn, master *os.File
	err := await(signals, l.Close, func() (err error) {
		conn, err = l.Accept()
		return err
	})
	l.Close()
	if err != nil {
		if conn != nil {
			conn.Close()
		}
		return err
	}
	err = await(signals, func() { conn.Close() }, func() (err error) {
		master, _, err = pty.Receive(conn)
		return err
	})
	conn.Close()
	if master != nil {
		defer master.Close()
	}
	if err != nil {
		return err
	}
	err = pty.Relay(master, std.In, std.Out, pty.Options{Signals: signals})
	var stopped pty.Interrupted
	if errors.As(err, &stopped) {
		return status(stopped.Signal)
	}
	return err
}

// null serves every connection, and tells of a bad one.
func null(std cli.Std, l *pty.Listener, signals <-chan os.Signal) error {
	var mu sync.Mutex
	tell := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		cli.Report(std, "recvtty", err)
	}
	return await(signals, l.Close, func() error {
		for {
			conn, err := l.Accept()
			switch {
			case err == nil:
				go func() {
					if err := discard(conn); err != nil {
						tell(err)
					}
				}()
			case outOfFiles(err): // until a session ends
				tell(err)
				time.Sleep(time.Second)
			default:
				return err
			}
		}
	})
}

func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

// discard reads a terminal to its end: EIO, when its other side is closed.
func discard(conn *os.File) error {
	master, name, err := pty.Receive(conn)
	conn.Close()
	if err != nil {
		return err
	}
	defer master.Close()
	if _, err := io.Copy(io.Discard, master); err != nil && !errors.Is(err, syscall.EIO) {
		return fault.Op(err, "terminal %q", name)
	}
	return nil
}

// await runs wait, which cancel ends, until it returns or a signal comes.
func await(signals <-chan os.Signal, cancel func(), wait func() error) error {
	done := make(chan error, 1)
	go func() { done <- wait() }()
	select {
	case err := <-done:
		return err
	case s := <-signals:
		cancel()
		<-done
		return status(s)
	}
}

func status(s os.Signal) error {
	number, _ := s.(syscall.Signal)
	return cli.Status(128 + int(number))
}

// removePid removes path if the process id in it is still this one's.
func removePid(path string) {
	var pid int
	data, _ := os.ReadFile(path)
	if fmt.Sscan(string(data), &pid); pid == os.Getpid() {
		os.Remove(path)
	}
}
