package bundletest

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Left lists what is there of the bundle's containers: state, processes, mounts
// of the host and cgroups.
func (b *Bundle) Left() []string {
	b.t.Helper()
	var left []string
	entries, err := os.ReadDir(b.State)
	if err != nil && !os.IsNotExist(err) {
		b.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "device-filter~" { // is for the next container
			left = append(left, "state "+e.Name())
		}
	}
	for _, pid := range b.Processes() {
		left = append(left, fmt.Sprintf("process %d", pid))
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	must(b.t, err)
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, b.mark()) {
			left = append(left, "mount "+line)
		}
	}
	// A name of the test's own is also part of others: systemd's units, several
	// containers of one bundle.
	own := strings.HasPrefix(b.ID, filepath.Base(b.top))
	filepath.WalkDir("/sys/fs/cgroup", func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && b.ID != "" && (e.Name() == b.ID || own && strings.Contains(e.Name(), b.ID)) {
			left = append(left, "cgroup "+path)
		}
		return nil // others' cgroups come and go
	})
	return left
}

// Processes lists the pids of the command lines of the test and of what they
// have made, but for what has ended.
func (b *Bundle) Processes() []int {
	b.t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	must(b.t, err)
	var pids []int
	for _, path := range stats {
		dir := filepath.Dir(path)
		// One that has no memory any more, a zombie, has no arguments.
		args, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || !bytes.Contains(args, []byte(b.mark())) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Reaper is the parent of what a command leaves behind.
func Reaper() int { return os.Getppid() }

// Parent is the parent of a process.
func (b *Bundle) Parent(pid int) int {
	b.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	must(b.t, err)
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	parent, err := strconv.Atoi(fields[1])
	must(b.t, err)
	return parent
}
