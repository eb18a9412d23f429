//go:build !s390x

package clone

// stackFirst says that clone(2) takes the stack before the flags.
const stackFirst = false
