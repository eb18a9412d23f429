package container

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundle"
	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/files"
	"ocibox/core/namespace"
	"ocibox/core/plan"
	"ocibox/core/pty"
)

// Options say how a container is created or run.
type Options struct {
	ID            string
	Bundle        string // "" for the working directory
	PidFile       string // gets the init's pid, or ""
	ConsoleSocket string // takes the terminal's master, or ""
	PreserveFDs   int    // descriptors from 3 up for the process
	Foreground    bool   // the caller stays, with the terminal or the streams
	// Interrupt, if not nil, brings SIGHUP, SIGINT, SIGQUIT or SIGTERM. The
	// first ends the attempt; once the container runs in the foreground, it
	// gets them.
	Interrupt <-chan os.Signal
	// Warn is told what of the config.json has no effect.
	Warn func(string)
	// Steps, if not nil, gets the plan's steps before they are carried out.
	Steps io.Writer
}

// attempt is a container in the making. Its undo list takes back, in reverse,
// what was done so far.
type attempt struct {
	Options
	store   Store
	spec    *specs.Spec
	plan    *plan.Plan
	c       *Container
	linked  *clone.Linked
	proc    *clone.Process
	console *os.File // brings the master to a caller that stays
	undo    []func() error
	close   []func()
	done    chan struct{}
	stopped chan os.Signal
	watched chan struct{}
}

// Compile makes the plan for the bundle, without touching anything.
func Compile(o Options, started bool) (*specs.Spec, *plan.Plan, error) {
	dir, err := filepath.Abs(o.Bundle)
	if err != nil {
		return nil, nil, fault.Op(err, "find the working directory")
	}
	spec, config, err := bundle.Load(dir)
	if err != nil {
		return nil, nil, err
	}
	if o.Foreground && spec.Process != nil && spec.Process.Terminal {
		// The relay keeps it up to date; this is for before the first look.
		if size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ); err == nil {
			spec.Process.ConsoleSize = &specs.Box{Height: uint(size.Row), Width: uint(size.Col)}
		}
	}
	host, err := Host()
	if err != nil {
		return nil, nil, err
	}
	if err := modules(&host, spec); err != nil {
		return nil, nil, err
	}
	in := plan.Input{Spec: spec, ID: o.ID, Bundle: dir, Host: host, Started: started, PreserveFDs: o.PreserveFDs}
	if spec.Root != nil && spec.Process != nil {
		if in.Home, err = home(spec, plan.RootFS(spec, dir), dir); err != nil {
			return nil, nil, err
		}
	}
	p, err := plan.Compile(in)
	if err != nil {
		return nil, nil, err
	}
	p.Config = config
	return spec, p, nil
}

// Create creates a container, whose init then waits for Start.
func (s Store) Create(o Options) error {
	a, err := s.prepare(o, false)
	if err != nil {
		return err
	}
	defer a.release()
	return a.undone(a.launch())
}

// prepare checks everything that can be checked before anything is made.
func (s Store) prepare(o Options, started bool) (*attempt, error) {
	if err := CheckID(o.ID); err != nil {
		return nil, err
	}
	spec, p, err := Compile(o, started)
	if err != nil {
		return nil, err
	}
	if o.Steps != nil {
		if err := p.Explain(o.Steps, true); err != nil {
			return nil, err
		}
	}
	if err := checkConsole(spec.Process.Terminal, o); err != nil {
		return nil, err
	}
	if err := checkRoot(p.RootFS); err != nil {
		return nil, err
	}
	if err := checkPreserved(o.PreserveFDs); err != nil {
		return nil, err
	}
	return &attempt{Options: o, store: s, spec: spec, plan: p, done: make(chan struct{})}, nil
}

func checkConsole(terminal bool, o Options) error {
	switch {
	case terminal && !o.Foreground && o.ConsoleSocket == "":
		return fault.Field("process.terminal", "is true, and there is no --console-socket to send the terminal to").WithHint("recvtty makes such a socket; in the foreground, the caller's terminal is used")
	case !terminal && o.ConsoleSocket != "":
		return fault.Field("process.terminal", "is false: there is no terminal for --console-socket")
	case o.Foreground && o.ConsoleSocket != "":
		return fault.Field("process.terminal", "the caller's terminal is used in the foreground: --console-socket is for a detached container")
	}
	return nil
}

// checkRoot says in plain words what would make the first mount fail.
func checkRoot(path string) error {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	switch {
	case err != nil:
		return &fault.Error{Field: "root.path", Text: path, Err: err}
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		return fault.Field("root.path", "%s is a symlink", path)
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fault.Field("root.path", "%s is not a directory", path)
	}
	return nil
}

// checkPreserved makes sure that the caller did pass the descriptors: those
// that the Go runtime opened for itself are close-on-exec.
func checkPreserved(n int) error {
	if n < 0 {
		return fault.Op(nil, "--preserve-fds %d is negative", n)
	}
	for fd := 3; fd < 3+n; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			return fault.Op(nil, "--preserve-fds %d: descriptor %d is not open", n, fd)
		}
	}
	return nil
}

