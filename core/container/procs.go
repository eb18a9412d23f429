package container

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/proc"
)

// A ProcessInfo is a process as ps(1) shows it.
type ProcessInfo struct {
	UID         uint32 // of the caller's user namespace
	PID, Parent int
	Start       time.Time
	CPU         time.Duration // used so far, by the user and the system
	TTY         string        // such as "pts/0", or "?"
	Command     string        // its arguments, or the name in brackets where it has none
}

// Inspect tells about processes; one that has ended meanwhile is left out.
func Inspect(pids []int) ([]ProcessInfo, error) {
	boot, err := bootTime()
	if err != nil {
		return nil, err
	}
	list := []ProcessInfo{}
	for _, pid := range pids {
		st, err := proc.ReadStat(pid)
		if err != nil {
			return nil, err
		}
		if st == nil {
			continue
		}
		uid, name, err := identify(pid)
		if err != nil {
			continue // it has ended since
		}
		ticks := func(n int) time.Duration { return time.Duration(n) * time.Second / proc.UserHZ }
		list = append(list, ProcessInfo{
			UID: uid, PID: pid, Parent: st.Number(proc.Parent),
			Start: boot.Add(ticks(st.Number(proc.Start))), CPU: ticks(st.Number(proc.User) + st.Number(proc.System)),
			TTY: ttyName(uint64(st.Number(proc.TTY))), Command: command(pid, name),
		})
	}
	return list, nil
}

// bootTime is when the ticks of a start time are counted from.
func bootTime() (time.Time, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, err
	}
	for line := range strings.Lines(string(data)) {
		if text, ok := strings.CutPrefix(line, "btime "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			return time.Unix(n, 0), err
		}
	}
	return time.Time{}, fault.Op(nil, "/proc/stat has no btime")
}

// ttyName is a terminal by its device number, or "?": proc_pid_stat(5), tty_nr.
func ttyName(dev uint64) string {
	const firstPts, lastPts = 136, 143 // UNIX98_PTY_SLAVE_MAJOR, linux/major.h
	major, minor := unix.Major(dev), unix.Minor(dev)
	switch {
	case major >= firstPts && major <= lastPts:
		return fmt.Sprintf("pts/%d", (major-firstPts)<<8+minor)
	case major == 4 && minor < 64:
		return fmt.Sprintf("tty%d", minor)
	case major == 4:
		return fmt.Sprintf("ttyS%d", minor-64)
	}
	return "?"
}

// identify gives a process's effective uid and its name, proc_pid_status(5).
func identify(pid int) (uid uint32, name string, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, "", err
	}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":\t")
		switch key {
		case "Name":
			name = value
		case "Uid":
			_, err = fmt.Sscanf(value, "%d\t%d", new(uint32), &uid)
			return uid, name, err
		}
	}
	return 0, "", fault.Op(nil, "/proc/%d/status has no Uid", pid)
}

// command is what a process was executed with, on one line. A process may put
// anything there, so what would move a terminal's cursor is left out.
func command(pid int, name string) string {
	args := proc.Args(pid)
	if args == nil {
		return "[" + name + "]"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.Join(args, " "))
}
