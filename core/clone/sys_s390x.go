package clone

// stackFirst says that clone(2) takes the stack before the flags.
const stackFirst = true