// launch makes the container up to where its init waits, or runs.
func (a *attempt) launch() error {
	c, err := a.store.make(a.ID)
	if err != nil {
		return err
	}
	a.c = c
	a.undo = append(a.undo, c.remove)
	a.close = append(a.close, c.Unlock)
	if err := c.keep(a.plan.Config); err != nil {
		return err
	}
	if a.plan.Rdt != nil {
		// Before they are made, for delete --force after a kill -9.
		c.Version, c.Rdt = a.spec.Version, a.plan.Rdt.Missing()
		if err := c.save(); err != nil {
			return err
		}
	}
	fds, err := a.descriptors()
	if err != nil {
		return err
	}
	if a.linked, err = a.plan.Program.Link(); err != nil {
		return err
	}
	a.close = append(a.close, func() { a.linked.Close() })
	if a.proc, err = a.linked.Start(fds...); err != nil {
		return explainClone(err, a.plan.Program.Flags)
	}
	a.close = append(a.close, a.proc.Release)
	a.undo = append(a.undo, a.proc.Kill)
	a.watch()
	for i, stop := range a.plan.Stops {
		if !stop.Quiet {
			if err := a.next(); err != nil {
				return err
			}
		}
		for _, action := range stop.Actions {
			if action.Do == nil {
				continue
			}
			if err := action.Do(a.proc.Pid); err != nil {
				return fault.In(action.Field, err)
			}
			if action.Undo != nil {
				a.undo = append(a.undo, action.Undo)
			}
			if action.Close != nil {
				a.close = append(a.close, action.Close)
			}
		}
		if i == len(a.plan.Stops)-1 {
			if err := a.record(); err != nil {
				return err
			}
			for _, w := range a.plan.Warnings {
				a.Warn(w)
			}
		}
		if err := a.proc.Go(); err != nil {
			if why := a.next(); why != nil {
				return why
			}
			return err
		}
	}
	return nil
}

// next waits for the child and turns its failure into an error.
func (a *attempt) next() error {
	err := a.proc.Next()
	var f *clone.Failure
	switch {
	case errors.Is(err, clone.ErrInterrupted):
		return fault.Op(nil, "interrupted by %s", unix.SignalName((<-a.stopped).(unix.Signal)))
	case errors.As(err, &f):
		return explain(f, a.spec, a.plan)
	}
	return err
}

// watch ends the child when a signal comes; next says so. It lasts until
// unwatch.
func (a *attempt) watch() {
	stopped, watched := make(chan os.Signal, 1), make(chan struct{})
	a.stopped, a.watched = stopped, watched
	go func() {
		select {
		case sig := <-a.Interrupt:
			stopped <- sig
			a.proc.Interrupt()
		case <-watched:
		}
	}()
}

func (a *attempt) unwatch() {
	if a.watched != nil {
		close(a.watched)
		a.watched = nil
	}
}

// descriptors opens what the child starts with.
func (a *attempt) descriptors() ([]clone.FD, error) {
	var fds []clone.FD
	add := func(r clone.Reg, fd int) {
		fds = append(fds, clone.FD{Reg: r, FD: fd})
		a.close = append(a.close, func() { unix.Close(fd) })
	}
	for _, j := range a.plan.Joins {
		fd, err := namespace.Open(j.Path, j.Kind)
		if err != nil {
			return nil, fault.In(j.Field+".path", err)
		}
		add(j.Reg, fd)
		if err := checkNotOwn(j, fd); err != nil {
			return nil, err
		}
	}
	if a.plan.Proc != 0 {
		fd, err := openProc()
		if err != nil {
			return nil, err
		}
		add(a.plan.Proc, fd)
	}
	if a.plan.Listen != 0 {
		fd, err := a.c.listen()
		if err != nil {
			return nil, err
		}
		add(a.plan.Listen, fd)
	}
	if a.plan.Console != 0 {
		fd, err := a.consoleEnd()
		if err != nil {
			return nil, err
		}
		add(a.plan.Console, fd)
	}
	return fds, nil
}

// consoleEnd is the socket that the child sends its terminal to.
func (a *attempt) consoleEnd() (int, error) {
	if !a.Foreground {
		sock, err := pty.Dial(a.ConsoleSocket)
		if err != nil {
			return -1, fault.In("process.terminal", err)
		}
		defer sock.Close()
		return unix.FcntlInt(sock.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fault.Op(err, "make a socket pair")
	}
	a.console = os.NewFile(uintptr(pair[0]), "console")
	a.close = append(a.close, func() { a.console.Close() })
	return pair[1], nil
}

// record makes the container known: its init stands ready.
func (a *attempt) record() error {
	start, err := startTime(a.proc.Pid)
	if err != nil {
		return err
	}
	a.c.State = State{
		Version: a.spec.Version, ID: a.ID, Pid: a.proc.Pid, StartTime: start, Bundle: a.plan.Bundle, Rootfs: a.plan.RootFS,
		Created: time.Now().UTC(), Owner: uint32(os.Geteuid()), Annotations: a.spec.Annotations,
		Paths: a.plan.Paths, Rdt: a.c.Rdt,
	}
	if a.PidFile != "" {
		if err := files.Replace(a.PidFile, []byte(strconv.Itoa(a.proc.Pid)), 0o644); err != nil {
			return err
		}
		a.undo = append(a.undo, func() error { return os.Remove(a.PidFile) })
	}
	return a.c.save()
}

// undone takes everything back if err is not nil.
func (a *attempt) undone(err error) error {
	if err == nil {
		return nil
	}
	for i := len(a.undo) - 1; i >= 0; i-- {
		if e := a.undo[i](); e != nil {
			err = &fault.Error{Text: err.Error() + "; and then", Err: e, Hint: fault.Hint(err)}
		}
	}
	return err
}

// release closes what the caller need not keep. The child is not waited for.
func (a *attempt) release() {
	a.unwatch()
	close(a.done)
	for i := len(a.close) - 1; i >= 0; i-- {
		a.close[i]()
	}
}
