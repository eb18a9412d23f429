package runtime

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/fault"
)

// logLevels are what --log-level takes, the default first.
var logLevels = [...]string{"warning", "error", "debug"}

// logger writes to the --log file, for engines, which look there for the
// reason of a failure.
type logger struct {
	std   cli.Std
	file  *os.File
	json  bool
	level string // one of logLevels
}

// openLog opens the log that the flags ask for.
func (g *globals) openLog(std cli.Std) (*logger, error) {
	l := &logger{std: std, json: *g.logFormat == "json", level: *g.logLevel}
	if *g.debug {
		l.level = "debug"
	}
	path := *g.log
	// crun takes the kind of log before the name, podman(1) gives it so.
	if kind, name, ok := strings.Cut(path, ":"); ok && slices.Contains([]string{"file", "journald", "syslog"}, kind) {
		if kind != "file" {
			return nil, fault.Op(nil, "--log %s: there is no log to %s here", path, kind).WithHint("--log takes a file, and standard error goes where the caller sends it")
		}
		path = name
	}
	if path == "" {
		return l, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND|unix.O_NOCTTY, 0o644)
	if err != nil {
		return nil, fault.Op(err, "open the log")
	}
	l.file = f
	return l, nil
}

func (l *logger) close() {
	if l.file != nil {
		l.file.Close()
	}
}

// debug says whether each step is logged.
func (l *logger) debug() bool { return l.level == "debug" }

// write puts a line into the log file.
func (l *logger) write(level, msg string) {
	if l.file == nil {
		return
	}
	now := time.Now().Format(time.RFC3339)
	if !l.json {
		fmt.Fprintf(l.file, "time=%q level=%s msg=%q\n", now, level, msg)
		return
	}
	line, err := json.Marshal(struct {
		Level string `json:"level"`
		Msg   string `json:"msg"`
		Time  string `json:"time"`
	}{level, msg, now})
	if err == nil {
		l.file.Write(append(line, '\n'))
	}
}

// failed logs err, and returns it for the caller to print.
func (l *logger) failed(err error) error {
	if _, ok := err.(cli.Status); ok || err == nil {
		return err
	}
	msg := cli.Title("runtime", err) + ": " + err.Error()
	if h := fault.Hint(err); h != "" {
		msg += " (hint: " + h + ")"
	}
	l.write("error", msg)
	return err
}

// debugWriter logs each line that is written to it: to the log file, or where
// there is none to the standard error.
type debugWriter struct{ *logger }

func (d debugWriter) Write(b []byte) (int, error) {
	line := strings.TrimRight(string(b), "\n")
	if d.file == nil {
		fmt.Fprintf(d.std.Err, "runtime: debug: %s\n", line)
	}
	d.write("debug", line)
	return len(b), nil
}

func (l *logger) warn(msg string) {
	if l.level == "error" {
		return
	}
	fmt.Fprintf(l.std.Err, "runtime: warning: %s\n", msg)
	l.write("warning", msg)
}
