package container

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
	"unicode"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/early"
	"ocibox/core/fault"
	"ocibox/core/plan"
)

// hookState is the container's state as a hook on the host gets it
// (runtime.md, "State").
func (c *Container) hookState(status specs.ContainerState, pid int) specs.State {
	return specs.State{Version: c.Version, ID: c.ID, Status: status, Pid: pid, Bundle: c.Bundle, Annotations: c.Annotations}
}

// poststop runs the hooks of a container that is gone. None keeps the others
// from running.
func poststop(s *specs.Spec, state specs.State, warn func(string)) {
	for _, h := range plan.Hooks(s, plan.Poststop) {
		if err := runHook(context.Background(), h, state); err != nil {
			warn(err.Error())
		}
	}
}

// runHook runs a hook in the caller's namespaces, in the bundle, if that is
// still there, as its working directory. When ctx is done, or the hook's time
// is over, it is killed with its process group.
func runHook(ctx context.Context, h plan.Hook, state specs.State) error {
	out, err := hookOutput(state.Annotations)
	if err != nil {
		return err
	}
	defer out.close()
	data, err := json.Marshal(state)
	if err != nil {
		return fault.In(h.Field, err)
	}
	// In memory, so that it does not matter how much of it the hook reads.
	stdin, err := memFile("state", data)
	if err != nil {
		return fault.In(h.Field, err)
	}
	defer stdin.Close()
	// A pipe would be kept open by what the hook leaves running.
	stderr, err := memFile("stderr", nil)
	if err != nil {
		return fault.In(h.Field, err)
	}
	defer stderr.Close()
	// Descriptors that the caller left open are not the hook's.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fault.In(h.Field, fault.Op(err, "close_range"))
	}
	timed, cancel := ctx, context.CancelFunc(func() {})
	if n := h.Seconds(); n != 0 {
		timed, cancel = context.WithTimeout(ctx, time.Duration(n)*time.Second)
	}
	defer cancel()
	cmd := exec.CommandContext(timed, h.Path)
	cmd.Args, cmd.Env, cmd.Dir = h.Argv(), append([]string{}, h.Env...), "/"
	if _, err := os.Stat(state.Bundle); err == nil {
		cmd.Dir = state.Bundle
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, out[0], stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	after := early.Plainly()
	err = cmd.Run()
	after()
	if _, err := io.Copy(out[1], io.NewSectionReader(stderr, 0, math.MaxInt64)); err != nil {
		return fault.In(h.Field, fault.Op(err, "%s: pass on its standard error", h.Path))
	}
	var exit *exec.ExitError
	var missing *fs.PathError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case timed.Err() != nil:
		return fault.Field(h.Field, "%s: has not ended within %d s, and was killed%s", h.Path, h.Seconds(), lastLine(stderr))
	case errors.As(err, &exit):
		return fault.Field(h.Field, "%s: %v%s", h.Path, exit, lastLine(stderr))
	case errors.As(err, &missing):
		err = missing.Err
	}
	return &fault.Error{Field: h.Field, Text: h.Path, Err: err}
}

// hookFiles are standard output and standard error for hooks.
type hookFiles [2]*os.File

// hookOutput opens the files that the annotations name; others are the
// caller's own.
func hookOutput(annotations map[string]string) (hookFiles, error) {
	out := hookFiles{os.Stdout, os.Stderr}
	for i, name := range []string{plan.HooksStdout, plan.HooksStderr} {
		path := annotations[name]
		if path == "" {
			continue
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND|unix.O_NOCTTY, 0o600)
		if err != nil {
			out.close()
			return out, fault.In("annotations "+name, err)
		}
		out[i] = f
	}
	return out, nil
}

func (f hookFiles) close() {
	for i, own := range []*os.File{os.Stdout, os.Stderr} {
		if f[i] != own {
			f[i].Close()
		}
	}
}

// memFile is a file in memory that holds data, to be read from its start.
func memFile(name string, data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, fault.Op(err, "memfd_create")
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err = f.Write(data); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fault.Op(err, "fill a memfd")
	}
	return f, nil
}

// maxLine is how much of a hook's last line an error shows, in bytes.
const maxLine = 256

// lastLine is ": " and the last line of f that is not blank, or "".
func lastLine(f *os.File) string {
	st, err := f.Stat()
	if err != nil {
		return ""
	}
	end := make([]byte, min(st.Size(), maxLine))
	if _, err := f.ReadAt(end, st.Size()-int64(len(end))); err != nil {
		return ""
	}
	text := strings.TrimSpace(string(end))
	if text == "" {
		return ""
	}
	return ": " + strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return '?'
	}, text[strings.LastIndexByte(text, '\n')+1:])
}
