package plan

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/fault"
	"ocibox/core/idmap"
	"ocibox/core/namespace"
)

// Validate checks what can be known of a config.json without looking at the
// host. What ocibox does not support yet is refused by its name.
func Validate(s *specs.Spec) error {
	for _, check := range []func(*specs.Spec) error{
		version,
		process,
		rootAndNames,
		namespaces,
		linuxPaths,
		sysctl,
		timeOffsets,
		personality,
		memoryPolicy,
		scheduler,
		ioPriority,
		execCPUAffinity,
		labels,
		hooks,
		netDevices,
		intelRdt,
	} {
		if err := check(s); err != nil {
			return err
		}
	}
	return nil
}

// version takes any 1.x: a minor version may only add (semver.org, and
// runtime-spec, config.md, "Specification version").
func version(s *specs.Spec) error {
	if s.Version == "" {
		return fault.Field("ociVersion", "is missing")
	}
	major, rest, ok := strings.Cut(s.Version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	if _, err := strconv.Atoi(minor); !ok || err != nil {
		return fault.Field("ociVersion", "%q is not a version", s.Version)
	}
	if major != "1" {
		return fault.Field("ociVersion", "%s is not supported, 1.x is", s.Version)
	}
	return nil
}

// text checks a string that a system call will take.
func text(field, s string) error {
	if strings.ContainsRune(s, 0) {
		return fault.Field(field, "%q holds a NUL byte", s)
	}
	return nil
}

// place checks a path, which must be absolute.
func place(field, p string) error {
	switch {
	case p == "":
		return fault.Field(field, "is missing")
	case !path.IsAbs(p):
		return fault.Field(field, "%q is not an absolute path", p)
	case len(p) >= unix.PathMax:
		return fault.Field(field, "%d bytes are longer than PATH_MAX (%d)", len(p), unix.PathMax)
	}
	return text(field, p)
}

func process(s *specs.Spec) error {
	p := s.Process
	if p == nil {
		return fault.Field("process", "is missing")
	}
	if len(p.Args) == 0 || p.Args[0] == "" {
		return fault.Field("process.args", "is empty")
	}
	for i, a := range p.Args {
		if err := text(fault.At("process.args", i), a); err != nil {
			return err
		}
	}
	for i, e := range p.Env {
		field := fault.At("process.env", i)
		if err := text(field, e); err != nil {
			return err
		}
		if strings.IndexByte(e, '=') < 1 {
			return fault.Field(field, "%q is not of the form NAME=VALUE", e)
		}
	}
	if err := place("process.cwd", p.Cwd); err != nil {
		return err
	}
	if u := p.User.Umask; u != nil && *u > 0o777 {
		return fault.Field("process.user.umask", "%#o is more than 0777", *u)
	}
	for _, id := range []struct {
		field string
		id    uint32
	}{{"uid", p.User.UID}, {"gid", p.User.GID}} {
		if id.id == ^uint32(0) {
			return fault.Field("process.user."+id.field, "%d is no id: it means none", id.id)
		}
	}
	if a := p.OOMScoreAdj; a != nil && (*a < -1000 || *a > 1000) {
		return fault.Field("process.oomScoreAdj", "%d is not in -1000…1000", *a)
	}
	if b := p.ConsoleSize; b != nil && (b.Height > 0xffff || b.Width > 0xffff) {
		return fault.Field("process.consoleSize", "%d×%d is more than 65535", b.Height, b.Width)
	}
	seen := map[string]bool{}
	for i, r := range p.Rlimits {
		field := fault.At("process.rlimits", i)
		_, ok := RlimitNumber(r.Type)
		switch {
		case !ok:
			return fault.Field(field+".type", "%q is no limit of setrlimit(2)", r.Type)
		case seen[r.Type]:
			return fault.Field(field+".type", "%s is there already", r.Type)
		case r.Soft > r.Hard:
			return fault.Field(field, "%s: soft %d is more than hard %d", r.Type, r.Soft, r.Hard)
		}
		seen[r.Type] = true
	}
	return nil
}

// nameMax is the longest host and domain name, __NEW_UTS_LEN of the kernel.
const nameMax = 64

func rootAndNames(s *specs.Spec) error {
	switch {
	case s.Root == nil:
		return fault.Field("root", "is missing")
	case s.Root.Path == "":
		return fault.Field("root.path", "is missing")
	case len(s.Root.Path) >= unix.PathMax:
		return fault.Field("root.path", "%d bytes are longer than PATH_MAX (%d)", len(s.Root.Path), unix.PathMax)
	}
	if err := text("root.path", s.Root.Path); err != nil {
		return err
	}
	for _, n := range []struct{ field, name string }{{"hostname", s.Hostname}, {"domainname", s.Domainname}} {
		switch {
		case n.name == "":
			continue
		case len(n.name) > nameMax:
			return fault.Field(n.field, "%d bytes are more than %d", len(n.name), nameMax)
		case !has(s, specs.UTSNamespace):
			return fault.Field(n.field, "would be the host's: it needs a uts namespace").WithHint(`add {"type": "uts"} to linux.namespaces`)
		}
		if err := text(n.field, n.name); err != nil {
			return err
		}
	}
	return nil
}

func has(s *specs.Spec, t specs.LinuxNamespaceType) bool {
	return s.Linux != nil && slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == t })
}

