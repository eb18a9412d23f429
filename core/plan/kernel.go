package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/fault"
	"ocibox/core/namespace"
)

// sysctlPath is the file below /proc/sys of a kernel parameter. Its name may
// have either separator: if the first of them is a dot, a slash in it stands
// for a dot of the name, as in net.ipv4.conf.eth0/100.rp_filter (sysctl(8)).
func sysctlPath(key string) string {
	if i := strings.IndexAny(key, "./"); i < 0 || key[i] == '/' {
		return key
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '.':
			return '/'
		case '/':
			return '.'
		}
		return r
	}, key)
}

// ipcSysctls are the parameters of an ipc namespace besides fs.mqueue,
// ipc_namespaces(7).
var ipcSysctls = [...]string{"kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem", "kernel/shmall", "kernel/shmmax", "kernel/shmmni", "kernel/shm_rmid_forced"}

// sysctlOwner is the kind of namespace that a parameter belongs to, or "": it
// is the host's.
func sysctlOwner(path string) specs.LinuxNamespaceType {
	switch {
	case slices.Contains(ipcSysctls[:], path), strings.HasPrefix(path, "fs/mqueue/"):
		return specs.IPCNamespace
	case strings.HasPrefix(path, "net/"):
		return specs.NetworkNamespace
	case path == "kernel/domainname":
		return specs.UTSNamespace
	case strings.HasPrefix(path, "user/"):
		return specs.UserNamespace
	}
	return ""
}

// sysctlField names a parameter in errors and steps.
const sysctlField = "linux.sysctl"

// sysctl checks that every parameter is the container's own.
func sysctl(s *specs.Spec) error {
	if s.Linux == nil {
		return nil
	}
	seen := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(s.Linux.Sysctl)) {
		field, path := sysctlField+" "+key, sysctlPath(key)
		if err := text(sysctlField, key); err != nil {
			return err
		}
		if err := text(field, s.Linux.Sysctl[key]); err != nil {
			return err
		}
		if len(path) >= unix.PathMax-len("sys/") {
			return fault.Field(sysctlField, "a name of %d bytes is longer than PATH_MAX (%d)", len(key), unix.PathMax)
		}
		for part := range strings.SplitSeq(path, "/") {
			if part == "" || part == "." || part == ".." {
				return fault.Field(sysctlField, "%q is not the name of a kernel parameter", key)
			}
		}
		owner := sysctlOwner(path)
		switch other, twice := seen[path]; {
		case twice:
			return fault.Field(field, "is there already, as %s", other)
		case path == "kernel/hostname":
			return fault.Field(field, "is what the field hostname is for")
		case path == "kernel/domainname" && s.Domainname != "":
			return fault.Field(field, "is what the field domainname says already")
		case owner == "":
			return fault.Field(field, "would be the host's: no namespace has one of its own")
		case !has(s, owner):
			return fault.Field(field, "would be the host's: it needs %s namespace", article(owner)).WithHint(`add {"type": "%s"} to linux.namespaces`, owner)
		}
		seen[path] = key
	}
	return nil
}

func article(t specs.LinuxNamespaceType) string {
	if t == specs.IPCNamespace {
		return "an " + string(t)
	}
	return "a " + string(t)
}

// ownJoins notes which of the namespaces to join must not be the caller's own,
// since what is set in them would then be set for the caller.
func (c *compiler) ownJoins() {
	for _, key := range slices.Sorted(maps.Keys(c.spec.Linux.Sysctl)) {
		k := namespace.ByType(sysctlOwner(sysctlPath(key)))
		for i := range c.plan.Joins {
			if j := &c.plan.Joins[i]; j.Kind == k && j.NotOwn == "" {
				j.NotOwn = sysctlField + " " + key
			}
		}
	}
}

// sysctls sets the kernel's parameters. It stands where the namespaces hold
// all that they will, such as network devices.
func (c *compiler) sysctls() {
	for _, key := range slices.Sorted(maps.Keys(c.spec.Linux.Sysctl)) {
		c.p.Begin(sysctlField, key)
		c.write("sys/"+sysctlPath(key), c.spec.Linux.Sysctl[key])
	}
}

// maxOffset is the kernel's KTIME_SEC_MAX, time_namespaces(7): in seconds.
const maxOffset int64 = 9223372036

