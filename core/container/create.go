package container

import (
	"context"
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
	"ocibox/core/notify"
	"ocibox/core/plan"
	"ocibox/core/pty"
	"ocibox/core/seal"
)

// Options say how a container is created or run.
type Options struct {
	ID            string
	Bundle        string // "" for the working directory
	Config        string // a file in place of the bundle's config.json, or ""
	PidFile       string // gets the init's pid, or ""
	ConsoleSocket string // takes the terminal's master, or ""
	PidfdSocket   string // takes a pidfd of the init, or ""
	PreserveFDs   int    // descriptors from 3 up for the process
	NoPivot       bool   // the root is moved over "/" instead of pivot_root(2)
	NoKeyring     bool   // the process keeps the caller's session keyring
	NoSubreaper   bool   // in the foreground, do not take over the container's orphans
	Foreground    bool   // the caller stays, with the terminal or the streams
	// Interrupt, if not nil, brings SIGHUP, SIGINT, SIGQUIT or SIGTERM. The
	// first ends the attempt; once the container runs in the foreground, it
	// gets them.
	Interrupt <-chan os.Signal
	// Program is executed anew, from a sealed copy, where the container could
	// write to its file otherwise.
	Program seal.Program
	// Manager is the service manager that the caller is for.
	Manager Manager
	// Warn is told what of the config.json has no effect.
	Warn func(string)
	// Steps, if not nil, gets the plan's steps before they are carried out.
	Steps io.Writer

	notifyFolder string // absolute
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
	notify  *notify.Relay
	trees   trees
	agent   int      // socket of the listener's agent, until the child has it, or -1
	console *os.File // brings the master to a caller that stays
	signal  func(unix.Signal) error
	undo    []func() error
	close   []func()
	held    []func()        // what undo needs besides
	hooks   context.Context // ends when a signal comes
	cancel  context.CancelFunc
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
	spec, config, err := o.load(dir)
	if err != nil {
		return nil, nil, err
	}
	o.size(spec.Process)
	o.Manager.tell(spec, o.notifyFolder)
	host, err := Host()
	if err != nil {
		return nil, nil, err
	}
	if err := modules(&host, spec); err != nil {
		return nil, nil, err
	}
	in := plan.Input{Spec: spec, ID: o.ID, Bundle: dir, Host: host, Started: started,
		PreserveFDs: o.Manager.ListenFDs + o.PreserveFDs, NoPivot: o.NoPivot, NoKeyring: o.NoKeyring}
	if spec.Root != nil && spec.Process != nil {
		if in.Home, err = home(spec, plan.RootFS(spec, dir), dir); err != nil {
			return nil, nil, err
		}
	}
	if in.NoPivot {
		if in.Host.KernelMounts, err = kernelMounts(); err != nil {
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

// size gives the terminal of a process in the foreground the caller's size. The
// relay keeps it up to date; this is for before the first look.
func (o Options) size(p *specs.Process) {
	if !o.Foreground || p == nil || !p.Terminal {
		return
	}
	if size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ); err == nil {
		p.ConsoleSize = &specs.Box{Height: uint(size.Row), Width: uint(size.Col)}
	}
}

// load reads the config.json of the bundle dir, or what is given in its place.
func (o Options) load(dir string) (*specs.Spec, []byte, error) {
	if o.Config == "" {
		return bundle.Load(dir)
	}
	return bundle.LoadFile(o.Config)
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
	if err := o.Manager.check(); err != nil {
		return nil, err
	}
	o.notifyFolder = filepath.Join(s.Root, o.ID, notifyFolder)
	spec, p, err := Compile(o, started)
	if err != nil {
		return nil, err
	}
	if err := o.Program.Seal(ownUIDs(spec)); err != nil {
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
	if err := checkFilter(p.Seccomp); err != nil {
		return nil, err
	}
	if err := checkInherited("--preserve-fds", 3+o.Manager.ListenFDs, o.PreserveFDs); err != nil {
		return nil, err
	}
	a := newAttempt(o, spec, p)
	a.store = s
	return a, nil
}

// ownUIDs are the uids of the user namespace that was made for the container,
// if any.
func ownUIDs(s *specs.Spec) []specs.LinuxIDMapping {
	if s.Linux != nil {
		for _, n := range s.Linux.Namespaces {
			if n.Type == specs.UserNamespace && n.Path == "" {
				return s.Linux.UIDMappings
			}
		}
	}
	return nil
}

func newAttempt(o Options, spec *specs.Spec, p *plan.Plan) *attempt {
	a := &attempt{Options: o, spec: spec, plan: p, agent: -1, done: make(chan struct{})}
	a.hooks, a.cancel = context.WithCancel(context.Background())
	return a
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

// checkInherited makes sure that the caller did pass n descriptors from first
// up, as it says by the option or variable name: those that the Go runtime
// opened for itself are close-on-exec.
func checkInherited(name string, first, n int) error {
	if n < 0 {
		return fault.Op(nil, "%s %d is negative", name, n)
	}
	for i := range n {
		fd := first + i
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			return fault.Op(nil, "%s %d: descriptor %d is not open", name, n, fd)
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
	a.c, a.signal = c, c.signal
	a.undo = append(a.undo, func() error { return a.store.discard(c, a.spec) })
	a.close = append(a.close, c.Unlock)
	if err := a.prepareNotify(); err != nil {
		return err
	}
	if err := a.begin(); err != nil {
		return err
	}
	fds, err := a.descriptors()
	if err != nil {
		return err
	}
	return a.spawn(fds, a.record)
}

// spawn starts the child with fds and goes with it through the plan's stops, at
// the last of which ready is called.
func (a *attempt) spawn(fds []clone.FD, ready func() error) error {
	var err error
	if a.linked, err = a.plan.Program.Link(); err != nil {
		return err
	}
	a.close = append(a.close, func() { a.linked.Close() })
	if a.proc, err = a.linked.Start(fds...); err != nil {
		return explainClone(err, a.plan.Program.Flags)
	}
	a.leaveAgent()
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
			if err := a.do(action); err != nil {
				return err
			}
			if action.Undo != nil {
				a.undo = append(a.undo, action.Undo)
			}
			if action.Close != nil {
				a.held = append(a.held, action.Close)
			}
		}
		if i == len(a.plan.Stops)-1 {
			if err := ready(); err != nil {
				return err
			}
			for _, w := range a.plan.Warnings {
				a.Warn(w)
			}
		}
		if stop.Trees {
			if err := a.openTrees(); err != nil {
				return err
			}
		}
		if err := a.proc.Go(); err != nil {
			if why := a.next(); why != nil {
				return why
			}
			return err
		}
		if stop.Trees {
			if err := a.treesOpened(); err != nil {
				return err
			}
		}
	}
	return nil
}

// do carries out what the parent has to do while the child waits.
func (a *attempt) do(action plan.Action) error {
	switch {
	case action.Listener:
		return fault.In(action.Field, a.plan.Listener.Fill(a.linked, a.proc.Pid))
	case action.Hook != nil:
		return a.hook(*action.Hook, specs.StateCreating)
	case action.Do != nil:
		return fault.In(action.Field, action.Do(a.proc.Pid))
	}
	return nil
}

// hook runs a hook, as long as no signal comes.
func (a *attempt) hook(h plan.Hook, status specs.ContainerState) error {
	err := runHook(a.hooks, h, a.c.hookState(status, a.proc.Pid))
	if errors.Is(err, context.Canceled) {
		return a.interrupted()
	}
	return err
}

// next waits for the child and turns its failure into an error.
func (a *attempt) next() error {
	err := a.proc.Next()
	var f *clone.Failure
	switch {
	case errors.Is(err, clone.ErrInterrupted):
		return a.interrupted()
	case errors.As(err, &f):
		return explain(f, a.spec, a.plan)
	}
	return err
}

func (a *attempt) interrupted() error {
	return fault.Op(nil, "interrupted by %s", unix.SignalName((<-a.stopped).(unix.Signal)))
}

// watch ends the child, and a hook, when a signal comes; next and hook say so.
// It lasts until unwatch.
func (a *attempt) watch() {
	stopped, watched := make(chan os.Signal, 1), make(chan struct{})
	a.stopped, a.watched = stopped, watched
	go func() {
		select {
		case sig := <-a.Interrupt:
			stopped <- sig
			a.proc.Interrupt()
			a.cancel()
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
	if a.plan.Trees != nil {
		fd, err := a.treesPair()
		if err != nil {
			return nil, err
		}
		fds = append(fds, clone.FD{Reg: a.plan.Trees.Receive, FD: fd})
	}
	if a.plan.Listen != 0 {
		fd, err := a.c.listen()
		if err != nil {
			return nil, err
		}
		add(a.plan.Listen, fd)
	}
	if a.plan.HookOutput != [2]clone.Reg{} {
		out, err := hookOutput(a.spec.Annotations)
		if err != nil {
			return nil, err
		}
		defer out.close()
		for i, r := range a.plan.HookOutput {
			if r == 0 {
				continue
			}
			fd, err := unix.FcntlInt(out[i].Fd(), unix.F_DUPFD_CLOEXEC, 3)
			if err != nil {
				return nil, fault.Op(err, "dup %s", out[i].Name())
			}
			add(r, fd)
		}
	}
	if l := a.plan.Listener; l != nil {
		if err := a.meetAgent(); err != nil {
			return nil, err
		}
		fds = append(fds, clone.FD{Reg: l.Sock, FD: a.agent})
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

// begin writes down what is known of the container before it is there: what
// its poststop hooks will have to know, whatever happens meanwhile.
func (a *attempt) begin() error {
	a.c.State = State{
		Version: a.spec.Version, ID: a.ID, Bundle: a.plan.Bundle, Rootfs: a.plan.RootFS,
		Created: time.Now().UTC(), Owner: uint32(os.Geteuid()), Annotations: a.spec.Annotations,
		Paths: a.plan.Paths, NoKeyring: a.NoKeyring,
	}
	if a.plan.Rdt != nil {
		// Before they are made, for delete --force after a kill -9.
		a.c.Rdt = a.plan.Rdt.Missing()
	}
	if err := a.c.keep(a.plan.Config); err != nil {
		return err
	}
	return a.c.save()
}

// record makes the container known: its init stands ready.
func (a *attempt) record() error {
	start, err := startTime(a.proc.Pid)
	if err != nil {
		return err
	}
	a.c.Pid, a.c.StartTime, a.c.MountID = a.proc.Pid, start, namespace.MountID(a.proc.Pid)
	if err := a.writePid(); err != nil {
		return err
	}
	if err := a.sendPidfds(); err != nil {
		return err
	}
	return a.c.save()
}

func (a *attempt) writePid() error {
	if a.PidFile == "" {
		return nil
	}
	if err := files.Replace(a.PidFile, []byte(strconv.Itoa(a.proc.Pid)), 0o644); err != nil {
		return err
	}
	a.undo = append(a.undo, func() error { return os.Remove(a.PidFile) })
	return nil
}

// letGo gives up what only the undoing of an action needs, once it is settled
// that the container stays.
func (a *attempt) letGo() {
	for _, f := range a.held {
		f()
	}
	a.held = nil
}

// undone takes everything back if err is not nil.
func (a *attempt) undone(err error) error {
	if err == nil {
		return nil
	}
	for i := len(a.undo) - 1; i >= 0; i-- {
		err = andThen(err, a.undo[i]())
	}
	return err
}

// andThen is err, and what went wrong in undoing what led to it.
func andThen(err, undo error) error {
	if undo == nil {
		return err
	}
	return &fault.Error{Text: err.Error() + "; and then", Err: undo, Hint: fault.Hint(err)}
}

// release closes what the caller need not keep. The child is not waited for.
func (a *attempt) release() {
	a.unwatch()
	a.letGo()
	a.cancel()
	close(a.done)
	for i := len(a.close) - 1; i >= 0; i-- {
		a.close[i]()
	}
}
