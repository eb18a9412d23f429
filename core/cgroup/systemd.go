package cgroup

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ocibox/core/dbus"
	"ocibox/core/fault"
)

// Names of systemd's on the bus, org.freedesktop.systemd1(5).
const (
	busName     = "org.freedesktop.systemd1"
	busPath     = "/org/freedesktop/systemd1"
	busManager  = busName + ".Manager"
	noSuchUnit  = busName + ".NoSuchUnit"
	unitExists  = busName + ".UnitExists"
	jobPatience = 30 * time.Second
)

// Service is a systemd that makes cgroups.
type Service struct {
	Bus     string // the addresses on which it is reached, as dbus.Dial takes them
	Version int
	Cgroup  string // its own, in the hierarchies
}

// FindSystemd looks for the systemd that is reached at the addresses.
func FindSystemd(bus string) (*Service, error) {
	c, err := connect(bus)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	s := &Service{Bus: bus}
	if s.Cgroup, err = ask(c, "ControlGroup"); err == nil {
		s.Version, err = askVersion(c)
	}
	if err != nil {
		return nil, fault.Op(err, "--systemd-cgroup: ask systemd what it is")
	}
	return s, nil
}

func connect(bus string) (*dbus.Conn, error) {
	c, err := dbus.Dial(bus, jobPatience)
	switch {
	case err == nil:
		return c, nil
	case !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ECONNREFUSED):
		return nil, fault.Op(err, "--systemd-cgroup")
	}
	e := fault.Op(nil, "--systemd-cgroup: %v: no systemd runs here", err)
	if _, err := os.Lstat("/run/systemd/system"); err == nil && os.Geteuid() != 0 {
		return nil, e.WithHint("there is one, but not at this address, which is of the user that DBUS_SESSION_BUS_ADDRESS or XDG_RUNTIME_DIR names")
	}
	return nil, e.WithHint("--cgroup-manager cgroupfs makes cgroups without it")
}

// ask reads a string that is a property of systemd's own.
func ask(c *dbus.Conn, name string) (string, error) {
	m, err := c.Call(busName, busPath, "org.freedesktop.DBus.Properties.Get", dbus.String(busManager), dbus.String(name))
	return m.Text(0), err
}

// askVersion asks for the number in "252.38-1" or "v245".
func askVersion(c *dbus.Conn) (int, error) {
	text, err := ask(c, "Version")
	if err != nil {
		return 0, err
	}
	number := strings.TrimPrefix(text, "v")
	if end := strings.IndexFunc(number, func(c rune) bool { return c < '0' || c > '9' }); end >= 0 {
		number = number[:end]
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return 0, fault.Op(nil, "%.60q is not a version", text)
	}
	return n, nil
}

// service connects to the systemd that the group is of.
func (g *Group) service() (*dbus.Conn, error) {
	c, err := connect(g.Bus)
	if err == nil && g.version == 0 {
		if g.version, err = askVersion(c); err != nil {
			c.Close()
		}
	}
	return c, err
}

// Start has systemd make the group for a process, with the limits.
func (g *Group) Start(pid int, list []Limit) error {
	for _, dir := range g.Dirs() {
		if err := g.vacant(dir); err != nil {
			return g.in(err)
		}
	}
	c, err := g.service()
	if err != nil {
		return g.in(err)
	}
	defer c.Close()
	props := slices.Concat(g.UnitProperties(), g.Properties(list))
	if !g.isSlice() { // which holds other units
		props = append(props, Property{"", "PIDs", dbus.Array("u", dbus.Uint32(uint32(pid)))})
	}
	start := func() error {
		return job(c, "StartTransientUnit", dbus.String(g.Unit), dbus.String("replace"), pack(props), dbus.Array("(sa(sv))"))
	}
	if err = start(); dbus.Is(err, unitExists) {
		// One that has failed stays, with nothing in it, until it is reset.
		if _, refused := c.Call(busName, busPath, busManager+".ResetFailedUnit", dbus.String(g.Unit)); refused == nil {
			err = start()
		}
	}
	if err != nil {
		g.taken = dbus.Is(err, unitExists)
		return g.in(fault.Op(err, "have systemd make the unit"))
	}
	if err := g.joinRest(pid); err != nil {
		return g.in(err)
	}
	return g.setFiles(list)
}

