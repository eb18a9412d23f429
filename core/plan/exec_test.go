package plan

import (
	"errors"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ocibox/core/bundle"
	"ocibox/core/fault"
)

// defaultJoins are the namespaces of bundle.Default.
const defaultJoins = unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNS

func execGoldens() []golden {
	everything := bundle.Default()
	p, adj := everything.Process, 100
	p.OOMScoreAdj = &adj
	p.Rlimits = append(p.Rlimits, specs.POSIXRlimit{Type: "RLIMIT_NPROC", Soft: 5, Hard: 10})
	p.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}}
	p.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 7}
	p.ExecCPUAffinity = &specs.CPUAffinity{Initial: "0", Final: "0-1"}
	p.ApparmorProfile, p.SelinuxLabel = "profile", "a:b:c:s0"
	p.ConsoleSize = &specs.Box{Height: 24, Width: 80}
	p.User = specs.User{UID: 5, GID: 6, AdditionalGids: []uint32{7}}
	everything.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
	everything.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"} // is set already
	labelled := root
	labelled.AppArmor, labelled.SELinux = true, true

	classed := bare()
	classed.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: "gold", Schemata: []string{"L3:0=f"}, EnableMonitoring: true}

	rootless := bundle.Rootless(1000, 1000)
	rootless.Process.Terminal = false
	own := []specs.LinuxIDMapping{{HostID: 1000, Size: 1}}
	return []golden{
		{name: "exec", in: Input{Spec: everything, Host: labelled, Home: "/"}, target: &Target{Joins: defaultJoins, RootFS: "/proc/7/root", Nproc: 100}},
		{name: "exec-rootless", in: Input{Spec: rootless, Host: user, Home: "/"},
			target: &Target{Joins: defaultJoins&^unix.CLONE_NEWNET | unix.CLONE_NEWUSER, RootFS: "/proc/7/root", UIDs: own, GIDs: own, NoSetgroups: true}},
		{name: "exec-chroot", in: Input{Spec: bare(), Host: root, Home: "/", NoKeyring: true}, target: &Target{RootFS: "/rootfs"}},
		{name: "exec-rdt", in: Input{Spec: classed, Host: resctrl(root), Home: "/"}, target: &Target{RootFS: "/rootfs"}},
	}
}

// What a user namespace does not have is named before anything is done.
func TestExecInUserNamespace(t *testing.T) {
	m := []specs.LinuxIDMapping{{HostID: 1000, Size: 1}, {ContainerID: 5, HostID: 7000, Size: 10}}
	target := Target{Joins: unix.CLONE_NEWUSER, RootFS: "/", UIDs: m, GIDs: m, NoSetgroups: true}
	for _, row := range []struct {
		user  specs.User
		field string
		want  string // "" for no error
	}{
		{specs.User{UID: 14, GID: 5}, "", ""},
		{specs.User{UID: 15}, "process.user.uid", "15 is not in the map of the container's user namespace: 0 1000 1, 5 7000 10"},
		{specs.User{GID: 4}, "process.user.gid", "4 is not in the map"},
		{specs.User{AdditionalGids: []uint32{5, 99}}, "process.user.additionalGids[1]", "99 is not in the map"},
		{specs.User{AdditionalGids: []uint32{5}}, "process.user.additionalGids", "setgroups(2) is denied"},
	} {
		s := bare(specs.LinuxNamespace{Type: specs.UserNamespace, Path: "/proc/7/ns/user"})
		s.Process.User = row.user
		_, err := Exec(Input{Spec: s, Host: root}, target)
		var e *fault.Error
		switch {
		case row.want == "" && err != nil:
			t.Errorf("%+v: %v", row.user, err)
		case row.want != "" && (!errors.As(err, &e) || e.Field != row.field || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%+v: %v, want %s: %s", row.user, err, row.field, row.want)
		}
	}
}
