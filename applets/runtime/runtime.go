// Package runtime is the OCI runtime's command line: each command reads its
// flags, calls core/container, and prints.
package runtime

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/container"
	"ocibox/core/fault"
	"ocibox/core/idmap"
)

// A command is one of the runtime's. Run gets the arguments after its name.
type command struct {
	name    string
	usage   string
	summary string
	run     func(*env, *cli.Flags, []string) error
}

// commands are all of them, as help lists them.
var commands = [...]command{
	{"create", "[OPTION…] ID", "Create a container; start runs its program.", create},
	{"delete", "[-f] ID", "Delete a container that is not running.", deleteCommand},
	{"exec", "[OPTION…] ID [--] COMMAND [ARG…]", "Execute one more process in a container.", execCommand},
	{"explain", "[-b BUNDLE]", "Print the steps that would make the container, and why.", explain},
	{"features", "", "Print what this runtime supports, as JSON.", featuresCommand},
	{"kill", "ID [SIGNAL]", "Send a signal, SIGTERM by default, to the container's init.", kill},
	{"list", "[-q] [-f table|json]", "List the containers.", list},
	{"ps", "[-f table|json] ID [PS OPTION…]", "List the processes of a container.", ps},
	{"run", "[OPTION…] ID", "Create a container and start it.", run},
	{"spec", "[--rootless|--root] [-b BUNDLE]", "Write a config.json to begin with.", spec},
	{"start", "ID", "Start a created container's program.", start},
	{"state", "ID", "Print the container's state, as JSON.", state},
}

// env is what every command gets of the global flags.
type env struct {
	std   cli.Std
	store container.Store
	log   *logger
}

// Run is the applet.
func Run(std cli.Std, args []string) error {
	// What a parent set for this process by PR_SET_PDEATHSIG, as containerd
	// does, is the main thread's: core/seal has to execute on that.
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	f := cli.NewFlags("runtime", "[OPTION…] COMMAND [ARGUMENT…]", summary())
	f.SetInterspersed(false)
	root := f.String("root", "", "folder of the containers' state (default /run/ocibox, or below $XDG_RUNTIME_DIR)")
	logPath := f.String("log", "", "file that warnings and errors go to as well")
	logFormat := f.String("log-format", "text", "form of the log: text or json")
	debug := f.Bool("debug", false, "log each step, as explain --all prints it")
	rootless := f.String("rootless", "auto", "whether to behave as for a plain user: true, false or auto")
	version := f.BoolP("version", "v", false, "print the version")
	if err := f.Parse(std, args); err != nil {
		return err
	}
	if *version {
		fmt.Fprintf(std.Out, "ocibox runtime %s\nspec: %s\n", cli.Version, specs.Version)
		return nil
	}
	l, err := openLog(std, *logPath, *logFormat, *debug)
	if err != nil {
		return err
	}
	defer l.close()
	if *root == "" {
		if *root, err = defaultRoot(*rootless); err != nil {
			return l.failed(err)
		}
	}
	abs, err := filepath.Abs(*root)
	if err != nil {
		return l.failed(fault.Op(err, "find the working directory"))
	}
	rest := f.Args()
	if len(rest) == 0 {
		return l.failed(fault.Op(nil, "no command given").WithHint("runtime --help lists them"))
	}
	for i := range commands {
		if c := &commands[i]; c.name == rest[0] {
			e := &env{std, container.Store{Root: abs, Warn: l.warn}, l}
			err := c.run(e, cli.NewFlags("runtime "+c.name, c.usage, c.summary), rest[1:])
			return l.failed(named(c.name, err))
		}
	}
	return l.failed(fault.Op(nil, "%s: no such command", rest[0]).WithHint("runtime --help lists them"))
}

// named puts the command to the error, but not to a plain status.
func named(command string, err error) error {
	if _, ok := err.(cli.Status); ok || err == nil {
		return err
	}
	return &cli.CommandError{Command: command, Err: err}
}

func summary() string {
	s := "Create and run containers as the OCI runtime specification says.\n\ncommands:\n"
	for _, c := range commands {
		s += fmt.Sprintf("  %-10s %s\n", c.name, c.summary)
	}
	return s[:len(s)-1]
}

// defaultRoot is where containers are kept when --root does not say so.
func defaultRoot(rootless string) (string, error) {
	plain := os.Geteuid() != 0
	switch rootless {
	case "auto":
		if !plain {
			// Root of a user namespace is a plain user to the host.
			initial, err := idmap.InInitialUserns()
			if err != nil {
				return "", err
			}
			plain = !initial && os.Getenv("USER") != "root"
		}
	default:
		var err error
		if plain, err = strconv.ParseBool(rootless); err != nil {
			return "", fault.Op(nil, "--rootless %s is not true, false or auto", rootless)
		}
	}
	if !plain {
		return "/run/ocibox", nil
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "ocibox"), nil
	}
	uid := os.Geteuid()
	if dir := fmt.Sprintf("/run/user/%d", uid); own(dir) == nil {
		return filepath.Join(dir, "ocibox"), nil
	}
	// A folder in /tmp can be anybody's: it has to be ours alone.
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("ocibox-%d", uid))
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return "", fault.Op(err, "make the state folder").WithHint("XDG_RUNTIME_DIR or --root names another place")
	}
	if err := own(dir); err != nil {
		return "", fault.Op(err, "use %s as the state folder", dir).WithHint("XDG_RUNTIME_DIR or --root names another place")
	}
	return dir, nil
}

// own says why dir is not a directory that only the caller may write to.
func own(dir string) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return err
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return unix.ENOTDIR
	case int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0:
		return unix.EPERM
	}
	return nil
}

// logger writes to the --log file, for engines, which look there for the
// reason of a failure.
type logger struct {
	std   cli.Std
	file  *os.File
	json  bool
	debug bool
}

func openLog(std cli.Std, path, format string, debug bool) (*logger, error) {
	if format != "text" && format != "json" {
		return nil, fault.Op(nil, "--log-format %s is not text or json", format)
	}
	l := &logger{std: std, json: format == "json", debug: debug}
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
	fmt.Fprintf(l.std.Err, "runtime: warning: %s\n", msg)
	l.write("warning", msg)
}

// printJSON writes v as runc does: indented by two spaces.
func printJSON(w io.Writer, v any, indent string) error {
	data, err := json.MarshalIndent(v, "", indent)
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}
