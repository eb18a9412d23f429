package runtime

import (
	"os"

	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/container"
	"ocibox/core/early"
	"ocibox/core/fault"
	"ocibox/core/seal"
	"ocibox/core/signals"
)

// planFlags are those of every command that reads a bundle.
func planFlags(f *cli.Flags) *container.Options {
	o := &container.Options{}
	f.StringVarP(&o.Bundle, "bundle", "b", "", "the bundle, a `DIR` (default: the working directory)")
	f.StringVarP(&o.Config, "config", "f", "", "`FILE` to read in place of the bundle's config.json")
	f.BoolVar(&o.NoPivot, "no-pivot", false, "move the root over / where pivot_root(2) cannot be used, in an initramfs; the host's mounts are then less well hidden")
	f.BoolVar(&o.NoKeyring, "no-new-keyring", false, "let the container have the caller's session keyring")
	f.IntVar(&o.PreserveFDs, "preserve-fds", 0, "pass `N` descriptors, from 3 up, to the container")
	return o
}

// createFlags are those of every command that makes a container.
func createFlags(f *cli.Flags) *container.Options {
	o := planFlags(f)
	f.StringVar(&o.PidFile, "pid-file", "", "write the pid of the container's init to `FILE`")
	f.StringVar(&o.ConsoleSocket, "console-socket", "", "`SOCKET` that takes the container's terminal")
	f.StringVar(&o.PidfdSocket, "pidfd-socket", "", "`SOCKET` that takes a pidfd of the container's init")
	return o
}

// begin puts to the options what does not come from flags. The signals that end
// a command are brought to it until stop is called or the program is executed
// anew.
func begin(e *env, o *container.Options) (stop func(), err error) {
	p, err := signals.New()
	if err != nil {
		return nil, err
	}
	if err := p.Catch(true, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM); err != nil {
		return nil, err
	}
	o.Signals, o.Warn, o.CgroupManager, o.Bus = p, e.log.warn, e.cgroups, bus()
	if e.log.debug() {
		o.Steps = debugWriter{e.log}
	}
	o.Program = seal.Program{Args: os.Args, Before: func() error {
		p.Stop()
		if s := p.Next(); s != 0 {
			return fault.Op(nil, "interrupted by %s", unix.SignalName(s))
		}
		return nil
	}}
	return p.End, nil
}

func create(f *cli.Flags) action {
	o := createFlags(f)
	f.Bool("no-subreaper", false, "do not take over the container's orphans")
	f.NoEffect("no-subreaper", "create does not stay to take them")
	return func(e *env, operands []string) error {
		o.ID = operands[0]
		var err error
		if o.Manager, err = manager(); err != nil {
			return err
		}
		stop, err := begin(e, o)
		if err != nil {
			return err
		}
		defer stop()
		return e.store.Create(*o)
	}
}

func run(f *cli.Flags) action {
	o := createFlags(f)
	detach := f.BoolP("detach", "d", false, "leave the container running and return")
	keep := f.Bool("keep", false, "keep the container's state when it has ended")
	f.BoolVar(&o.NoSubreaper, "no-subreaper", false, "do not take over the container's orphans while it runs")
	return func(e *env, operands []string) error {
		o.Foreground = !*detach
		o.ID = operands[0]
		var err error
		if o.Manager, err = manager(); err != nil {
			return err
		}
		stop, err := begin(e, o)
		if err != nil {
			return err
		}
		defer stop()
		status, err := e.store.Run(*o, *keep)
		if err == nil && status != 0 {
			return cli.Status(status)
		}
		return err
	}
}

func start(*cli.Flags) action {
	return func(e *env, operands []string) error {
		return e.store.Start(operands[0], early.Getenv("NOTIFY_SOCKET"))
	}
}

func explain(f *cli.Flags) action {
	o := planFlags(f)
	all := f.Bool("all", false, "list also what closes descriptors, and each capability that is dropped")
	calls := f.StringArray("seccomp", nil, "print what linux.seccomp does with a system call, `[ARCH/]NAME[:ARG,…]`, and by which rule")
	return func(e *env, _ []string) error {
		o.ID, o.CgroupManager, o.Bus = "explained", e.cgroups, bus()
		spec, p, err := container.Compile(*o, false)
		if err != nil {
			return err
		}
		for _, w := range p.Warnings {
			e.log.warn(w)
		}
		if len(*calls) > 0 {
			return decide(e.std.Out, spec.Linux.Seccomp, *calls)
		}
		return p.Explain(e.std.Out, *all)
	}
}
