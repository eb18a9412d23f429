package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ocibox/applets/cli"
	"ocibox/core/container"
	"ocibox/core/early"
	"ocibox/core/fault"
)

func ps(f *cli.Flags) action {
	f.SetInterspersed(false)
	format := f.Choice("format", "f", []string{"table", "json"}, "form of the list")
	return func(e *env, operands []string) error { return listProcesses(e, operands, *format) }
}

func listProcesses(e *env, operands []string, format string) error {
	c, err := e.store.Load(operands[0])
	if err != nil {
		return err
	}
	pids, err := c.Members()
	if err != nil {
		return err
	}
	if format == "json" {
		return json.NewEncoder(e.std.Out).Encode(pids)
	}
	options := operands[1:]
	path, err := early.LookPath("ps")
	switch {
	case err == nil && filepath.IsAbs(path): // and not whatever is in the working directory
		return hostPs(e.std.Out, path, options, pids)
	case len(options) > 0:
		return fault.Op(nil, "run ps %s: there is none in PATH", strings.Join(options, " ")).WithHint("without options no ps is needed")
	}
	list, err := container.Inspect(pids)
	if err != nil {
		return err
	}
	return printProcesses(e.std.Out, list, time.Now())
}

// hostPs prints the lines of the host's ps that are about pids.
func hostPs(out io.Writer, path string, options []string, pids []int) error {
	if len(options) == 0 {
		options = []string{"-ef"}
	}
	defer early.Plainly()()
	ps := exec.Command(path, options...)
	ps.Env = early.Environ()
	text, err := ps.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		said, _, _ := strings.Cut(strings.TrimSpace(string(exit.Stderr)), "\n")
		return fault.Op(nil, "ps %s: %v: %s", strings.Join(options, " "), err, said)
	}
	if err != nil {
		return fault.Op(err, "run ps")
	}
	title, lines, _ := strings.Cut(string(text), "\n")
	column := slices.Index(strings.Fields(title), "PID")
	if column < 0 {
		return fault.Op(nil, "ps %s: no column PID in its output", strings.Join(options, " "))
	}
	fmt.Fprintln(out, title)
	for line := range strings.Lines(lines) {
		fields := strings.Fields(line)
		if column >= len(fields) {
			continue // the rest of a line that a command broke
		}
		if pid, err := strconv.Atoi(fields[column]); err == nil && slices.Contains(pids, pid) {
			io.WriteString(out, line)
		}
	}
	return nil
}

// printProcesses is ps -ef for a host without a ps: its columns, but that C, the
// share of a processor, is over the whole life as ps has it too.
func printProcesses(out io.Writer, list []container.ProcessInfo, now time.Time) error {
	const row = "%-8s %7v %7v %2v %-5s %-8s %8s %s\n"
	fmt.Fprintf(out, row, "UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")
	for _, p := range list {
		began := p.Start.Format("15:04")
		if now.Sub(p.Start) >= 24*time.Hour {
			began = p.Start.Format("Jan02")
		}
		share := int64(0)
		if age := now.Sub(p.Start); age > 0 {
			share = int64(min(99, 100*p.CPU/age))
		}
		s := int64(p.CPU / time.Second)
		used := fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
		user := strings.TrimPrefix(owner(p.UID), "#")
		if _, err := fmt.Fprintf(out, row, user, p.PID, p.Parent, share, began, p.TTY, used, p.Command); err != nil {
			return err
		}
	}
	return nil
}