// timeOffsets checks the clocks of the new time namespace.
func timeOffsets(s *specs.Spec) error {
	const field = "linux.timeOffsets"
	if s.Linux == nil || len(s.Linux.TimeOffsets) == 0 {
		return nil
	}
	for _, n := range s.Linux.Namespaces {
		if n.Type == specs.TimeNamespace && n.Path != "" {
			return fault.Field(field, "cannot be set: the time namespace that is joined has its own")
		}
	}
	if !has(s, specs.TimeNamespace) {
		return fault.Field(field, "needs a time namespace").WithHint(`add {"type": "time"} to linux.namespaces`)
	}
	for _, clock := range slices.Sorted(maps.Keys(s.Linux.TimeOffsets)) {
		switch o := s.Linux.TimeOffsets[clock]; {
		case clock != "monotonic" && clock != "boottime":
			return fault.Field(field, "%q is no clock of a time namespace: monotonic and boottime are", clock)
		case o.Secs < -maxOffset || o.Secs > maxOffset:
			return fault.Field(field+"."+clock, "%d seconds are more than the kernel's %d", o.Secs, maxOffset)
		case o.Nanosecs >= 1e9:
			return fault.Field(field+"."+clock, "%d nanoseconds are a second or more", o.Nanosecs)
		}
	}
	return nil
}

// shifts says whether the clocks are to be set. The kernel takes that only
// while no process is in the time namespace: clone3(2) would make the child
// the first, unshare(2) leaves that to the next one it forks.
func (c *compiler) shifts() bool { return len(c.spec.Linux.TimeOffsets) > 0 }

// openOffsets opens the file of the clocks, while /proc is the caller's.
func (c *compiler) openOffsets() clone.Reg {
	p, file := c.p, c.p.Reg("timens_offsets")
	p.Begin("linux.timeOffsets", "")
	p.Call(unix.SYS_OPENAT, clone.Cwd, p.Str("/proc/self/timens_offsets"), clone.Num(unix.O_WRONLY|unix.O_CLOEXEC)).Save(file)
	return file
}

// setOffsets makes the time namespace, in the user namespace that it is to
// belong to, and sets its clocks. It returns the flags of the namespaces made.
func (c *compiler) setOffsets(file clone.Reg) uint64 {
	p := c.p
	made := c.new & (unix.CLONE_NEWUSER | unix.CLONE_NEWTIME)
	var lines strings.Builder
	for _, clock := range slices.Sorted(maps.Keys(c.spec.Linux.TimeOffsets)) {
		o := c.spec.Linux.TimeOffsets[clock]
		fmt.Fprintf(&lines, "%s %d %d\n", clock, o.Secs, o.Nanosecs)
	}
	p.Begin("linux.timeOffsets", "")
	p.Call(unix.SYS_UNSHARE, clone.Num(uintptr(made)))
	p.Call(unix.SYS_WRITE, clone.In(file), p.Str(lines.String()), clone.Num(lines.Len()))
	p.Call(unix.SYS_CLOSE, clone.In(file))
	return made
}

// Domains of personality(2), of which x/sys has none.
const (
	perLinux   = 0
	perLinux32 = 8
)

func domain(d specs.LinuxPersonalityDomain) (number int, ok bool) {
	switch d {
	case specs.PerLinux:
		return perLinux, true
	case specs.PerLinux32:
		return perLinux32, true
	}
	return 0, false
}

// personality checks linux.personality.
func personality(s *specs.Spec) error {
	if s.Linux == nil || s.Linux.Personality == nil {
		return nil
	}
	p := s.Linux.Personality
	switch _, ok := domain(p.Domain); {
	case p.Domain == "":
		return fault.Field("linux.personality.domain", "is missing")
	case !ok:
		return fault.Field("linux.personality.domain", "%q is neither LINUX nor LINUX32", p.Domain)
	case len(p.Flags) > 0:
		return fault.Field("linux.personality.flags", "%q: the specification defines no flag", p.Flags[0])
	}
	return nil
}

// setPersonality says what uname(2) calls the machine.
func (c *compiler) setPersonality() {
	if pers := c.spec.Linux.Personality; pers != nil {
		n, _ := domain(pers.Domain)
		c.p.Begin("linux.personality", "")
		c.p.Call(unix.SYS_PERSONALITY, clone.Num(n))
	}
}
