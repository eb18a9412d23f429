// Bench compares the runtime with others and with the least that a container
// takes, round by round in turn, on the machine that it runs on. scripts/bench
// builds what it needs and calls it.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// minRounds is how many rounds a ratio takes.
const minRounds = 20

type options struct {
	rounds    int
	pause     time.Duration // before each measured run
	scenarios string
	scale     bool
	tools     string // directory of measure and limit
	profiles  string // directory of seccomp profiles
	peers     []*peer
	json, svg string
	readme    string
	work      string
	hybrid    bool // the host's own cgroups are not of version 2 alone
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	var o options
	var own, runc, crun string
	flag.IntVar(&o.rounds, "rounds", 50, "rounds of each scenario")
	flag.DurationVar(&o.pause, "pause", 50*time.Millisecond, "idle `TIME` before each measured run")
	flag.StringVar(&o.scenarios, "scenario", "", "names of scenarios, with commas between (default: all)")
	flag.BoolVar(&o.scale, "scale", false, "measure how the cost grows instead")
	flag.StringVar(&o.json, "json", "", "`FILE` to write the results to, as JSON")
	flag.StringVar(&o.svg, "svg", "", "`FILE` to write the chart to")
	flag.StringVar(&o.readme, "readme", "", "`FILE` whose section of results is written anew")
	flag.StringVar(&o.tools, "tools", "", "`DIR` of measure and limit")
	flag.StringVar(&o.profiles, "profiles", "core/seccomp/testdata", "`DIR` of Docker's seccomp profiles")
	flag.StringVar(&own, "ocibox", "", "the ocibox `PROGRAM`")
	flag.StringVar(&runc, "runc", "", "the runc `PROGRAM`")
	flag.StringVar(&crun, "crun", "", "the crun `PROGRAM`")
	flag.Parse()
	if again, err := private(); again || err != nil {
		return err
	}
	for _, p := range []*peer{{name: ocibox, path: own}, {name: "crun", path: crun}, {name: "runc", path: runc}} {
		if p.path != "" {
			o.peers = append(o.peers, p)
		}
	}
	var err error
	if o.work, err = os.MkdirTemp("", "ocibox-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.work)
	if err := os.Chmod(o.work, 0o755); err != nil {
		return err
	}
	if err := errors.Join(o.view(), o.stateFolder()); err != nil {
		return err
	}
	defer unix.Unmount(o.stateDir(), unix.MNT_DETACH) // or it could not be removed
	b := &bench{options: o, Report: Report{Rounds: o.rounds, Pause: o.pause.String(), Machine: machine(), Peers: versions(o.peers), PrivateCgroups: o.hybrid}}
	defer b.clear()
	began := time.Now()
	if o.scale {
		err = b.scale()
	} else {
		err = b.compare()
	}
	if err != nil {
		return err
	}
	b.Seconds = int(time.Since(began).Seconds())
	return b.write()
}

// compare carries out the scenarios.
func (b *bench) compare() error {
	names := strings.FieldsFunc(b.scenarios, func(r rune) bool { return r == ',' })
	for _, n := range names {
		if !slices.ContainsFunc(scenarios[:], func(s scenario) bool { return s.name == n }) {
			var all []string
			for _, s := range scenarios {
				all = append(all, s.name)
			}
			return fmt.Errorf("%s: no such scenario; there are: %s", n, strings.Join(all, " "))
		}
	}
	for _, s := range scenarios {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		if why := s.missing(); why != "" {
			b.Notes = append(b.Notes, fmt.Sprintf("%s was left out: %s", s.name, why))
			continue
		}
		if err := b.carryOut(s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// carryOut measures one scenario, every contender once a round, each round from
// another one on: what a round does to the machine falls on all.
func (b *bench) carryOut(s scenario) error {
	contenders, finish, err := s.prepare(b)
	if err != nil {
		return err
	}
	defer finish()
	samples := map[string][]sample{}
	for round := range s.roundsOf(b.rounds) {
		for i := range contenders {
			c := contenders[(i+round)%len(contenders)]
			one, err := c.measure(round)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			samples[c.name] = append(samples[c.name], one)
		}
	}
	b.add(s, contenders, samples)
	return nil
}

const privateEnv = "OCIBOX_BENCH_PRIVATE"

const cgroups = "/sys/fs/cgroup"

// private begins root's program again in a mount namespace of its own, and waits.
func private() (again bool, err error) {
	if os.Geteuid() != 0 || os.Getenv(privateEnv) != "" {
		return false, nil
	}
	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	c := exec.Command(self, os.Args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), privateEnv+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	err = c.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(exit.ExitCode()) // it has said why
	}
	return true, err
}

// view makes the cgroups be of version 2 alone, if those of the host are not: crun
// starts nowhere else.
func (o *options) view() error {
	var fs unix.Statfs_t
	if os.Getenv(privateEnv) == "" || unix.Statfs(cgroups, &fs) != nil || fs.Type == unix.CGROUP2_SUPER_MAGIC {
		return nil
	}
	o.hybrid = true
	return unix.Mount("cgroup2", cgroups, "cgroup2", 0, "")
}

// stateFolder is where the containers are kept: on a tmpfs, as /run is.
func (o *options) stateFolder() error {
	dir := o.stateDir()
	if err := os.Mkdir(dir, 0o755); err != nil || os.Getenv(privateEnv) == "" {
		return err
	}
	return unix.Mount("state", dir, "tmpfs", 0, "mode=755")
}

func (o *options) stateDir() string { return filepath.Join(o.work, "state") }

// write puts the results where they were asked for.
func (b *bench) write() error {
	fmt.Print(b.table())
	if b.json != "" {
		data, err := json.MarshalIndent(b.Report, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(b.json, append(data, '\n'), 0o644); err != nil {
			return err
		}
	}
	if b.svg != "" && len(b.Results) > 0 {
		if err := os.WriteFile(b.svg, []byte(b.chart()), 0o644); err != nil {
			return err
		}
	}
	if b.readme == "" {
		return nil
	}
	return b.intoReadme(b.readme)
}

// intoReadme puts the tables between the two marks of the file that stand for
// them.
func (b *bench) intoReadme(path string) error {
	mark := "bench"
	if b.options.scale {
		mark = "bench scale"
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := string(data)
	before, rest, ok := strings.Cut(text, "<!-- "+mark+" -->\n")
	_, after, ok2 := strings.Cut(rest, "<!-- /"+mark+" -->\n")
	if !ok || !ok2 {
		return fmt.Errorf("%s has no marks <!-- %s --> and <!-- /%[2]s -->", filepath.Base(path), mark)
	}
	text = before + "<!-- " + mark + " -->\n" + b.table() + "<!-- /" + mark + " -->\n" + after
	return os.WriteFile(path, []byte(text), 0o644)
}