// UnitProperties are those that the unit is made with, besides the limits.
func (g *Group) UnitProperties() []Property { return g.unit }

// joinRest brings the process into the group's directories that systemd has not
// brought it into.
func (g *Group) joinRest(pid int) error {
	kept := g.Legacy["name=systemd"] // where systemd keeps its processes apart
	if kept == "" {
		kept = g.Unified
	}
	for _, dir := range g.Dirs() {
		if _, err := mkdirs(dir, nil); err != nil {
			return err
		}
		pids, err := pidsIn(dir, true)
		if err != nil {
			return err
		}
		switch there := slices.Contains(pids, pid); {
		case there:
		case dir == kept && !g.isSlice():
			return fault.Op(nil, "systemd has made the unit %s, but process %d is not in %s", g.Unit, pid, dir)
		default:
			if dir == g.Legacy["cpuset"] {
				if err := inheritSets(dir); err != nil {
					return err
				}
			}
			if err := write(dir+"/cgroup.procs", strconv.Itoa(pid)); err != nil {
				return err
			}
		}
		if dir == g.Unified {
			if err := g.enable(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// tell has systemd change the unit's properties, for as long as it is there.
func (g *Group) tell(props func() []Property) error {
	c, err := g.service()
	if err != nil {
		return err
	}
	defer c.Close()
	list := props()
	if len(list) == 0 {
		return nil
	}
	if _, err := c.Call(busName, busPath, busManager+".SetUnitProperties", dbus.String(g.Unit), dbus.Bool(true), pack(list)); err != nil {
		return fault.In(list[0].Field, fault.Op(err, "have systemd change the unit %s", g.Unit))
	}
	return nil
}

// stop has systemd stop the unit and forget it. One that is gone is no error,
// nor is a systemd that is: nobody knows the unit then.
func (g *Group) stop() error {
	c, err := dbus.Dial(g.Bus, jobPatience)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close()
	if err := job(c, "StopUnit", dbus.String(g.Unit), dbus.String("replace")); err != nil && !dbus.Is(err, noSuchUnit) {
		return fault.Op(err, "have systemd stop the unit %s", g.Unit)
	}
	if _, err := c.Call(busName, busPath, busManager+".ResetFailedUnit", dbus.String(g.Unit)); err != nil && !dbus.Is(err, noSuchUnit) {
		return fault.Op(err, "have systemd forget the unit %s", g.Unit)
	}
	return nil
}

// job calls a method that makes a job, and waits for that to end.
func job(c *dbus.Conn, method string, args ...dbus.Value) error {
	const removed = "JobRemoved"
	if err := c.Listen(busName, busManager, removed); err != nil {
		return err
	}
	// Signals are sent only to a bus on which somebody has asked for them.
	if _, err := c.Call(busName, busPath, busManager+".Subscribe"); err != nil {
		return err
	}
	made, err := c.Call(busName, busPath, busManager+"."+method, args...)
	if err != nil {
		return err
	}
	// Its body: number, path, unit, result.
	m, err := c.Signal(func(m dbus.Message) bool { return m.Sender == made.Sender && m.Text(1) == made.Text(0) })
	if err != nil {
		return fault.Op(err, "wait for the job %s", method)
	}
	if result := m.Text(3); result != "done" {
		return fmt.Errorf("the job %s ended as %q", method, result)
	}
	return nil
}

// pack are properties as methods take them.
func pack(props []Property) dbus.Value {
	list := dbus.Array("(sv)")
	for _, p := range props {
		list.List = append(list.List, dbus.Struct(dbus.String(p.Name), dbus.Variant(p.Value)))
	}
	return list
}
