package runtime

import (
	"os"

	"golang.org/x/sys/unix"

	"ocibox/applets/cli"
	"ocibox/core/container"
	"ocibox/core/fault"
	"ocibox/core/pty"
	"ocibox/core/seal"
)

// bundleFlags are those of every command that makes a container.
func bundleFlags(e *env, f *cli.Flags) *container.Options {
	o := &container.Options{Warn: e.log.warn}
	if e.log.debug {
		o.Steps = debugWriter{e.log}
	}
	f.StringVarP(&o.Bundle, "bundle", "b", "", "the bundle's directory (default: the working directory)")
	f.StringVar(&o.PidFile, "pid-file", "", "write the pid of the container's init to this file")
	f.StringVar(&o.ConsoleSocket, "console-socket", "", "socket that takes the container's terminal")
	f.IntVar(&o.PreserveFDs, "preserve-fds", 0, "pass this many descriptors, from 3 up, to the container")
	return o
}

// parseID reads the flags and the one operand, the container's id.
func parseID(e *env, f *cli.Flags, args []string) (string, error) {
	if err := f.Parse(e.std, args); err != nil {
		return "", err
	}
	ops, err := f.Operands(1, 1)
	if err != nil {
		return "", err
	}
	return ops[0], nil
}

// catch has the signals that end a command brought to it, until stop is called
// or the program is executed anew.
func catch(o *container.Options) (stop func()) {
	signals, stop := pty.Signals()
	o.Interrupt = signals
	o.Program = seal.Program{Args: os.Args, Env: os.Environ(), Before: func() error {
		stop()
		select {
		case sig := <-signals:
			return fault.Op(nil, "interrupted by %s", unix.SignalName(sig.(unix.Signal)))
		default:
			return nil
		}
	}}
	return stop
}

func create(e *env, f *cli.Flags, args []string) error {
	o := bundleFlags(e, f)
	var err error
	if o.ID, err = parseID(e, f, args); err != nil {
		return err
	}
	defer catch(o)()
	return e.store.Create(*o)
}

func run(e *env, f *cli.Flags, args []string) error {
	o := bundleFlags(e, f)
	detach := f.BoolP("detach", "d", false, "leave the container running and return")
	keep := f.Bool("keep", false, "keep the container's state when it has ended")
	var err error
	if o.ID, err = parseID(e, f, args); err != nil {
		return err
	}
	defer catch(o)()
	o.Foreground = !*detach
	status, err := e.store.Run(*o, *keep)
	if err == nil && status != 0 {
		return cli.Status(status)
	}
	return err
}

func start(e *env, f *cli.Flags, args []string) error {
	id, err := parseID(e, f, args)
	if err != nil {
		return err
	}
	return e.store.Start(id)
}

func explain(e *env, f *cli.Flags, args []string) error {
	o := container.Options{ID: "explained"}
	f.StringVarP(&o.Bundle, "bundle", "b", "", "the bundle's directory (default: the working directory)")
	all := f.Bool("all", false, "list also what closes descriptors, and each capability that is dropped")
	if err := f.Parse(e.std, args); err != nil {
		return err
	}
	if _, err := f.Operands(0, 0); err != nil {
		return err
	}
	_, p, err := container.Compile(o, false)
	if err != nil {
		return err
	}
	for _, w := range p.Warnings {
		e.log.warn(w)
	}
	return p.Explain(e.std.Out, *all)
}
