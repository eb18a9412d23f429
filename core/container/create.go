package container

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundle"
	"ocibox/core/cgroup"
	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/notify"
	"ocibox/core/plan"
	"ocibox/core/seal"
	"ocibox/core/signals"
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
	// Signals brings SIGHUP, SIGINT, SIGQUIT and SIGTERM. The first ends the
	// attempt; once the container runs in the foreground, it gets them, and
	// most others.
	Signals *signals.Pipe
	// Program is executed anew, from a sealed copy, where the container could
	// write to its file otherwise.
	Program seal.Program
	// CgroupManager makes the container's cgroup.
	CgroupManager cgroup.Manager
	// Bus is where systemd is reached, for that manager: cgroup.Service.Bus.
	Bus string
	// Manager is the service manager that the caller is for.
	Manager Manager
	// Warn is told what of the config.json has no effect.
	Warn func(string)
	// Steps, if not nil, gets the plan's steps before they are carried out.
	Steps io.Writer

	notifyFolder string       // absolute
	image        *clone.Image // of the running program, where the child executes from another file
	exe          int          // descriptor of what the child executes from, where there is an image
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
	hooks   context.Context // ends when a signal comes; nil before there is a hook
	cancel  context.CancelFunc
	stopped unix.Signal   // that ends the attempt, or 0
	caught  []unix.Signal // others, for the process once it runs
	unheard bool          // its end will tell whether it was executed
}

// Compile makes the plan for the bundle, without touching anything.
func Compile(o Options, started bool) (*specs.Spec, *plan.Plan, error) {
	return o.compile(started)
}

func (o *Options) compile(started bool) (*specs.Spec, *plan.Plan, error) {
	dir, err := filepath.Abs(o.Bundle)
	if err != nil {
		return nil, nil, fault.Op(err, "find the working directory")
	}
	spec, config, err := o.load(dir)
	if err != nil {
		return nil, nil, err
	}
	if err := o.seal(spec); err != nil {
		return nil, nil, err
	}
	o.size(spec.Process)
	o.Manager.tell(spec, o.notifyFolder)
	host, err := Host()
	if err != nil {
		return nil, nil, err
	}
	if host.Cgroups, err = cgroup.Probe(o.CgroupManager != cgroup.Cgroupfs || spec.Linux == nil || !filepath.IsAbs(spec.Linux.CgroupsPath) || host.Userns || host.Self.EUID != 0); err != nil {
		return nil, nil, err
	}
	if err := modules(&host, spec); err != nil {
		return nil, nil, err
	}
	if o.CgroupManager == cgroup.Systemd {
		if host.Systemd, err = cgroup.FindSystemd(o.Bus); err != nil {
			return nil, nil, err
		}
	}
	in := plan.Input{Spec: spec, ID: o.ID, Bundle: dir, Host: host, Started: started,
		PreserveFDs: o.Manager.ListenFDs + o.PreserveFDs, NoPivot: o.NoPivot, NoKeyring: o.NoKeyring, CgroupManager: o.CgroupManager, Image: o.image}
	if spec.Root != nil && spec.Process != nil {
		if in.Home, err = home(spec, plan.RootFS(spec, dir), dir); err != nil {
			return nil, nil, err
		}
	}
	if err := lookAtRoot(&in.Host); err != nil {
		return nil, nil, err
	}
	if in.NoPivot || in.Host.Bottom {
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
	if err := checkKernel(); err != nil {
		return nil, err
	}
	if err := o.Manager.check(); err != nil {
		return nil, err
	}
	o.notifyFolder = filepath.Join(s.Root, o.ID, notifyFolder)
	spec, p, err := o.compile(started)
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

// seal keeps the container from writing to the caller's program. To do it for the
// child alone takes a pid namespace that is the container's own, and that nobody
// else makes its mounts.
func (o *Options) seal(s *specs.Spec) (err error) {
	if len(o.Program.Args) == 0 {
		return nil // the plan is not carried out
	}
	ownPids := s.Linux != nil && slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == specs.PIDNamespace && n.Path == ""
	})
	o.exe, o.image, err = o.Program.Seal(ownUIDs(s), func() *clone.Image {
		if !ownPids {
			return nil
		}
		return clone.OwnImage()
	})
	return err
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
	a := &attempt{Options: o, spec: spec, plan: p, agent: -1}
	if o.image != nil {
		a.close = append(a.close, func() { unix.Close(o.exe) })
	}
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
