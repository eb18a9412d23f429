// Package proc reads processes from /proc.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/files"
)

// Stat is /proc/PID/stat, proc_pid_stat(5).
type Stat struct {
	Comm   string   // the name, at most 15 bytes of anything
	fields []string // from the state on
}

// Numbers of fields, from 1, as Number takes them.
const (
	state   = 3
	Parent  = 4
	Group   = 5
	Session = 6
	TTY     = 7
	User    = 14 // clock ticks
	System  = 15 // clock ticks
	Start   = 22 // clock ticks since boot
)

// UserHZ is how many clock ticks a second has on every architecture that we
// build for, time(7).
const UserHZ = 100

// ReadStat is nil for a process that is not there.
func ReadStat(pid int) (*Stat, error) { return readStat(fmt.Sprintf("/proc/%d", pid), pid) }

// ReadThread is ReadStat of one of the process's threads.
func ReadThread(pid, tid int) (*Stat, error) {
	return readStat(fmt.Sprintf("/proc/%d/task/%d", pid, tid), pid)
}

func readStat(dir string, pid int) (*Stat, error) {
	data, err := files.Read(dir + "/stat")
	if err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			if _, err := os.Stat("/proc/self/stat"); err != nil {
				return nil, fault.Op(err, "look at process %d", pid).WithHint("/proc has to be mounted")
			}
			return nil, nil
		}
		return nil, fault.Op(err, "look at process %d", pid)
	}
	// The name, in parentheses, may hold anything.
	first, last := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if first < 0 || last < first {
		return nil, fault.Op(nil, "%s/stat: %q", dir, data)
	}
	st := &Stat{Comm: string(data[first+1 : last]), fields: strings.Fields(string(data[last+1:]))}
	if len(st.fields) <= Start-state {
		return nil, fault.Op(nil, "%s/stat: %q", dir, data)
	}
	return st, nil
}

// Number is a field by its number; those that are asked for are numbers.
func (s *Stat) Number(field int) int {
	n, _ := strconv.Atoi(s.fields[field-state])
	return n
}

// StartTime is when the process was started, in clock ticks since boot. With
// the pid it names a process for good.
func (s *Stat) StartTime() (uint64, error) { return strconv.ParseUint(s.fields[Start-state], 10, 64) }

// Ended says whether the process is a zombie.
func (s *Stat) Ended() bool { return s.fields[0] == "Z" || s.fields[0] == "X" }

// Pids are those of all processes that /proc shows, in ascending order.
func Pids() ([]int, error) { return numbers("/proc") }

// Threads are the ids of a process's threads, in ascending order; none of one
// that is not there.
func Threads(pid int) ([]int, error) {
	tids, err := numbers(fmt.Sprintf("/proc/%d/task", pid))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil, nil
	}
	return tids, err
}

func numbers(dir string) ([]int, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fault.Op(err, "list the processes")
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fault.Op(err, "list the processes")
	}
	list := []int{}
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list, nil
}

// Args are what the process was executed with; none of one that has no memory
// of its own, or that is not to be looked into. Empty ones at the end are left out.
func Args(pid int) []string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	text := strings.TrimRight(string(data), "\x00")
	if err != nil || text == "" {
		return nil
	}
	return strings.Split(text, "\x00")
}

// UID is the process's effective user id; the owner of its folder, also where
// hidepid hides the rest.
func UID(pid int) (uint32, error) {
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d", pid), &st); err != nil {
		return 0, err
	}
	return st.Uid, nil
}
