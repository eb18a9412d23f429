package runtime_test

// withoutCgroups are global options for containers that have no cgroup of their
// own.
var withoutCgroups = []string{"--cgroup-manager", "disabled"}
