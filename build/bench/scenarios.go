package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ocibox/core/bundle"
)

// A bench is one measuring of everything.
type bench struct {
	options
	Report
	noDevices bool
	probed    bool
	n         int // for ids
}

// A contender is a peer in a scenario, or the limit program.
type contender struct {
	name    string
	measure func(round int) (sample, error)
}

// A scenario is a thing to measure.
type scenario struct {
	name, title string
	what        []quantity
	// targets are the ratios to be had at most, by what and by the other's name.
	targets  map[quantity]map[string]float64
	rootless bool
	// large is a scenario of which 20 rounds are a lot.
	large   bool
	prepare func(b *bench) ([]contender, func(), error)
}

// missing is why the scenario cannot be had here, or "".
func (s scenario) missing() string {
	if !s.rootless && os.Geteuid() != 0 {
		return "it takes root"
	}
	return ""
}

// roundsOf is how many rounds are made where so many are asked for.
func (s scenario) roundsOf(rounds int) int {
	if s.large {
		return min(rounds, minRounds)
	}
	return rounds
}

type quantity string

const (
	cpu    quantity = "CPU time, ms"
	wall   quantity = "wall time, ms"
	memory quantity = "memory, KiB"
)

const limit = "limit"

var scenarios = [...]scenario{
	{"run", "`run` of `true`, default bundle", []quantity{cpu, wall},
		map[quantity]map[string]float64{cpu: {"crun": 0.6, "runc": 0.15, limit: 2}, wall: {"crun": 0.35, "runc": 0.2, limit: 2}}, false, false, runDefault},
	{"docker", "`run` of `true`, Docker's default config.json", []quantity{cpu, wall},
		map[quantity]map[string]float64{cpu: {"crun": 0.6, "runc": 0.15}}, false, false, runDocker},
	{"lifecycle", "`create`, `start` and `delete`", []quantity{cpu, wall},
		map[quantity]map[string]float64{cpu: {"crun": 0.6, "runc": 0.15}}, false, false, lifecycle},
	{"exec", "`exec` of `true`", []quantity{cpu, wall},
		map[quantity]map[string]float64{cpu: {"crun": 0.5, "runc": 0.15}}, false, false, execute},
	{"rootless", "rootless `run` of `true`", []quantity{cpu, wall},
		map[quantity]map[string]float64{cpu: {"crun": 0.6, "runc": 0.2}}, true, false, rootless},
	{"hundred", "100 containers created and started, then deleted, 2 at a time (20 rounds at most)", []quantity{cpu, wall},
		map[quantity]map[string]float64{cpu: {"crun": 0.6, "runc": 0.15}}, false, true, hundred},
	{"peak", "peak resident memory of a `run`", []quantity{memory},
		map[quantity]map[string]float64{memory: {"crun": 2.5, "runc": 0.5}}, false, false, runDefault},
	{"left", "memory that a created container leaves behind (PSS of its init)", []quantity{memory},
		map[quantity]map[string]float64{memory: {"crun": 1.5, "runc": 0.2}}, false, false, leftBehind},
}

// id is one that no container had before.
func (b *bench) id() string {
	b.n++
	return "bench-" + strconv.Itoa(os.Getpid()) + "-" + strconv.Itoa(b.n)
}

// probe settles what config.json can hold for all of the peers, and which of them
// start here.
func (b *bench) probe() error {
	if b.probed {
		return nil
	}
	b.probed = true
	try := func(p *peer) error {
		dir, err := b.bundle("probe", bundle.Default())
		if err != nil {
			return err
		}
		id := b.id()
		if err = b.do(p, "run", "-b", dir, id); err != nil {
			_ = b.do(p, "delete", "-f", id) // where anything is left
			// A crun that may not restrict devices leaves its cgroup.
			_ = unix.Rmdir(filepath.Join("/sys/fs/cgroup", id))
		}
		return err
	}
	for _, p := range b.peers {
		err := try(p)
		if err != nil && strings.Contains(err.Error(), "MEMLOCK") {
			b.noDevices = true
			b.Notes = append(b.Notes, fmt.Sprintf("linux.resources is left out of every config.json: %s, to restrict devices, raises RLIMIT_MEMLOCK, which this caller may not. The others restrict them nevertheless.", p.name))
			err = try(p)
		}
		if err != nil && p.name == ocibox {
			return err
		}
		if p.out = err != nil; p.out {
			b.leftOut(p, "", err)
		}
	}
	return nil
}

func (b *bench) leftOut(p *peer, where string, err error) {
	b.Notes = append(b.Notes, fmt.Sprintf("%s is left out%s: %.300s", p.name, where, err))
}

// each makes one contender of every peer.
func (b *bench) each(measure func(p *peer, round int) (sample, error)) (list []contender) {
	for _, p := range b.peers {
		if p.out {
			continue
		}
		list = append(list, contender{p.name, func(round int) (sample, error) { return measure(p, round) }})
	}
	return list
}

// runs are contenders that run the bundle.
func (b *bench) runs(dir string) []contender {
	return b.each(func(p *peer, _ int) (sample, error) {
		return b.measure(p, 1, 1, [][]string{b.command(p, "run", "-b", dir, b.id())})
	})
}

func nothing() {}

