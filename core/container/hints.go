package container

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/clone"
	"ocibox/core/elf"
	"ocibox/core/mounts"
	"ocibox/core/namespace"
	"ocibox/core/plan"
	"ocibox/core/rootfs"
)

// A hint is printed only where its cause was found on the host. These
// functions return "" where it was not.

// explain makes an error of a failed instruction, with a hint.
func explain(f *clone.Failure, s *specs.Spec, p *plan.Plan) error {
	e := f.Fault()
	call, _, _ := strings.Cut(f.Call, "(")
	has := func(t specs.LinuxNamespaceType) bool {
		for _, n := range s.Linux.Namespaces {
			if n.Type == t {
				return true
			}
		}
		return false
	}
	var mount *specs.Mount
	var i int
	if n, _ := fmt.Sscanf(f.Step.Field, "mounts[%d]", &i); n == 1 && i < len(s.Mounts) {
		mount = &s.Mounts[i]
	}
	user := has(specs.UserNamespace)
	if e.Hint = filterHint(f, s); e.Hint != "" {
		return e
	}
	switch {
	case f.Errno == unix.ENOSYS:
		e.Hint = kernelHint()
	case call == "clone3" || call == "unshare":
		e.Hint = namespaceHint(f.Errno, p.New)
	case call == "execve" || call == "faccessat":
		e.Hint = execHint(p.RootFS, p.Paths, f.Errno)
	case call == "prlimit64" && f.Errno == unix.EPERM:
		e.Hint = rlimitHint(s, f.Step)
	case f.Step.Field == "linux.sysctl" && call == "write":
		e.Hint = sysctlHint(s, f)
	case f.Step.Field == "linux.timeOffsets" && f.Errno == unix.ERANGE:
		e.Hint = clockHint(s.Linux.TimeOffsets)
	case f.Step.Field == "process.apparmorProfile" && f.Errno == unix.ENOENT:
		e.Hint = "the kernel has no profile of that name: apparmor_parser loads it"
	case (call == "sched_setattr" || call == "ioprio_set") && f.Errno == unix.EPERM:
		e.Hint = niceHint(p.Cgroup)
	case f.Step.Field == "linux.memoryPolicy" && f.Errno == unix.EINVAL:
		if nodes := procValue("/sys/devices/system/node/has_memory"); nodes != "" {
			e.Hint = "the nodes with memory are " + nodes + " here, of which a cpuset may leave less"
		}
	case call == "pivot_root" && f.Errno == unix.EINVAL:
		e.Hint = pivotHint()
	case f.Step.Field == "process.terminal" && call == "open" && f.Errno == unix.ENOENT:
		e.Hint = "the terminal is made in the container's devpts: config.json needs a mount of type devpts at /dev/pts"
	case f.Step.Field == "process.cwd" && call == "open" && strings.HasPrefix(s.Process.Cwd, "/proc/"):
		e.Hint = "what a link of /proc leads to may be outside of the container: none is followed"
	case mount == nil:
	case mount.Type == "sysfs" && f.Errno == unix.EPERM && user && !has(specs.NetworkNamespace):
		e.Hint = "a user namespace may mount sysfs only with a network namespace of its own: add one, or bind /sys"
	case mount.Type == "proc" && f.Errno == unix.EPERM && user:
		e.Hint = procHint(has(specs.PIDNamespace))
	case mount.Type == "devpts" && f.Errno == unix.EINVAL && user:
		for _, o := range mount.Options {
			if strings.HasPrefix(o, "gid=") {
				e.Hint = fmt.Sprintf("%s: that group has to be in linux.gidMappings", o)
			}
		}
	case call == "move_mount" && f.Errno == unix.EINVAL:
		e.Hint = shapeHint(p.RootFS, p.Bundle, mount)
	case call == "open_tree" && f.Errno == unix.EINVAL && user:
		if below := mounts.Below(mount.Source); len(below) > 0 {
			e.Hint = fmt.Sprintf("a user namespace may not uncover what %s is mounted over: rbind takes it along", below[0])
		}
	}
	return e
}

func explainClone(err error, flags uint64) error {
	var f *clone.Failure
	if !errors.As(err, &f) {
		return err
	}
	e := f.Fault()
	e.Field = "linux.namespaces"
	e.Hint = namespaceHint(f.Errno, flags)
	return e
}

// kernelHint is for a system call that the kernel does not have.
func kernelHint() string {
	return "this kernel is " + kernelRelease() + "; ocibox needs Linux " + needed + " or later, and a seccomp filter around it that lets the new mount calls through"
}

