package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const ocibox = "ocibox"

// A peer is a runtime that takes part.
type peer struct {
	name, path string
	// uid runs it as a plain user, unless 0.
	uid int
	out bool // it does not start here
}

// command is the runtime's command line, with a state folder of its own.
func (b *bench) command(p *peer, args ...string) []string {
	line := []string{p.path}
	if p.name == ocibox {
		line = append(line, "runtime")
	}
	line = append(line, "--root", b.stateOf(p))
	if p.uid != 0 && p.name == "crun" {
		// Without systemd or a cgroup of its own it starts no other way.
		line = append(line, "--cgroup-manager", "disabled")
	}
	return append(line, args...)
}

func (b *bench) stateOf(p *peer) string {
	return filepath.Join(b.stateDir(), p.name+"-"+strconv.Itoa(p.uid))
}

// start is a command, ready to be run for the peer.
func (p *peer) start(line []string) *exec.Cmd {
	c := exec.Command(line[0], line[1:]...)
	if p.uid != 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(p.uid), Gid: uint32(p.uid)}}
		c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/", "XDG_RUNTIME_DIR=/nonexistent"}
	}
	return c
}

// do carries out a command of the peer that is not measured.
func (b *bench) do(p *peer, args ...string) error {
	c := p.start(b.command(p, args...))
	// Not a pipe: a container's init would hold its other end.
	out, err := os.CreateTemp(b.work, "output")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	c.Stdout, c.Stderr = out, out
	if err := c.Run(); err != nil {
		said, _ := os.ReadFile(out.Name())
		return fmt.Errorf("%s: %w: %s", strings.Join(c.Args, " "), err, bytes.TrimSpace(said))
	}
	return nil
}

// A sample is what one measured run took.
type sample struct {
	cpu, wall float64 // milliseconds
	memory    float64 // KiB
}

// measure puts commands through the program measure. A sequence is carried out
// count times, jobs at a time.
func (b *bench) measure(p *peer, jobs, count int, sequences ...[][]string) (s sample, err error) {
	line := []string{filepath.Join(b.tools, "measure"), strconv.Itoa(jobs), strconv.Itoa(count)}
	for i, sequence := range sequences {
		if i > 0 {
			line = append(line, "/")
		}
		for k, args := range sequence {
			if k > 0 {
				line = append(line, ",")
			}
			line = append(line, args...)
		}
	}
	// Who writes to cgroup.procs, or mounts the hierarchy, waits for an RCU grace
	// period, and who does so right after that does not: nobody is to pay for another.
	time.Sleep(b.pause)
	c := p.start(line)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return s, fmt.Errorf("%w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	if _, err := fmt.Sscan(string(out), &s.cpu, &s.wall, &s.memory); err != nil {
		return s, fmt.Errorf("measure printed %q", out)
	}
	s.cpu, s.wall = s.cpu/1000, s.wall/1000
	return s, nil
}

// versions are what the peers say of themselves, in one line each.
func versions(peers []*peer) (list []string) {
	for _, p := range peers {
		args := []string{"--version"}
		if p.name == ocibox {
			args = []string{"runtime", "--version"}
		}
		out, err := exec.Command(p.path, args...).Output()
		if err != nil {
			continue
		}
		first, _, _ := strings.Cut(string(out), "\n")
		list = append(list, first)
	}
	return list
}

// machine says what the results were had on.
func machine() string {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	model := ""
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	text := fmt.Sprintf("Linux %s, %s, %d CPUs", strings.TrimSpace(string(release)), runtime.GOARCH, runtime.NumCPU())
	if model != "" {
		text += ", " + model
	}
	return text
}
