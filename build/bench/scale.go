package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundle"
)

// A Growth is what something costs at one size: medians of the CPU time, in
// milliseconds, by contender. One that failed is not in it.
type Growth struct {
	What, Of string
	Size     int
	Medians  map[string]float64
}

// scale measures how costs grow.
func (b *bench) scale() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("it takes root")
	}
	if err := b.probe(); err != nil {
		return err
	}
	for _, part := range []func() error{b.scaleContainers, b.scaleConfig, b.scaleMounts} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// grow measures one size, the peers in turn.
func (b *bench) grow(what, of string, size int, measure func(p *peer) (sample, error)) {
	g := Growth{what, of, size, map[string]float64{}}
	samples := map[string][]float64{}
	failed := map[string]bool{}
	for round := range b.rounds {
		for i := range b.peers {
			p := b.peers[(i+round)%len(b.peers)]
			if failed[p.name] || p.out {
				continue
			}
			s, err := measure(p)
			if err != nil {
				failed[p.name] = true
				b.Notes = append(b.Notes, fmt.Sprintf("%s, %d %s: %s failed: %.150s", what, size, of, p.name, err))
				continue
			}
			samples[p.name] = append(samples[p.name], s.cpu)
		}
	}
	for name, list := range samples {
		if !failed[name] {
			g.Medians[name] = median(list)
		}
	}
	b.Growth = append(b.Growth, g)
}

// scaleMounts lets the host have more and more mounts.
func (b *bench) scaleMounts() error {
	dir, err := b.bundle("default", bundle.Default())
	if err != nil {
		return err
	}
	many := filepath.Join(b.work, "mounts")
	if err := os.Mkdir(many, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("many", many, "tmpfs", 0, ""); err != nil {
		return err
	}
	defer unix.Unmount(many, unix.MNT_DETACH)
	made := 0
	for _, size := range []int{10, 1000, 10000} {
		for ; made < size; made++ {
			at := filepath.Join(many, strconv.Itoa(made))
			if err := os.Mkdir(at, 0o755); err != nil {
				return err
			}
			if err := unix.Mount(at, at, "", unix.MS_BIND, ""); err != nil {
				return err
			}
		}
		b.grow("`run`", "mounts of the host", size, func(p *peer) (sample, error) {
			return b.measure(p, 1, 1, [][]string{b.command(p, "run", "-b", dir, b.id())})
		})
	}
	return nil
}

// scaleContainers lets there be more and more containers, that have ended.
func (b *bench) scaleContainers() error {
	dir, err := b.bundle("default", bundle.Default())
	if err != nil {
		return err
	}
	first := map[*peer]string{}
	for _, p := range b.peers {
		if p.out {
			continue
		}
		first[p] = b.id()
		if err := b.do(p, "create", "-b", dir, first[p]); err != nil {
			return err
		}
		if err := b.do(p, "start", first[p]); err != nil {
			return err
		}
	}
	made := 1
	for _, size := range []int{10, 1000, 5000} {
		for ; made < size; made++ {
			for p := range first {
				if err := copyState(b.stateOf(p), first[p], fmt.Sprintf("copy-%d", made)); err != nil {
					return err
				}
			}
		}
		const of = "containers"
		b.grow("`state`", of, size, func(p *peer) (sample, error) {
			return b.measure(p, 1, 1, [][]string{b.command(p, "state", first[p])})
		})
		b.grow("`create`, `delete -f`", of, size, func(p *peer) (sample, error) {
			id := b.id()
			defer func() { b.complain(b.do(p, "delete", "-f", id)) }()
			// Its init goes on; the CPU time is had when it ends.
			return b.measure(p, 1, 1, [][]string{b.command(p, "create", "-b", dir, id), b.command(p, "delete", "-f", id)})
		})
		b.grow("`list`", of, size, func(p *peer) (sample, error) {
			return b.measure(p, 1, 1, [][]string{b.command(p, "list")})
		})
	}
	return nil
}

// copyState makes a container's state folder another's.
func copyState(root, from, to string) error {
	entries, err := os.ReadDir(filepath.Join(root, from))
	if err != nil {
		return err
	}
	dir := filepath.Join(root, to)
	if err := os.Mkdir(dir, 0o711); err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(root, from, e.Name()))
		if err != nil {
			return err
		}
		data = bytes.ReplaceAll(data, []byte(from), []byte(to))
		if err := os.WriteFile(filepath.Join(dir, e.Name()), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// scaleConfig lets config.json grow.
func (b *bench) scaleConfig() error {
	large := func(mounts, variables int) *specs.Spec {
		s := bundle.Default()
		for i := range mounts {
			from := filepath.Join(b.work, "rootfs", "b")
			s.Mounts = append(s.Mounts, specs.Mount{Destination: fmt.Sprintf("/a/%d", i), Type: "bind", Source: from, Options: []string{"bind"}})
		}
		for i := range variables {
			s.Process.Env = append(s.Process.Env, fmt.Sprintf("VARIABLE_%d=%d", i, i))
		}
		return s
	}
	for _, row := range []struct {
		of        string
		variables bool
		sizes     []int
	}{{"mounts in config.json", false, []int{10, 500, 5000}}, {"variables in config.json", true, []int{10, 10000}}} {
		for _, size := range row.sizes {
			mounts, variables := size, 0
			if row.variables {
				mounts, variables = 0, size
			}
			dir, err := b.bundle("large", large(mounts, variables))
			if err != nil {
				return err
			}
			b.grow("`run`", row.of, size, func(p *peer) (sample, error) {
				return b.measure(p, 1, 1, [][]string{b.command(p, "run", "-b", dir, b.id())})
			})
		}
	}
	return nil
}

// growth is the table of costs that grow, with how many times the smallest's each
// is.
func (b *bench) growth(t *strings.Builder) {
	if len(b.Growth) == 0 {
		return
	}
	names := []string{ocibox, "crun", "runc"}
	fmt.Fprintf(t, "\n| CPU time, ms (times that of the first) | | %s |\n|---|---|%s\n", strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	for _, g := range b.Growth {
		fmt.Fprintf(t, "| %s | %d %s |", g.What, g.Size, g.Of)
		for _, n := range names {
			m, ok := g.Medians[n]
			if !ok {
				fmt.Fprint(t, " fails |")
				continue
			}
			fmt.Fprintf(t, " %s", figure(m))
			for _, first := range b.Growth {
				if first.What == g.What && first.Of == g.Of {
					if least := first.Medians[n]; first.Size != g.Size && least > 0 {
						fmt.Fprintf(t, " (%.1f)", m/least)
					}
					break
				}
			}
			fmt.Fprint(t, " |")
		}
		fmt.Fprintln(t)
	}
}