func procValue(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// namespaceHint finds the setting that forbids a new namespace, namespaces(7).
func namespaceHint(e error, flags uint64) string {
	switch {
	case errors.Is(e, unix.ENOSYS):
		return kernelHint()
	case errors.Is(e, unix.EPERM) && flags&unix.CLONE_NEWUSER == 0 && os.Geteuid() != 0:
		return "a plain user needs a user namespace: spec --rootless makes such a config.json"
	}
	return namespace.Refused(e, flags)
}

// procHint tells why a new procfs is refused in a user namespace.
func procHint(ownPid bool) string {
	if !ownPid {
		return "a user namespace may mount proc only with a pid namespace of its own: add one, or bind /proc"
	}
	if below := mounts.Below("/proc"); len(below) > 0 {
		return fmt.Sprintf("the outer /proc is partly covered, by %s: a user namespace gets no view past that", strings.Join(below, ", "))
	}
	return ""
}

// shapeHint finds a directory that is to be mounted onto a file, or the other
// way round, move_mount(2).
func shapeHint(root, bundle string, m *specs.Mount) string {
	shape := func(mode uint32) string {
		if mode&unix.S_IFMT == unix.S_IFDIR {
			return "directory"
		}
		return "file"
	}
	from, target := unix.Stat_t{Mode: unix.S_IFDIR}, unix.Stat_t{}
	if mounts.IsBind(*m) && unix.Stat(mounts.Source(*m, bundle), &from) != nil {
		return ""
	}
	fd, err := openPath(root, m.Destination, unix.O_PATH)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	if unix.Fstat(fd, &target) != nil || shape(from.Mode) == shape(target.Mode) {
		return ""
	}
	return fmt.Sprintf("%s is a %s in the container, what is mounted there is a %s", m.Destination, shape(target.Mode), shape(from.Mode))
}

func rlimitHint(s *specs.Spec, step clone.Step) string {
	var i int
	if n, _ := fmt.Sscanf(step.Field, "process.rlimits[%d]", &i); n != 1 || i >= len(s.Process.Rlimits) {
		return ""
	}
	want := s.Process.Rlimits[i]
	number, ok := plan.RlimitNumber(want.Type)
	if !ok {
		return ""
	}
	var now unix.Rlimit
	if err := unix.Getrlimit(number, &now); err != nil || want.Hard <= now.Max {
		return ""
	}
	return fmt.Sprintf("the hard limit is %d here, and raising it to %d takes CAP_SYS_RESOURCE", now.Max, want.Hard)
}

func pivotHint() string {
	var st unix.Statfs_t
	if err := unix.Statfs("/", &st); err == nil && (uint32(st.Type) == unix.RAMFS_MAGIC || st.Type == unix.TMPFS_MAGIC) {
		return "the root of this host is its initramfs, out of which pivot_root(2) does not lead"
	}
	return ""
}

// machines are the ELF machines that each of our architectures executes.
var machines = [...]struct {
	arch    string
	machine []elf.Machine
}{
	{"amd64", []elf.Machine{elf.EM_X86_64, elf.EM_386}}, {"386", []elf.Machine{elf.EM_386, elf.EM_X86_64}},
	{"arm64", []elf.Machine{elf.EM_AARCH64, elf.EM_ARM}}, {"arm", []elf.Machine{elf.EM_ARM, elf.EM_AARCH64}},
	{"riscv64", []elf.Machine{elf.EM_RISCV}}, {"s390x", []elf.Machine{elf.EM_S390}}, {"ppc64le", []elf.Machine{elf.EM_PPC64}},
}

// execHint looks at the files that could not be executed.
func execHint(root string, paths []string, e error) string {
	for _, path := range paths {
		f, err := openIn(root, path)
		if err != nil {
			continue
		}
		defer f.Close()
		interp, machine, isProgram := rootfs.Interpreter(f)
		st, err := f.Stat()
		switch {
		case err != nil:
		case errors.Is(e, unix.EACCES) && st.Mode()&0o111 == 0:
			return fmt.Sprintf("%s has mode %04o: nobody may execute it", path, st.Mode().Perm())
		case errors.Is(e, unix.ENOENT) && interp != "":
			if i, err := openIn(root, interp); err == nil {
				i.Close()
			} else {
				return fmt.Sprintf("%s is there, but %s, which it needs to run, is not", path, interp)
			}
		case errors.Is(e, unix.ENOEXEC) && !isProgram:
			return fmt.Sprintf("%s is neither an ELF program nor a script that begins with #!", path)
		case errors.Is(e, unix.ENOEXEC) && machine != elf.EM_NONE:
			for _, m := range machines {
				if m.arch == runtime.GOARCH && m.machine[0] != machine && m.machine[1%len(m.machine)] != machine {
					return fmt.Sprintf("%s is for %v, this machine is %s", path, machine, runtime.GOARCH)
				}
			}
		}
	}
	if len(paths) > 1 && errors.Is(e, unix.ENOENT) {
		return "it was looked for as " + strings.Join(paths, ", ")
	}
	return ""
}