func namespaces(s *specs.Spec) error {
	if s.Linux == nil {
		return nil
	}
	first := map[specs.LinuxNamespaceType]int{}
	newUser := false
	for i, n := range s.Linux.Namespaces {
		field := fault.At("linux.namespaces", i)
		if namespace.ByType(n.Type) == nil {
			return fault.Field(field+".type", "%q is no namespace", n.Type)
		}
		if at, ok := first[n.Type]; ok {
			return fault.Field(field, "%s is there already, as linux.namespaces[%d]", n.Type, at)
		}
		first[n.Type] = i
		if n.Path != "" {
			if err := place(field+".path", n.Path); err != nil {
				return err
			}
		}
		newUser = newUser || n.Type == specs.UserNamespace && n.Path == ""
	}
	uid, gid := s.Linux.UIDMappings, s.Linux.GIDMappings
	mapped := len(uid)+len(gid) > 0
	switch {
	case newUser && !mapped:
		return fault.Field("linux.uidMappings", "is missing for the new user namespace")
	case mapped && !has(s, specs.UserNamespace):
		return fault.Field("linux.uidMappings", "needs a user namespace").WithHint(`add {"type": "user"} to linux.namespaces`)
	case newUser:
		if err := idmap.Validate(uid, gid); err != nil {
			return err
		}
		return ids(s)
	}
	return nil
}

// ids checks that the new user namespace has the ids of the process.
func ids(s *specs.Spec) error {
	uid, gid, u := s.Linux.UIDMappings, s.Linux.GIDMappings, s.Process.User
	if _, ok := idmap.HostID(uid, u.UID); !ok {
		return fault.Field("process.user.uid", "%d is not in linux.uidMappings", u.UID)
	}
	if _, ok := idmap.HostID(gid, u.GID); !ok {
		return fault.Field("process.user.gid", "%d is not in linux.gidMappings", u.GID)
	}
	for i, g := range u.AdditionalGids {
		if _, ok := idmap.HostID(gid, g); !ok {
			return fault.Field(fmt.Sprintf("process.user.additionalGids[%d]", i), "%d is not in linux.gidMappings", g)
		}
	}
	return nil
}

func linuxPaths(s *specs.Spec) error {
	needs := func(field string, set bool) error {
		if set && !has(s, specs.MountNamespace) {
			return fault.Field(field, "would change the host's mounts: it needs a mount namespace").WithHint(`add {"type": "mount"} to linux.namespaces`)
		}
		return nil
	}
	if err := needs("mounts", len(s.Mounts) > 0); err != nil {
		return err
	}
	if err := needs("root.readonly", s.Root.Readonly); err != nil {
		return err
	}
	if s.Linux == nil {
		return nil
	}
	for _, l := range []struct {
		field string
		paths []string
	}{{"linux.maskedPaths", s.Linux.MaskedPaths}, {"linux.readonlyPaths", s.Linux.ReadonlyPaths}} {
		if err := needs(l.field, len(l.paths) > 0); err != nil {
			return err
		}
		for i, p := range l.paths {
			if err := place(fault.At(l.field, i), p); err != nil {
				return err
			}
		}
	}
	return nil
}
