package main

import "strings"

// A Growth is how the cost of something grows.
type Growth struct {
	What  string
	Sizes []int
}

func (b *bench) scale() error { return nil }

func (b *bench) growth(t *strings.Builder) {}
