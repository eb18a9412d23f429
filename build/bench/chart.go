package main

import (
	"fmt"
	"html"
	"strings"
)

// Colours of the contenders, readable on white and on black.
var colours = map[string]string{ocibox: "#2a8a4a", "crun": "#c77a1f", "runc": "#3b6fb5", limit: "#808080"}

// chart draws the medians as bars, each scenario to its own scale.
func (b *bench) chart() string {
	const width, left, bar, gap, full = 860, 330, 15, 26, 400
	var s strings.Builder
	y := 34
	for _, r := range b.Results {
		most := 0.0
		for _, c := range r.Contenders {
			most = max(most, c.Median)
		}
		fmt.Fprintf(&s, `<text x="%d" y="%d" class="t">%s</text>`+"\n", 10, y+bar-3, html.EscapeString(strings.ReplaceAll(short(r), "`", "")))
		for _, c := range r.Contenders {
			text := c.Name + " " + figure(c.Median)
			if c.Ratio > 0 {
				text += fmt.Sprintf("  (%.2f)", c.Ratio)
			}
			w := c.Median / most * full
			fmt.Fprintf(&s, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/><text x="%.1f" y="%d">%s</text>`+"\n",
				left, y, w, bar-3, colours[c.Name], float64(left)+w+6, y+bar-5, html.EscapeString(text))
			y += bar
		}
		y += gap - bar
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">
<style>text{fill:#444}.t{font-weight:bold}@media(prefers-color-scheme:dark){text{fill:#ccc}}</style>
<text x="10" y="18">Medians of %d rounds; in brackets, ocibox's part of it. Shorter is better.</text>
%s</svg>
`, width, y, b.Rounds, s.String())
}

// short is what a group of bars is called.
func short(r Result) string {
	names := map[string]string{
		"run": "run, default bundle", "docker": "run, Docker's default", "lifecycle": "create, start, delete", "exec": "exec",
		"rootless": "rootless run", "hundred": "100 containers, 2 at a time", "peak": "run, peak resident", "left": "created, PSS of the init",
	}
	return names[r.Scenario] + ": " + string(r.Quantity)
}
