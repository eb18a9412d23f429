// Package init is the applet that is the first process of a machine.
package init

import (
	"fmt"
	"os"
	"strings"

	"ocibox/applets/cli"
	"ocibox/core/boot"
	"ocibox/core/fault"
)

const summary = `Be the first process of a machine: mount /proc, /sys, /dev, /dev/pts, /dev/shm,
/run, /tmp and the cgroups, as far as they are not mounted yet, load the modules
/lib/modules/*.ko, bring lo up, and run COMMAND, or else a shell, on the console.
When that ends, every other process is killed and the machine powers off. Orphans
are reaped meanwhile.

The kernel starts it as rdinit=/init out of an initramfs, as init=PATH from a
disk; the options and the command stand behind -- on the kernel's command line:

  console=ttyS0 rdinit=/init -- --cgroup v1 /bin/script argument

SIGUSR2 powers the machine off, SIGUSR1 halts and SIGTERM reboots it, as the
poweroff, halt and reboot of busybox ask for it. In a container, where there is no
machine to end, it exits with the command's status.`

type flags struct {
	*cli.Flags
	cgroup *string
}

func newFlags() flags {
	f := cli.NewFlags("init", "[OPTION…] [COMMAND [ARG…]]", summary)
	f.SetInterspersed(false)
	return flags{f, f.Choice("cgroup", "", []string{"v2", "v1", "none"}, "which `v2|v1|none` version of cgroups is mounted, with every controller")}
}

// Syntax is the applet's command line, for completion.
func Syntax() cli.Syntax { return cli.Syntax{Flags: newFlags().Flags} }

// noStart is a shell's status for a command that it cannot start.
const noStart = 127

// Run is the applet.
func Run(std cli.Std, args []string) error {
	if os.Getpid() != 1 {
		if err := newFlags().Parse(std, args); err != nil {
			return err
		}
		return fault.Op(nil, "is for the first process of a machine or a container: this is process %d", os.Getpid())
	}
	procErr := boot.Proc()
	machine, err := boot.OwnsMachine()
	if err == nil && !machine {
		end, err := start(std, args, nil)
		if err == nil && end.Status != 0 {
			err = cli.Status(end.Status)
		}
		return err
	}
	// Nothing may end this process from here on: the kernel would panic.
	note := func(err error) {
		if err != nil {
			fmt.Fprintf(std.Err, "init: %v\n", err)
		}
	}
	note(procErr)
	args, err = boot.Words(args)
	note(err)
	end, err := serve(&std, args, note)
	boot.KillAll()
	// The end of a session hangs its terminal up, for those who hold it too.
	if tty, err := boot.Console(); err == nil {
		std.Err = tty
	}
	if err != nil {
		end.Status = cli.Report(std, "init", err)
	}
	fmt.Fprintf(std.Err, "init: exit status %d\n", end.Status)
	return boot.Finish(end.How)
}

// serve is what is done on a machine. std becomes the console's terminal once
// there is a /dev: the kernel may have found none before.
func serve(std *cli.Std, args []string, note func(error)) (boot.End, error) {
	f := newFlags()
	wrong := f.Parse(*std, args)
	boot.Mount(*f.cgroup, note)
	tty, err := boot.Console()
	if err != nil {
		return boot.End{How: boot.PowerOff}, err
	}
	std.In, std.Out, std.Err = tty, tty, tty
	if wrong != nil {
		return boot.End{How: boot.PowerOff}, wrong
	}
	boot.LoadModules(note)
	note(boot.Loopback())
	return start(*std, args, tty)
}

// start runs the command, or a shell.
func start(std cli.Std, args []string, tty *os.File) (boot.End, error) {
	f := newFlags()
	if err := f.Parse(std, args); err != nil {
		return boot.End{How: boot.PowerOff}, err
	}
	command := f.Args()
	if len(command) == 0 {
		command = []string{"/bin/sh"}
	}
	if tty != nil {
		fmt.Fprintf(std.Err, "init: %s\n", strings.Join(command, " "))
	}
	end, err := boot.Run(command, tty)
	if err != nil {
		err = &cli.Failure{Status: noStart, Err: err}
	}
	return end, err
}
