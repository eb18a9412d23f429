//go:build !cgo

package clone

const withLibc = false
