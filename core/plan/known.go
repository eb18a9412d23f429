package plan

// Annotations are those of a config.json that change the plan or what its
// hooks write to.
func Annotations() []string {
	return []string{HooksStderr, HooksStdout, keepGroups, contextType, seccompReceiver, failUnknown}
}

// MemoryPolicies are the modes and the flags that linux.memoryPolicy takes.
func MemoryPolicies() (modes, flags []string) {
	for _, m := range memoryModes {
		modes = append(modes, string(m.name))
	}
	for _, f := range memoryFlags {
		flags = append(flags, string(f.name))
	}
	return modes, flags
}
