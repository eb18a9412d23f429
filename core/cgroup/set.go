package cgroup

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/files"
)

// Set sets the limits.
func (g *Group) Set(list []Limit) error {
	if g.Unit == "" || len(list) == 0 {
		return g.setFiles(list)
	}
	// Before systemd has the kernel kill for what is in use.
	for _, l := range list {
		if dir, version := g.Dir(l.Controller); l.Checked && version != 0 {
			if err := enough(dir, version, l.Value); err != nil {
				return fault.In(l.Field, err)
			}
		}
	}
	if err := g.tell(func() []Property { return g.Properties(list) }); err != nil {
		return err
	}
	return g.setFiles(list)
}

// setFiles writes the limits. One that the kernel does not take beside what is set
// already, as a limit of memory above that of memory and swap, is tried again
// after the others.
func (g *Group) setFiles(list []Limit) error {
	var again []Limit
	for _, l := range list {
		err := g.set(l)
		if errors.Is(err, unix.EINVAL) {
			again = append(again, l)
			continue
		}
		if err != nil {
			return fault.In(l.Field, err)
		}
	}
	for _, l := range again {
		if err := g.set(l); err != nil {
			return fault.In(l.Field, err)
		}
	}
	return nil
}

func (g *Group) set(l Limit) error {
	dir, version := g.Dir(l.Controller)
	if version == 0 {
		return fault.Op(nil, "takes the cgroup controller %s, and the container has no cgroup with it", l.Controller)
	}
	if l.Checked {
		if err := enough(dir, version, l.Value); err != nil {
			return err
		}
	}
	path := filepath.Join(dir, l.File)
	err := write(path, l.Value)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOENT) && l.Else != nil && g.set(*l.Else) == nil:
		return nil
	case errors.Is(err, unix.ENOENT) && l.Optional:
		return nil
	}
	var e *fault.Error
	if errors.As(err, &e) {
		e.Hint = limitHint(dir, version, l, err)
	}
	return err
}

// enough refuses a limit of memory below what is used already.
func enough(dir string, version int, limit string) error {
	n, err := strconv.ParseUint(limit, 10, 64)
	if err != nil {
		return nil // none
	}
	file := "memory.current"
	if version == 1 {
		file = "memory.usage_in_bytes"
	}
	r := &reader{dir: dir}
	if used := r.number(file); r.err == nil && used > n {
		return fault.Op(nil, "%d is less than the %d bytes in use, and memory.checkBeforeUpdate is set", n, used)
	}
	return r.err
}

// limitHint finds out why a limit could not be set.
func limitHint(dir string, version int, l Limit, err error) string {
	read := func(path string) string {
		data, _ := files.Read(path)
		return strings.TrimSpace(string(data))
	}
	switch {
	case errors.Is(err, unix.ENOENT) && version == 2:
		have := read(dir + "/cgroup.controllers")
		for c := range strings.FieldsSeq(have) {
			if c == l.Controller {
				return fmt.Sprintf("this kernel has no %s", l.File)
			}
		}
		if have == "" {
			have = "none"
		}
		return fmt.Sprintf("the controller %s is not enabled for %s; enabled: %s", l.Controller, dir, have)
	case errors.Is(err, unix.ENOENT):
		return fmt.Sprintf("this kernel has no %s", l.File)
	case errors.Is(err, unix.EBUSY) && strings.HasPrefix(l.File, "memory."):
		return fmt.Sprintf("more is in use than the limit allows, and the kernel cannot free it: %s bytes", read(dir+"/memory.usage_in_bytes"))
	case (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EACCES)) && l.Controller == "cpuset":
		above := filepath.Dir(dir)
		have := read(above + "/" + l.File + ".effective")
		if version == 1 {
			have = read(above + "/" + l.File)
		}
		if have != "" {
			return fmt.Sprintf("the cgroup above has %s", have)
		}
	case errors.Is(err, unix.EINVAL) && strings.HasPrefix(l.File, "cpu.rt_"):
		return fmt.Sprintf("the cgroup above has %s µs in %s µs to give", read(filepath.Dir(dir)+"/cpu.rt_runtime_us"), read(filepath.Dir(dir)+"/cpu.rt_period_us"))
	}
	return ""
}

// String is the limit as explain shows it, without its directory.
func (l Limit) String() string { return fmt.Sprintf("write %q to %s of the cgroup", l.Value, l.File) }

// Keep remembers what the files of the limits hold now, and gives what writes it
// back.
func (g *Group) Keep(list []Limit) (restore func() error) {
	var old []Limit
	for _, l := range list {
		for _, at := range []*Limit{&l, l.Else} {
			if at == nil {
				continue
			}
			if value, ok := g.held(*at); ok {
				old = append(old, Limit{Field: l.Field, Controller: at.Controller, File: at.File, Value: value})
				break
			}
		}
	}
	// In reverse: what was set last stands in nobody's way any more.
	slices.Reverse(old)
	return func() error { return g.Set(old) }
}

// held is what a limit's file holds for it.
func (g *Group) held(l Limit) (string, bool) {
	dir, _ := g.Dir(l.Controller)
	data, err := files.Read(filepath.Join(dir, l.File))
	if err != nil {
		return "", false
	}
	text := strings.TrimSpace(string(data))
	device, _, _ := strings.Cut(l.Value, " ")
	if !strings.Contains(device, ":") {
		if l.File == "memory.oom_control" {
			return strconv.FormatUint((&reader{dir: dir}).pairs(l.File)["oom_kill_disable"], 10), true
		}
		return text, !strings.Contains(text, "\n")
	}
	// A line for each device that has a limit.
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, device+" ") {
			return strings.TrimSpace(line), true
		}
	}
	if l.File == "io.max" {
		return device + " rbps=max wbps=max riops=max wiops=max", true
	}
	return device + " 0", strings.HasPrefix(l.File, "blkio.throttle.")
}
