package main

import (
	"fmt"
	"slices"
	"strings"
)

// Report is what is written as JSON.
type Report struct {
	Machine        string
	Peers          []string
	Rounds         int
	Pause          string // idle time before each measured run
	Seconds        int
	PrivateCgroups bool `json:",omitempty"`
	Notes          []string
	Results        []Result `json:",omitempty"`
	Growth         []Growth `json:",omitempty"`
}

// A Result is what one scenario came to, in one quantity.
type Result struct {
	Scenario, Title string
	Quantity        quantity
	Contenders      []Summary
}

// A Summary is one contender's.
type Summary struct {
	Name        string
	Median, Min float64
	// Ratio is the median of ocibox to this one's; 0 if there were too few rounds.
	Ratio  float64 `json:",omitempty"`
	Target float64 `json:",omitempty"` // that the ratio is to be at most
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}

func (s sample) of(q quantity) float64 {
	switch q {
	case cpu:
		return s.cpu
	case wall:
		return s.wall
	}
	return s.memory
}

// add sums a scenario up.
func (b *bench) add(s scenario, contenders []contender, samples map[string][]sample) {
	for _, q := range s.what {
		r := Result{Scenario: s.name, Title: s.title, Quantity: q}
		own := 0.0
		for _, c := range contenders {
			var list []float64
			for _, one := range samples[c.name] {
				list = append(list, one.of(q))
			}
			sum := Summary{Name: c.name, Median: median(list), Min: slices.Min(list)}
			switch {
			case c.name == ocibox:
				own = sum.Median
			case b.rounds >= minRounds && own > 0 && sum.Median > 0:
				sum.Ratio, sum.Target = own/sum.Median, s.targets[q][c.name]
			}
			r.Contenders = append(r.Contenders, sum)
		}
		b.Results = append(b.Results, r)
	}
}

// figure is a number with three digits that count.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// table is the results in Markdown.
func (b *bench) table() string {
	var t strings.Builder
	fmt.Fprintf(&t, "%s; %s. %d rounds in turn, each run after %s of idle time", b.Machine, strings.Join(b.Peers, ", "), b.Rounds, b.Pause)
	if b.PrivateCgroups {
		fmt.Fprint(&t, ", in a private view of cgroups of version 2: on this host's own, crun does not start")
	}
	fmt.Fprint(&t, ".\n")
	for _, n := range b.Notes {
		fmt.Fprintf(&t, "%s\n", n)
	}
	if b.Rounds < minRounds && len(b.Results) > 0 {
		fmt.Fprintf(&t, "No ratios: they take %d rounds.\n", minRounds)
	}
	if len(b.Results) > 0 {
		b.results(&t)
	}
	b.growth(&t)
	return t.String()
}

func (b *bench) results(t *strings.Builder) {
	names := []string{ocibox, "crun", "runc", limit}
	fmt.Fprintf(t, "\n| median (least), and ocibox's part of it | | %s |\n|---|---|%s\n", strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	last := ""
	for _, r := range b.Results {
		title := r.Title
		if title == last {
			title = ""
		}
		last = r.Title
		fmt.Fprintf(t, "| %s | %s |", title, r.Quantity)
		for _, n := range names {
			i := slices.IndexFunc(r.Contenders, func(s Summary) bool { return s.Name == n })
			if i < 0 {
				fmt.Fprint(t, " |")
				continue
			}
			s := r.Contenders[i]
			fmt.Fprintf(t, " %s (%s)", figure(s.Median), figure(s.Min))
			if s.Ratio > 0 {
				fmt.Fprintf(t, " **%.2f**", s.Ratio)
			}
			if s.Target > 0 {
				fmt.Fprintf(t, ", aim %s", strings.TrimSuffix(fmt.Sprintf("%.2f", s.Target), "0"))
			}
			fmt.Fprint(t, " |")
		}
		fmt.Fprintln(t)
	}
}
