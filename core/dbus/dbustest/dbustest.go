// Package dbustest is a bus with a systemd on it, in the test's own process. It
// is for tests only.
package dbustest

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ocibox/core/dbus"
)

// Names of systemd's.
const (
	Name    = "org.freedesktop.systemd1"
	manager = Name + ".Manager"
	sender  = ":1.0"
)

// Bus is a bus with a systemd on it. It knows the units that were started on it.
type Bus struct {
	Address string
	Version string
	Cgroup  string // the systemd's own
	// Start and Stop do what a unit's start, for the processes, and its stop
	// bring about. Their error is the job's failure.
	Start func(unit string, pids []int) error
	Stop  func(unit string) error

	mu    sync.Mutex
	calls []string
	units map[string]bool
}

// New makes a bus that ends with the test.
func New(t testing.TB) *Bus {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	b := &Bus{Address: "unix:path=" + dbus.Escape(path), Version: "252.1-test", units: map[string]bool{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if err := b.serve(conn); err != nil {
					t.Errorf("the bus: %v", err)
				}
			}()
		}
	}()
	return b
}

// Calls are those of systemd's methods so far, one a line with the arguments in
// GVariant's text form, and properties on lines of their own.
func (b *Bus) Calls() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.calls, "")
}

// Units is how many there are.
func (b *Bus) Units() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.units)
}

// Add makes a unit be there already.
func (b *Bus) Add(unit string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.units[unit] = true
}

func (b *Bus) serve(conn net.Conn) error {
	r := bufio.NewReader(conn)
	for _, say := range [][2]string{{"\x00AUTH EXTERNAL\r\n", "DATA\r\n"}, {"DATA\r\n", "OK 0123\r\n"}, {"BEGIN\r\n", ""}} {
		line, err := r.ReadString('\n')
		if err != nil || line != say[0] {
			return fmt.Errorf("%q was said, not %q (%v)", line, say[0], err)
		}
		if _, err := conn.Write([]byte(say[1])); err != nil {
			return err
		}
	}
	for serial := uint32(1); ; serial += 2 {
		m, err := dbus.ReadMessage(r)
		if err != nil {
			return nil // the client is gone
		}
		answer, job := b.answer(m)
		answer.Serial, answer.Reply, answer.Sender = serial, m.Serial, sender
		if answer.Kind = dbus.MethodReturn; answer.ErrorName != "" {
			answer.Kind = dbus.ErrorReply
		}
		data := answer.Encode()
		if job != nil {
			job.Serial = serial + 1
			// Another's before, and a spoofed one.
			other, spoof := *job, *job
			other.Body = append([]dbus.Value{job.Body[0], {Sig: "o", Str: "/other"}}, job.Body[2:]...)
			spoof.Sender = ":1.66"
			spoof.Body = append(append([]dbus.Value{}, job.Body[:3]...), dbus.String("spoofed"))
			data = append(append(append(other.Encode(), data...), spoof.Encode()...), job.Encode()...)
		}
		if _, err := conn.Write(data); err != nil {
			return nil
		}
	}
}

// answer does what a message asks for.
func (b *Bus) answer(m dbus.Message) (answer dbus.Message, job *dbus.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	refuse := func(name string) (dbus.Message, *dbus.Message) {
		return dbus.Message{ErrorName: Name + "." + name, Body: []dbus.Value{dbus.String(name + ": " + m.Text(0))}}, nil
	}
	done := func(err error) (dbus.Message, *dbus.Message) {
		result := "done"
		if err != nil {
			result = err.Error()
		}
		path := dbus.Value{Sig: "o", Str: fmt.Sprint("/job/", len(b.calls))}
		return dbus.Message{Body: []dbus.Value{path}}, &dbus.Message{Kind: dbus.Signal, Sender: sender, Path: "/org/freedesktop/systemd1",
			Interface: manager, Member: "JobRemoved", Body: []dbus.Value{dbus.Uint32(1), path, dbus.String(m.Text(0)), dbus.String(result)}}
	}
	switch m.Member {
	case "Hello", "AddMatch", "Subscribe":
		return answer, nil
	case "Get":
		value := map[string]string{"Version": b.Version, "ControlGroup": b.Cgroup}[m.Text(1)]
		answer.Body = []dbus.Value{dbus.Variant(dbus.String(value))}
		return answer, nil
	}
	b.record(m)
	unit := m.Text(0)
	switch m.Member {
	case "StartTransientUnit":
		if b.units[unit] {
			return refuse("UnitExists")
		}
		b.units[unit] = true
		if b.Start == nil {
			return done(nil)
		}
		return done(b.Start(unit, pids(m.Body[2])))
	case "StopUnit":
		if !b.units[unit] {
			return refuse("NoSuchUnit")
		}
		delete(b.units, unit)
		if b.Stop == nil {
			return done(nil)
		}
		return done(b.Stop(unit))
	case "SetUnitProperties":
		if !b.units[unit] {
			return refuse("NoSuchUnit")
		}
	case "ResetFailedUnit":
		if !b.units[unit] {
			return refuse("NoSuchUnit")
		}
	default:
		return refuse("UnknownMethod")
	}
	return answer, nil
}

func (b *Bus) record(m dbus.Message) {
	line, lines := m.Member, ""
	for _, v := range m.Body {
		if v.Sig != "a(sv)" {
			line += " " + v.String()
			continue
		}
		for _, p := range v.List {
			value := p.List[1].List[0].String()
			if p.List[0].Str == "PIDs" {
				value = "…"
			}
			lines += "  " + p.List[0].Str + " = " + value + "\n"
		}
	}
	b.calls = append(b.calls, line+"\n"+lines)
}

func pids(props dbus.Value) (list []int) {
	for _, p := range props.List {
		if p.List[0].Str == "PIDs" {
			for _, pid := range p.List[1].List[0].List {
				list = append(list, int(pid.Num))
			}
		}
	}
	return list
}
