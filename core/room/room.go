// Package room makes room on the first goroutine's stack for all that is to come,
// at once and before other packages are initialised: it grows by copies of what is
// there, which is little at first, through stacks of each size between. A package
// without imports, whose path sorts before "syscall", is initialised early.
package room

// take has a frame that nobody touches.
func take()

func init() { take() }