func runDefault(b *bench) ([]contender, func(), error) {
	if err := b.probe(); err != nil {
		return nil, nil, err
	}
	dir, err := b.bundle("default", bundle.Default())
	if err != nil {
		return nil, nil, err
	}
	rootfs, err := b.rootfs()
	if err != nil {
		return nil, nil, err
	}
	var fs unix.Statfs_t
	group := ""
	if unix.Statfs("/sys/fs/cgroup", &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC {
		group = "/sys/fs/cgroup/bench-limit-" + strconv.Itoa(os.Getpid())
	}
	least := contender{limit, func(int) (sample, error) {
		line := append([]string{filepath.Join(b.tools, "limit"), group, rootfs}, program...)
		return b.measure(&peer{}, 1, 1, [][]string{line})
	}}
	return append(b.runs(dir), least), nothing, nil
}

func runDocker(b *bench) ([]contender, func(), error) {
	if err := b.probe(); err != nil {
		return nil, nil, err
	}
	s, err := b.docker()
	if err != nil {
		return nil, nil, err
	}
	dir, err := b.bundle("docker", s)
	return b.runs(dir), nothing, err
}

func lifecycle(b *bench) ([]contender, func(), error) {
	if err := b.probe(); err != nil {
		return nil, nil, err
	}
	dir, err := b.bundle("default", bundle.Default())
	return b.each(func(p *peer, _ int) (sample, error) {
		id := b.id()
		return b.measure(p, 1, 1, [][]string{b.command(p, "create", "-b", dir, id), b.command(p, "start", id), {"@wait"}, b.command(p, "delete", id)})
	}), nothing, err
}

func execute(b *bench) ([]contender, func(), error) {
	if err := b.probe(); err != nil {
		return nil, nil, err
	}
	dir, err := b.bundle("pause", staying(bundle.Default()))
	if err != nil {
		return nil, nil, err
	}
	ids := map[*peer]string{}
	finish := func() {
		for p, id := range ids {
			b.complain(b.do(p, "delete", "-f", id))
		}
	}
	for _, p := range b.peers {
		if p.out {
			continue
		}
		ids[p] = b.id()
		if err := b.do(p, "run", "-d", "-b", dir, ids[p]); err != nil {
			finish()
			return nil, nil, err
		}
	}
	return b.each(func(p *peer, _ int) (sample, error) {
		return b.measure(p, 1, 1, [][]string{b.command(p, append([]string{"exec", ids[p]}, program...)...)})
	}), finish, nil
}

// plain is a uid that nobody has.
const plain = 64123

func rootless(b *bench) ([]contender, func(), error) {
	uid := os.Geteuid()
	if uid == 0 {
		uid = plain
	}
	dir, err := b.bundle("rootless", bundle.Rootless(uint32(uid), uint32(uid)))
	if err != nil {
		return nil, nil, err
	}
	var list []contender
	for _, p := range b.peers {
		p := &peer{name: p.name, path: p.path, uid: uid}
		if err := os.MkdirAll(b.stateOf(p), 0o700); err != nil {
			return nil, nil, err
		}
		if err := os.Chown(b.stateOf(p), uid, uid); err != nil {
			return nil, nil, err
		}
		if err := b.do(p, "run", "-b", dir, b.id()); err != nil && p.name != ocibox {
			b.leftOut(p, " of the rootless run", err)
			continue
		} else if err != nil {
			return nil, nil, err
		}
		list = append(list, contender{p.name, func(int) (sample, error) {
			return b.measure(p, 1, 1, [][]string{b.command(p, "run", "-b", dir, b.id())})
		}})
	}
	return list, nothing, nil
}

func hundred(b *bench) ([]contender, func(), error) {
	if err := b.probe(); err != nil {
		return nil, nil, err
	}
	dir, err := b.bundle("pause", staying(bundle.Default()))
	return b.each(func(p *peer, _ int) (sample, error) {
		id := b.id() + "-%d"
		return b.measure(p, 2, 100,
			[][]string{b.command(p, "create", "-b", dir, id), b.command(p, "start", id)},
			[][]string{b.command(p, "delete", "-f", id)})
	}), nothing, err
}

func leftBehind(b *bench) ([]contender, func(), error) {
	if err := b.probe(); err != nil {
		return nil, nil, err
	}
	dir, err := b.bundle("default", bundle.Default())
	return b.each(func(p *peer, _ int) (sample, error) {
		id, pidFile := b.id(), filepath.Join(b.work, "pid")
		if err := b.do(p, "create", "-b", dir, "--pid-file", pidFile, id); err != nil {
			return sample{}, err
		}
		defer func() { b.complain(b.do(p, "delete", "-f", id)) }()
		pid, err := os.ReadFile(pidFile)
		if err != nil {
			return sample{}, err
		}
		maps, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/smaps_rollup")
		if err != nil {
			return sample{}, err
		}
		for line := range strings.Lines(string(maps)) {
			var s sample
			if n, _ := fmt.Sscanf(line, "Pss: %f kB", &s.memory); n == 1 {
				return s, nil
			}
		}
		return sample{}, fmt.Errorf("no Pss in %q", maps)
	}), nothing, err
}

// complain tells of an error in cleaning up.
func (b *bench) complain(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

// clear deletes what containers are left.
func (b *bench) clear() {
	for _, p := range b.peers {
		entries, _ := os.ReadDir(b.stateOf(p))
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "bench-") {
				b.complain(b.do(p, "delete", "-f", e.Name()))
			}
		}
	}
}
