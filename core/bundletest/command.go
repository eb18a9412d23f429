package bundletest

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// A Cmd is a command line of the bundle's user. Its output goes to files, which
// a container that stays may go on writing to.
type Cmd struct {
	*exec.Cmd
	t        *testing.T
	out, err *os.File
}

// Result is how a command line ended.
type Result struct {
	Args     []string
	Status   int // exit status, or -1 for a signal
	Out, Err string
}

// Command is the command line with args after --root STATE and Globals, in the folder that
// holds the bundle, to be changed before it is started.
func (b *Bundle) Command(args ...string) *Cmd {
	b.t.Helper()
	c := &Cmd{exec.Command(b.exec, slices.Concat([]string{"--root", b.State}, b.Globals, args)...), b.t, b.output(), b.output()}
	c.Args[0] = "runtime"
	c.Dir = b.top
	c.Env = []string{cliEnv + "=1", "PATH=/usr/bin:/bin"}
	c.Stdout, c.Stderr = c.out, c.err
	c.SysProcAttr = &syscall.SysProcAttr{Credential: b.cred}
	if len(b.Around) > 0 {
		c.Through(b.Around[0], b.Around[1:]...)
	}
	return c
}

// Through makes a program inside, here outside, execute the command: "limited",
// "sysctl", "as-root", "cgroups" or "isolated".
func (c *Cmd) Through(program string, args ...string) *Cmd {
	c.Args = append(append([]string{program, markSign, program}, args...), c.Args...)
	return c
}

func (b *Bundle) output() *os.File {
	f, err := os.CreateTemp("", "ocibox-output-")
	must(b.t, err)
	os.Remove(f.Name())
	b.t.Cleanup(func() { f.Close() })
	return f
}

// Run starts the command and waits for it.
func (c *Cmd) Run() Result {
	c.t.Helper()
	must(c.t, c.Start())
	return c.End()
}

// End waits for the command that was started.
func (c *Cmd) End() Result {
	c.t.Helper()
	timer := time.AfterFunc(Patience, func() { c.Process.Kill() })
	err := c.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.t.Fatalf("%v: %v", c.Args, err)
	}
	if !timer.Stop() {
		c.t.Errorf("%v did not end within %v", c.Args, Patience)
	}
	return Result{c.Args, c.ProcessState.ExitCode(), c.Output(), c.Errors()}
}

// Output is what was written to standard output so far, by a container too.
func (c *Cmd) Output() string { return content(c.t, c.out) }

// Errors is what was written to standard error so far.
func (c *Cmd) Errors() string { return content(c.t, c.err) }

func content(t *testing.T, f *os.File) string {
	t.Helper()
	st, err := f.Stat()
	must(t, err)
	data := make([]byte, st.Size())
	n, err := f.ReadAt(data, 0)
	if n < len(data) {
		must(t, err)
	}
	return string(data)
}

// Runtime runs the command line.
func (b *Bundle) Runtime(args ...string) Result {
	b.t.Helper()
	c := b.Command(args...)
	defer c.out.Close()
	defer c.err.Close()
	return c.Run()
}

// Must runs the command line, which has to succeed without a word on standard
// error, and gives its output.
func (b *Bundle) Must(args ...string) string {
	b.t.Helper()
	r := b.Runtime(args...)
	if r.Status != 0 || r.Err != "" {
		b.t.Fatalf("%q: exit status %d: %s", r.Args, r.Status, r.Err)
	}
	return r.Out
}

// Fails runs the command line, which has to fail with status 1 and one line,
// or two of which the second is a hint, with each of words in it.
func (b *Bundle) Fails(words []string, args ...string) {
	b.t.Helper()
	b.Runtime(args...).Fails(b.t, words...)
}

// Fails checks that the command failed in the form of a user's error.
func (r Result) Fails(t *testing.T, words ...string) {
	t.Helper()
	line, hint, _ := strings.Cut(r.Err, "\n")
	hint, rest, ended := strings.Cut(hint, "\n")
	switch {
	case r.Status != 1:
		t.Errorf("%q: exit status %d, want 1; error %q", r.Args, r.Status, r.Err)
	case !strings.HasSuffix(r.Err, "\n"), rest != "", hint != "" && (!ended || !strings.HasPrefix(hint, "hint: ")):
		t.Errorf("%q: error %q, want one line and perhaps a hint", r.Args, r.Err)
	case !strings.HasPrefix(line, "runtime"):
		t.Errorf("%q: error %q does not begin with the program's name", r.Args, r.Err)
	case r.Out != "":
		t.Errorf("%q: output %q of a command that failed", r.Args, r.Out)
	}
	for _, w := range words {
		if !strings.Contains(r.Err, w) {
			t.Errorf("%q: error %q does not hold %q", r.Args, r.Err, w)
		}
	}
}

// Create creates the container and gives the command, to which the output of
// the container goes.
func (b *Bundle) Create(args ...string) *Cmd {
	b.t.Helper()
	c := b.Command(append([]string{"create", "--bundle", b.Dir}, append(args, b.ID)...)...)
	if r := c.Run(); r.Status != 0 || r.Err != "" {
		b.t.Fatalf("create: exit status %d: %s", r.Status, r.Err)
	}
	return c
}

// Detach runs the container in the background and gives the command, to which
// the output of the container goes.
func (b *Bundle) Detach(args ...string) *Cmd {
	b.t.Helper()
	c := b.Command(append([]string{"run", "--detach", "--bundle", b.Dir}, append(args, b.ID)...)...)
	if r := c.Run(); r.Status != 0 || r.Err != "" {
		b.t.Fatalf("run: exit status %d: %s", r.Status, r.Err)
	}
	return c
}

// Foreground runs the container, waits for it and gives its output.
func (b *Bundle) Foreground() string {
	b.t.Helper()
	return b.Must("run", "--bundle", b.Dir, b.ID)
}

// Query is what the state command prints.
func (b *Bundle) Query() specs.State {
	b.t.Helper()
	var s specs.State
	if err := json.Unmarshal([]byte(b.Must("state", b.ID)), &s); err != nil {
		b.t.Fatal(err)
	}
	return s
}

// Wait polls until the container's status is this one.
func (b *Bundle) Wait(status specs.ContainerState) {
	b.t.Helper()
	Until(b.t, "status "+string(status), func() bool { return b.Query().Status == status })
}
