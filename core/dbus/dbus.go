// Package dbus speaks as much of D-Bus as it takes to have systemd do something:
// calls of methods, with their replies, and signals, over a unix socket
// (dbus.freedesktop.org, "D-Bus Specification").
package dbus

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
)

const daemon = "org.freedesktop.DBus"

// Error is a peer's answer that it did not do what was asked.
type Error struct {
	Name string // such as org.freedesktop.systemd1.NoSuchUnit
	Text string
}

func (e *Error) Error() string {
	if e.Text == "" {
		return e.Name
	}
	return e.Text
}

// Is says whether err is a peer's, of that name.
func Is(err error, name string) bool {
	var e *Error
	return errors.As(err, &e) && e.Name == name
}

// Conn is a connection. It is for one goroutine.
type Conn struct {
	conn    *os.File
	direct  bool // to systemd itself, with nobody else and no bus behind it
	r       *bufio.Reader
	serial  uint32
	signal  string    // member of those that are kept
	signals []Message // not waited for yet
}

// Dial connects to the first of the addresses that takes it, and says who it is
// for: a list as in DBUS_SESSION_BUS_ADDRESS, "unix:path=/run/…;unix:abstract=…".
// The connection ends after timeout.
func Dial(addresses string, timeout time.Duration) (*Conn, error) {
	err := error(fault.Op(nil, "%q is no address of D-Bus", addresses))
	for address := range strings.SplitSeq(addresses, ";") {
		path, parseErr := socket(address)
		if parseErr != nil {
			err = parseErr
			continue
		}
		conn, dialErr := dial(path, timeout)
		if dialErr != nil {
			err = fault.Op(dialErr, "connect to %s", path)
			continue
		}
		c := &Conn{conn: conn, direct: strings.HasSuffix(path, "/systemd/private"), r: bufio.NewReader(conn)}
		err = c.authenticate()
		if err == nil && !c.direct {
			_, err = c.Call(daemon, "/org/freedesktop/DBus", daemon+".Hello")
		}
		if err == nil {
			return c, nil
		}
		conn.Close()
		err = fault.Op(cause(err), "speak D-Bus on %s", path)
	}
	return nil, err
}

// socket is the path in an address; one that begins with "@" is abstract.
func socket(address string) (string, error) {
	transport, pairs, _ := strings.Cut(address, ":")
	for pair := range strings.SplitSeq(pairs, ",") {
		key, value, _ := strings.Cut(pair, "=")
		path, ok := unescape(value)
		switch {
		case transport != "unix" || !ok || path == "":
		case key == "path":
			return path, nil
		case key == "abstract":
			return "@" + path, nil
		}
	}
	return "", fault.Op(nil, "%q is no address of a unix socket, such as unix:path=/run/user/1000/bus", address)
}

// Escape is a path as it stands in an address.
func Escape(path string) string {
	var s strings.Builder
	for _, c := range []byte(path) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(`-_/.\*`, c) >= 0:
			s.WriteByte(c)
		default:
			fmt.Fprintf(&s, "%%%02x", c)
		}
	}
	return s.String()
}

// unescape reads bytes that are written as %XX.
func unescape(value string) (string, bool) {
	first, rest, found := strings.Cut(value, "%")
	if !found {
		return value, true
	}
	if len(rest) < 2 {
		return "", false
	}
	b, err := strconv.ParseUint(rest[:2], 16, 8)
	rest, ok := unescape(rest[2:])
	return first + string([]byte{byte(b)}) + rest, ok && err == nil
}

// dial connects to a unix socket by timeout, after which nothing on it takes
// longer either.
func dial(path string, timeout time.Duration) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	// It waits for room in the backlog, as long as a send may take.
	limit := unix.NsecToTimeval(int64(timeout))
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit)
	for again := err == nil; again; again = err == unix.EINTR {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	if err := f.SetDeadline(time.Now().Add(timeout)); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// cause is the error without the file's name.
func cause(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// Close ends the connection.
func (c *Conn) Close() { c.conn.Close() }

// authenticate has the peer look at who is at the socket's other end. No id is
// named: in a user namespace it is another one than the peer sees.
func (c *Conn) authenticate() error {
	say := func(words string) (string, error) {
		if _, err := c.conn.Write([]byte(words)); err != nil {
			return "", err
		}
		line, err := c.r.ReadSlice('\n')
		return strings.TrimSpace(string(line)), err
	}
	answer, err := say("\x00AUTH EXTERNAL\r\n")
	if err == nil && answer == "DATA" {
		answer, err = say("DATA\r\n")
	}
	if err != nil {
		return err
	}
	if !strings.HasPrefix(answer, "OK") {
		return fmt.Errorf("it does not take us: %.100q", answer)
	}
	_, err = c.conn.Write([]byte("BEGIN\r\n"))
	return err
}

// Call calls a method, by its name with the interface's before, and waits for
// the reply. The cause of the error is an *Error if the peer says so.
func (c *Conn) Call(destination, path, method string, args ...Value) (Message, error) {
	dot := strings.LastIndexByte(method, '.')
	c.serial++
	m := Message{Kind: MethodCall, Serial: c.serial, Destination: destination, Path: path, Interface: method[:dot], Member: method[dot+1:], Body: args}
	if _, err := c.conn.Write(m.Encode()); err != nil {
		return m, cause(err)
	}
	for {
		m, err := c.read()
		switch {
		case err != nil:
			return m, err
		case m.Reply != c.serial:
		case m.Kind == MethodReturn:
			return m, nil
		case m.Kind == ErrorReply:
			return m, &Error{m.ErrorName, fmt.Sprintf("%.500s", m.Text(0))}
		}
	}
}

// Listen keeps the signals of that member for Signal; on a bus it asks for them.
func (c *Conn) Listen(sender, iface, member string) error {
	c.signal = member
	if c.direct {
		return nil // they come anyway
	}
	_, err := c.Call(daemon, "/org/freedesktop/DBus", daemon+".AddMatch", String(fmt.Sprintf("type='signal',sender='%s',interface='%s',member='%s'", sender, iface, member)))
	return err
}

// Signal waits for a signal that is wanted.
func (c *Conn) Signal(wanted func(Message) bool) (Message, error) {
	for {
		for i, m := range c.signals {
			if wanted(m) {
				c.signals = append(c.signals[:i], c.signals[i+1:]...)
				return m, nil
			}
		}
		c.signals = nil
		if m, err := c.read(); err != nil {
			return m, err
		}
	}
}

// maxSignals bounds how many signals are kept.
const maxSignals = 1 << 12

func (c *Conn) read() (Message, error) {
	m, err := ReadMessage(c.r)
	if err != nil {
		return m, cause(err)
	}
	if m.Kind == Signal && m.Member == c.signal && len(c.signals) < maxSignals {
		c.signals = append(c.signals, m)
	}
	return m, nil
}
