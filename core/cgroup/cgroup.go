// Package cgroup makes a container's cgroup on whatever the host has: cgroup2,
// version 1, both at once, or nothing that the caller may write to.
//
// What a host decides, and the test that shows it:
//
//	host                          the container's cgroup                       a limit, or linux.cgroupsPath
//	version 2                     beside the caller's; the init is born there  set before the init is there         TestLife, TestLimits
//	version 1                     one in each hierarchy, below the caller's;   as above                             TestLife, TestLimits
//	                              the init goes there before anything else
//	both                          as above, in each                            of the version that has the          TestLife, TestUpdate
//	                                                                           controller
//	none mounted                  none: the container runs in the caller's     an error: the field, and that none   TestCgroupHosts
//	                                                                           is mounted
//	mounted read-only             none, as above                               an error: the field, and where       TestCgroupHosts
//	plain user                    none, as above                               an error: the field, and the file    TestCgroupUser
//	                                                                           that cannot be written to
//	plain user, delegated         one beside the user's                        set where the controller is          TestCgroupUser
//	                                                                           delegated too, or an error
//	in a container that has a     one below that container's                   as in version 1 or 2                 TestNestedCgroup
//	mount that can be written to
//	systemd                       a unit's, which systemd makes                set by systemd, and by us where it   TestSystemd
//	                                                                           has no property for it
//	--cgroup-manager disabled     none, as above                               an error: the field                  TestCgroupHosts
package cgroup

import specs "github.com/opencontainers/runtime-spec/specs-go"

// Manager is who makes the cgroup.
type Manager string

const (
	Cgroupfs Manager = "cgroupfs" // the runtime, in the file system
	Systemd  Manager = "systemd"  // systemd, as a transient unit
	Disabled Manager = "disabled" // nobody: the container stays in the caller's cgroup
)

// Tree is a hierarchy that is mounted, cgroups(7).
type Tree struct {
	Version     int      // 1 or 2
	Controllers []string // those bound to it, "name=systemd" for one without; of version 2, what its root has
	Mount       string   // where it is mounted
	Own         string   // directory of the caller's cgroup below Mount; Mount itself where that lies outside
	ReadOnly    bool     // mounted so
}

// Host is what the caller's mount namespace has of cgroups.
type Host struct {
	Unified *Tree  // version 2, or nil
	Legacy  []Tree // version 1
}

// Request is what a container asks for.
type Request struct {
	ID        string
	Path      string // linux.cgroupsPath, or ""
	Resources *specs.LinuxResources
	Manager   Manager
	// Annotations hold org.systemd.property.*, and Systemd is the service, for
	// the Manager of that name.
	Annotations map[string]string
	Systemd     *Service
	// Privileged says that the caller is root of the host: to all others a
	// cgroup that was not asked for is worth having, and no reason to fail.
	Privileged bool
}

// Group is a container's cgroup: a directory in each hierarchy that it has one
// in. It is kept in state.json.
type Group struct {
	Manager Manager           `json:"manager"`
	Unit    string            `json:"unit,omitempty"`    // systemd's name for it
	Bus     string            `json:"bus,omitempty"`     // where that systemd is reached, Service.Bus
	Unified string            `json:"unified,omitempty"` // its directory in version 2, or ""
	Legacy  map[string]string `json:"legacy,omitempty"`  // its directories in version 1, by controller
	// FilterFile tells of a device filter that containers share, "" for none.
	FilterFile string     `json:"-"`
	path       string     // linux.cgroupsPath it was made for, or ""
	unit       []Property // that the unit is made with
	version    int        // of systemd, 0 before it was asked for
	taken      bool       // it turned out to be somebody else's
	fresh      bool       // in version 2 it is just made, and has no device filter
	tree       *Tree      // of version 2, nil where it was not looked for
}

// Limit is one write to a file of a cgroup.
type Limit struct {
	Field      string // of config.json, below linux.resources
	Controller string
	File       string // name in the cgroup's directory
	Value      string
	Optional   bool   // nothing is lost on a kernel without the file
	Checked    bool   // it is refused if more memory is in use
	Else       *Limit // what is written where there is no such file
}

// Dir is the directory in which the controller's files are, and the version of
// its hierarchy; 0 if the group has none with it. It does not tell whether
// version 2 has enabled the controller there.
func (g *Group) Dir(controller string) (dir string, version int) {
	if dir, ok := g.Legacy[controller]; ok {
		return dir, 1
	}
	if g.Unified != "" {
		return g.Unified, 2
	}
	return "", 0
}
